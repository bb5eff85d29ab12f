// SPDX-License-Identifier: Apache-2.0
// Issue side of one queue: its FIFO, the conditions of a start, the instructions under way and what they post.
//
// The head starts when the engine is ready, each queue in its wait mask has a token (tokens_i, a bit a queue), and, with
// fence, nothing of this queue is under way. take_o names the tokens that the start takes, post_o those that a done gives.
// At most two instructions are under way: the array begins one while the last one drains.
// running_tag_o is the tag of the oldest one.
`default_nettype none
module hws_issue #(
  parameter int Width = hws_pkg::InstructionWidth  // bits of an instruction that this engine reads
) (
  input  wire logic                           clk_i,
  input  wire logic                           rst_ni,
  input  wire logic                           halt_i,
  input  wire logic                           push_i,
  output      logic                           room_o,
  input  wire logic [              Width-1:0] instruction_i,
  input  wire logic [hws_pkg::QueueCount-1:0] tokens_i,
  output      logic [hws_pkg::QueueCount-1:0] take_o,
  output      logic [hws_pkg::QueueCount-1:0] post_o,
  output      logic                           start_valid_o,
  input  wire logic                           start_ready_i,
  output      logic [              Width-1:0] instruction_o,
  input  wire logic                           done_i,
  output      logic                           started_o,
  output      logic                           busy_o,
  output      logic                           empty_o,
  output      logic [                   15:0] tag_o,
  output      logic [                   15:0] running_tag_o
);
  localparam int MaskWidth = hws_pkg::QueueCount;
  localparam int EntryWidth = MaskWidth + 16;

  logic head_valid, fence;
  logic [MaskWidth-1:0] waits;
  logic [1:0] count_q, count;
  logic [EntryWidth-1:0] entry, first_q, second_q;

  hws_fifo #(
    .Width(Width),
    .Depth(hws_pkg::QueueDepth)
  ) u_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i (push_i),
    .in_ready_o (room_o),
    .in_data_i  (instruction_i),
    .out_valid_o(head_valid),
    .out_ready_i(started_o),
    .out_data_o (instruction_o)
  );

  assign waits         = instruction_o[hws_pkg::InstructionWaitLsb+:MaskWidth];
  assign fence         = instruction_o[hws_pkg::InstructionFenceLsb];
  assign tag_o         = instruction_o[hws_pkg::InstructionTagLsb+:16];
  assign entry         = {tag_o, instruction_o[hws_pkg::InstructionPostLsb+:MaskWidth]};
  assign running_tag_o = first_q[EntryWidth-1:MaskWidth];
  assign start_valid_o = head_valid && !halt_i && (waits & ~tokens_i) == '0 && !(fence && busy_o) && !count_q[1];
  assign started_o     = start_valid_o && start_ready_i;
  assign take_o        = started_o ? waits : '0;
  assign post_o        = done_i ? first_q[MaskWidth-1:0] : '0;
  assign busy_o        = count_q != '0;
  assign empty_o       = !head_valid;
  assign count         = count_q - 2'(done_i);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) count_q <= '0;
    else count_q <= count + 2'(started_o);
  end

  // The entries need no reset: the count guards them.
  always_ff @(posedge clk_i) begin
    if (done_i) first_q <= second_q;
    if (started_o && count == '0) first_q <= entry;
    if (started_o && count != '0) second_q <= entry;
  end
endmodule : hws_issue
`default_nettype wire
