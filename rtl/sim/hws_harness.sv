// SPDX-License-Identifier: Apache-2.0
// Simulation only: runs jobs on hws_top with the memory model, without anything outside of the simulator in the loop.
//
// Plusargs: +folder=F +jobs=N. Job i reads F/i.cfg (decimal: last word, latency, stall, seed, program address, DRAM bytes,
// watchdog, error address or -1) and F/i.hex (DRAM from word 0), starts the accelerator through its registers, waits for the
// interrupt, and writes F/i.out (DRAM, words 0 to the last) and a line of F/results.txt: job, status, cycles, busy
// cycles of each queue. Each job begins with a reset. +limit=N ends a job that takes more cycles, with status 0.
`default_nettype none
module hws_harness #(
  parameter int Words = 1 << 22
) (
  input  wire logic        clk_i,
  output      logic [31:0] job_o,
  output      logic [31:0] cycle_o  // since the job's START took effect
);
  typedef enum logic [2:0] {
    StateLoad,
    StateReset,
    StateWrite,
    StateWait,
    StateRead,
    StateDone
  } state_e;

  localparam int Writes = 5;
  localparam int Reads = 7;
  localparam int ResetCycles = 4;

  state_e state_q;
  logic rst_nq;
  int job_q;
  int jobs;
  int step_q;
  int limit;
  int results, handle, fields, last_word, seed, program_address, dram_bytes, watchdog, error_address;
  logic [15:0] latency;
  logic [7:0] stall;
  logic [31:0] cycle_q;
  logic [31:0] word_q[Reads];
  string folder;

  logic awready, bvalid, arready, rvalid, irq, awvalid_q, arvalid_q;
  logic [7:0] awaddr_q, araddr_q;
  logic [31:0] wdata_q, rdata;

  hws_system #(
    .Words(Words)
  ) u_system (
    .clk_i,
    .rst_ni(rst_nq),
    .latency_i(latency),
    .stall_i(stall),
    .seed_i(seed),
    .error_address_i(error_address),
    .awaddr_i(awaddr_q),
    .awvalid_i(awvalid_q),
    .awready_o(awready),
    .wdata_i(wdata_q),
    .bvalid_o(bvalid),
    .araddr_i(araddr_q),
    .arvalid_i(arvalid_q),
    .arready_o(arready),
    .rdata_o(rdata),
    .rvalid_o(rvalid),
    .irq_o(irq)
  );
  assign job_o   = job_q;
  assign cycle_o = cycle_q;

  function automatic logic [7:0] write_address(input int step);
    case (step)
      0: write_address = 8'h08;
      1: write_address = 8'h0c;
      2: write_address = 8'h10;
      3: write_address = 8'h14;
      default: write_address = 8'h00;
    endcase
  endfunction

  function automatic logic [7:0] read_address(input int step);
    case (step)
      0: read_address = 8'h04;
      1: read_address = 8'h18;
      2: read_address = 8'h1c;
      default: read_address = 8'(8'h20 + 4 * (step - 3));
    endcase
  endfunction

  initial begin
    state_q   = StateLoad;
    rst_nq    = 1'b0;
    job_q     = 0;
    step_q    = 0;
    cycle_q   = '0;
    awvalid_q = 1'b0;
    arvalid_q = 1'b0;
    awaddr_q  = '0;
    araddr_q  = '0;
    wdata_q   = '0;
    if (!$value$plusargs("folder=%s", folder)) folder = ".";
    if (!$value$plusargs("jobs=%d", jobs)) jobs = 1;
    if (!$value$plusargs("limit=%d", limit)) limit = 0;
    results = $fopen({folder, "/results.txt"}, "w");
  end

  always @(posedge clk_i) begin
    case (state_q)
      StateLoad: begin
        if (job_q == jobs) begin
          $fclose(results);
          $finish;
        end else begin
          handle = $fopen($sformatf("%s/%0d.cfg", folder, job_q), "r");
          fields = $fscanf(
              handle,
              "%d %d %d %d %d %d %d %d",
              last_word,
              latency,
              stall,
              seed,
              program_address,
              dram_bytes,
              watchdog,
              error_address
          );
          $fclose(handle);
          if (fields != 8) $fatal(1, "job %0d: its configuration has %0d fields, expected 8", job_q, fields);
          $readmemh($sformatf("%s/%0d.hex", folder, job_q), u_system.u_dram.mem);
          rst_nq  <= 1'b0;
          step_q  <= 0;
          state_q <= StateReset;
        end
      end
      StateReset: begin
        step_q  <= step_q + 1;
        cycle_q <= '0;
        if (step_q == ResetCycles) begin
          rst_nq  <= 1'b1;
          step_q  <= 0;
          state_q <= StateWrite;
        end
      end
      StateWrite: begin
        if (!awvalid_q && !bvalid) begin
          awaddr_q <= write_address(step_q);
          case (step_q)
            0: wdata_q <= program_address;
            1: wdata_q <= '0;
            2: wdata_q <= dram_bytes;
            3: wdata_q <= watchdog;
            default: wdata_q <= 32'd1;
          endcase
          awvalid_q <= 1'b1;
        end else if (awvalid_q && awready) begin
          awvalid_q <= 1'b0;
          step_q    <= step_q + 1;
          if (step_q == Writes - 1) state_q <= StateWait;
        end
      end
      StateWait: begin
        cycle_q <= cycle_q + 1;
        if (irq || (limit != 0 && cycle_q == limit)) begin
          step_q  <= 0;
          state_q <= irq ? StateRead : StateDone;
        end
      end
      StateRead: begin
        if (rvalid) begin
          word_q[step_q] <= rdata;
          step_q <= step_q + 1;
          if (step_q == Reads - 1) state_q <= StateDone;
        end else if (arvalid_q && arready) begin
          arvalid_q <= 1'b0;
        end else if (!arvalid_q) begin
          araddr_q  <= read_address(step_q);
          arvalid_q <= 1'b1;
        end
      end
      default: begin
        if (step_q != Reads) $fdisplay(results, "%0d 0 0 0 0 0 0 0", job_q);
        else
          $fdisplay(
              results,
              "%0d %0d %0d %0d %0d %0d %0d %0d",
              job_q,
              word_q[0],
              word_q[1],
              word_q[2],
              word_q[3],
              word_q[4],
              word_q[5],
              word_q[6]
          );
        $fflush(results);
        $writememh($sformatf("%s/%0d.out", folder, job_q), u_system.u_dram.mem, 0, last_word);
        job_q   <= job_q + 1;
        state_q <= StateLoad;
      end
    endcase
  end
endmodule : hws_harness
`default_nettype wire
