// SPDX-License-Identifier: Apache-2.0
// Controller: instruction buffer, dispatcher, one issue queue an engine, tokens, errors and watchdog.
//
// begin_i (one cycle, after a reset) runs the program at program_address_i. finished_o: end was reached. An error halts the
// dispatcher and all starts; error_o holds it, with the queue (QueueCount: none) and the tag of the instruction it came from.
// The watchdog raises ErrorWatchdog when nothing has started or ended for watchdog_i cycles (0: never).
// Engine q: start_valid_o[q], start_ready_i[q], done_i[q]; its instruction in instruction_o from bit q * InstructionWidth.
`default_nettype none
module hws_controller #(
  localparam int Count = hws_pkg::QueueCount,
  localparam int Width = hws_pkg::InstructionWidth,
  localparam int PartWidth = $clog2(Width / hws_pkg::DramWidth)
) (
  input  wire logic                                                 clk_i,
  input  wire logic                                                 rst_ni,
  input  wire logic                                                 begin_i,
  input  wire logic [                hws_pkg::DramAddressWidth-1:0] program_address_i,
  input  wire logic [                                         31:0] watchdog_i,
  input  wire logic                                                 write_i,
  input  wire logic                                                 write_half_i,
  input  wire logic [$clog2(hws_pkg::SegmentInstructions)-1:0] write_index_i,
  input  wire logic [PartWidth-1:0] write_part_i,
  input  wire logic [                       hws_pkg::DramWidth-1:0] write_data_i,
  output      logic [                                    Count-1:0] start_valid_o,
  input  wire logic [                                    Count-1:0] start_ready_i,
  output      logic [                              Count*Width-1:0] instruction_o,
  input  wire logic [                                    Count-1:0] done_i,
  output      logic [                                    Count-1:0] busy_o,
  input  wire logic                                                 conflict_i,
  input  wire logic                                                 dma_error_i,
  input  wire logic [                                          3:0] dma_error_code_i,
  output      logic                                                 finished_o,
  output      logic                                                 error_o,
  output      logic [                                          3:0] error_code_o,
  output      logic [                                          3:0] error_queue_o,
  output      logic [                                         15:0] error_tag_o
);
  localparam int IndexWidth = $clog2(hws_pkg::SegmentInstructions);
  localparam int Dma = hws_pkg::QueueDma;

  logic read, illegal, idle, half_loaded, loads_program_q, half_q, overflow, watchdog;
  logic [IndexWidth:0] read_address;
  logic [Width-1:0] read_data, instruction;
  logic [Count-1:0] push, room, started, busy, empty;
  logic [Count*Count-1:0] post, take, available;
  logic [Count*16-1:0] tag, running_tag;
  logic [31:0] quiet_q;

  // Errors of one cycle, the first in this order wins; later ones are dropped.
  logic error, error_q;
  logic [3:0] code, code_q, queue, queue_q;
  logic [15:0] error_tag, error_tag_q;

  hws_instruction_buffer u_buffer (
    .clk_i,
    .write_i,
    .write_half_i,
    .write_index_i,
    .write_part_i,
    .write_data_i,
    .read_i(read),
    .read_address_i(read_address),
    .read_data_o(read_data)
  );

  hws_dispatcher u_dispatcher (
    .clk_i,
    .rst_ni,
    .begin_i,
    .halt_i(error_q),
    .idle_i(idle),
    .program_address_i,
    .half_loaded_i(half_loaded),
    .half_i(half_q),
    .read_o(read),
    .read_address_o(read_address),
    .read_data_i(read_data),
    .push_o(push),
    .room_i(room),
    .instruction_o(instruction),
    .illegal_o(illegal),
    .finished_o
  );

  for (genvar q = 0; q < Count; q++) begin : gen_queues
    // Bits that no instruction of the queue uses are not stored.
    localparam int Used = (q == hws_pkg::QueueDma) ? hws_pkg::LoadBytesLsb + hws_pkg::LoadBytesWidth :
        (q == hws_pkg::QueueArray) ? hws_pkg::GemmOutlierLowLsb + hws_pkg::GemmOutlierLowWidth :
        (q == hws_pkg::QueueSoftmax) ? hws_pkg::SoftmaxExponentLsb + hws_pkg::SoftmaxExponentWidth :
        hws_pkg::LayernormOutlierLowLsb + hws_pkg::LayernormOutlierLowWidth;
    logic [Used-1:0] issued;

    hws_issue #(
      .Width(Used)
    ) u_issue (
      .clk_i,
      .rst_ni,
      .halt_i(error_q),
      .push_i(push[q]),
      .room_o(room[q]),
      .instruction_i(instruction[Used-1:0]),
      .tokens_i(available[q*Count+:Count]),
      .take_o(take[q*Count+:Count]),
      .post_o(post[q*Count+:Count]),
      .start_valid_o(start_valid_o[q]),
      .start_ready_i(start_ready_i[q]),
      .instruction_o(issued),
      .done_i(done_i[q]),
      .started_o(started[q]),
      .busy_o(busy[q]),
      .empty_o(empty[q]),
      .tag_o(tag[q*16+:16]),
      .running_tag_o(running_tag[q*16+:16])
    );

    assign instruction_o[q*Width+:Width] = Width'(issued);
  end

  hws_tokens u_tokens (
    .clk_i,
    .rst_ni,
    .post_i(post),
    .take_i(take),
    .available_o(available),
    .overflow_o(overflow)
  );

  assign idle        = (&empty) && !(|busy);
  assign busy_o      = busy;
  assign half_loaded = done_i[Dma] && loads_program_q;
  assign watchdog    = watchdog_i != '0 && quiet_q == watchdog_i;

  // The DMA has one instruction under way: whether it fills a half of the instruction buffer, and which.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      loads_program_q <= 1'b0;
      half_q          <= 1'b0;
      quiet_q         <= '0;
    end else begin
      if (started[Dma]) begin
        loads_program_q <=
            instruction_o[Dma*Width+hws_pkg::InstructionOpcodeLsb+:4] == 4'(hws_pkg::OpLoad) &&
            instruction_o[Dma*Width+hws_pkg::LoadTargetLsb+:4] == 4'(hws_pkg::LoadTargetProgram);
        half_q <= instruction_o[Dma*Width+hws_pkg::LoadBankLsb];
      end
      quiet_q <= (|started || |done_i || |push) ? '0 : quiet_q + 1'b1;
    end
  end

  always_comb begin
    error     = 1'b1;
    code      = 4'(hws_pkg::ErrorNone);
    queue     = 4'(Count);
    error_tag = '0;
    if (dma_error_i) begin
      code      = dma_error_code_i;
      queue     = 4'(hws_pkg::QueueDma);
      error_tag = running_tag[Dma*16+:16];
    end else if (conflict_i) begin
      code = 4'(hws_pkg::ErrorConflict);
    end else if (overflow) begin
      code = 4'(hws_pkg::ErrorTokenOverflow);
    end else if (illegal) begin
      code      = 4'(hws_pkg::ErrorIllegal);
      error_tag = instruction[hws_pkg::InstructionTagLsb+:16];
    end else if (watchdog) begin
      code = 4'(hws_pkg::ErrorWatchdog);
      // The instruction that waits: the head of the first queue that has one.
      for (int q = Count - 1; q >= 0; q--) begin
        if (!empty[q]) begin
          queue     = 4'(q);
          error_tag = tag[q*16+:16];
        end
      end
    end else begin
      error = 1'b0;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      error_q     <= 1'b0;
      code_q      <= '0;
      queue_q     <= '0;
      error_tag_q <= '0;
    end else if (error && !error_q) begin
      error_q     <= 1'b1;
      code_q      <= code;
      queue_q     <= queue;
      error_tag_q <= error_tag;
    end
  end

  assign error_o       = error_q;
  assign error_code_o  = code_q;
  assign error_queue_o = queue_q;
  assign error_tag_o   = error_tag_q;
endmodule : hws_controller
`default_nettype wire
