// SPDX-License-Identifier: Apache-2.0
// Host port: AXI4-Lite registers of 32 bits that start the accelerator and tell what it does.
//
//   0x00 CONTROL  w   bit 0: START, ignored while running or while the DMA still has bursts under way
//   0x04 STATUS   r   0 running, 1 done without an error, 2 error, 3 idle; 11:8 error code, 15:12 queue, 31:16 tag
//   0x08 PROGRAM  rw  DRAM byte address of the program
//   0x0c BASE     rw  first byte of DRAM that the accelerator may touch
//   0x10 BYTES    rw  and how many
//   0x14 WATCHDOG rw  cycles without progress until an error, 0: never
//   0x18 CYCLES   r   cycles of the last program, low word; 0x1c high word
//   0x20 BUSY     r   busy cycles of queue q at 0x20 + 4 q
//   0x30 ID       r   "HWS1"
// Other addresses read as 0 and answer SLVERR; writes need all four strobes, or answer SLVERR.
//
// START resets the core for one cycle (core_reset_no), then begin_o is high for one; CYCLES counts from that cycle to
// the one in which finished_i is high, both included.
`default_nettype none
module hws_host #(
  localparam int Count = hws_pkg::QueueCount,
  localparam int AddressWidth = 8
) (
  input  wire logic                    clk_i,
  input  wire logic                    rst_ni,
  input  wire logic [AddressWidth-1:0] s_axil_awaddr_i,
  input  wire logic                    s_axil_awvalid_i,
  output      logic                    s_axil_awready_o,
  input  wire logic [            31:0] s_axil_wdata_i,
  input  wire logic [             3:0] s_axil_wstrb_i,
  input  wire logic                    s_axil_wvalid_i,
  output      logic                    s_axil_wready_o,
  output      logic [             1:0] s_axil_bresp_o,
  output      logic                    s_axil_bvalid_o,
  input  wire logic                    s_axil_bready_i,
  input  wire logic [AddressWidth-1:0] s_axil_araddr_i,
  input  wire logic                    s_axil_arvalid_i,
  output      logic                    s_axil_arready_o,
  output      logic [            31:0] s_axil_rdata_o,
  output      logic [             1:0] s_axil_rresp_o,
  output      logic                    s_axil_rvalid_o,
  input  wire logic                    s_axil_rready_i,
  output      logic                    core_reset_no,
  output      logic                    begin_o,
  output      logic [            31:0] program_o,
  output      logic [            31:0] dram_base_o,
  output      logic [            31:0] dram_bytes_o,
  output      logic [            31:0] watchdog_o,
  input  wire logic                    dma_busy_i,
  input  wire logic [       Count-1:0] busy_i,
  input  wire logic                    finished_i,
  input  wire logic                    error_i,
  input  wire logic [             3:0] error_code_i,
  input  wire logic [             3:0] error_queue_i,
  input  wire logic [            15:0] error_tag_i,
  output      logic                    irq_o
);
  localparam logic [1:0] OKAY = 2'b00;
  localparam logic [1:0] SLVERR = 2'b10;

  logic write, read, start, idle, clear_q, begin_q, running_q, done_q, write_ok;
  logic [AddressWidth-3:0] write_register, read_register;
  logic [31:0] program_q, base_q, bytes_q, watchdog_q;
  logic [63:0] cycles_q;
  logic [31:0] busy_q[Count];
  logic bvalid_q, rvalid_q, read_known;
  logic [1:0] bresp_q, rresp_q;
  logic [31:0] rdata_q, value;

  // Address and data of a write are taken together, while no response waits.
  assign write            = s_axil_awvalid_i && s_axil_wvalid_i && !bvalid_q;
  assign s_axil_awready_o = write;
  assign s_axil_wready_o  = write;
  assign s_axil_bvalid_o  = bvalid_q;
  assign s_axil_bresp_o   = bresp_q;
  assign write_register   = s_axil_awaddr_i[AddressWidth-1:2];
  assign write_ok         = &s_axil_wstrb_i && write_register <= 6'd5 && write_register != 6'd1;
  assign read             = s_axil_arvalid_i && !rvalid_q;
  assign s_axil_arready_o = read;
  assign s_axil_rvalid_o  = rvalid_q;
  assign s_axil_rdata_o   = rdata_q;
  assign s_axil_rresp_o   = rresp_q;
  assign read_register    = s_axil_araddr_i[AddressWidth-1:2];

  assign idle             = !running_q && !begin_q && !clear_q && !(|busy_i) && !dma_busy_i;
  assign start            = write && write_ok && write_register == 6'd0 && s_axil_wdata_i[0] && idle;
  assign core_reset_no    = rst_ni && !clear_q;
  assign begin_o          = begin_q;
  assign program_o        = program_q;
  assign dram_base_o      = base_q;
  assign dram_bytes_o     = bytes_q;
  assign watchdog_o       = watchdog_q;
  assign irq_o            = done_q || (error_i && !clear_q);

  always_comb begin
    read_known = 1'b1;
    value      = '0;
    case (read_register)
      6'd0: value = '0;
      6'd1: begin
        value = {
          error_tag_i,
          error_queue_i,
          error_code_i,
          4'b0,
          idle,
          error_i,
          done_q && !error_i,
          running_q || begin_q || clear_q
        };
      end
      6'd2: value = program_q;
      6'd3: value = base_q;
      6'd4: value = bytes_q;
      6'd5: value = watchdog_q;
      6'd6: value = cycles_q[31:0];
      6'd7: value = cycles_q[63:32];
      6'd8: value = busy_q[0];
      6'd9: value = busy_q[1];
      6'd10: value = busy_q[2];
      6'd11: value = busy_q[3];
      6'd12: value = 32'h48575331;
      default: read_known = 1'b0;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {bvalid_q, rvalid_q, clear_q, begin_q, running_q, done_q} <= '0;
      {bresp_q, rresp_q}                                        <= '0;
      rdata_q                                                   <= '0;
      program_q                                                 <= '0;
      base_q                                                    <= '0;
      bytes_q                                                   <= '1;
      watchdog_q                                                <= 32'd1_000_000;
      cycles_q                                                  <= '0;
    end else begin
      bvalid_q <= write || (bvalid_q && !s_axil_bready_i);
      rvalid_q <= read || (rvalid_q && !s_axil_rready_i);
      if (write) bresp_q <= write_ok ? OKAY : SLVERR;
      if (read) rresp_q <= read_known ? OKAY : SLVERR;
      if (read) rdata_q <= value;
      if (write && write_ok) begin
        case (write_register)
          6'd2: program_q <= s_axil_wdata_i;
          6'd3: base_q <= s_axil_wdata_i;
          6'd4: bytes_q <= s_axil_wdata_i;
          6'd5: watchdog_q <= s_axil_wdata_i;
          default: ;
        endcase
      end
      clear_q   <= start;
      begin_q   <= clear_q;
      running_q <= begin_q || (running_q && !finished_i && !error_i);
      done_q    <= (done_q && !start) || (running_q && finished_i);
      if (start) cycles_q <= '0;
      else if (begin_q || running_q) cycles_q <= cycles_q + 1'b1;
    end
  end

  for (genvar q = 0; q < Count; q++) begin : gen_busy
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) busy_q[q] <= '0;
      else if (start) busy_q[q] <= '0;
      else if (busy_i[q]) busy_q[q] <= busy_q[q] + 1'b1;
    end
  end
endmodule : hws_host
`default_nettype wire
