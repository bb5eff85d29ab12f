// SPDX-License-Identifier: Apache-2.0
// Where a piece goes in a sink: word and part of it; and 4-bit weights to bytes.
//
//   weights    steps, StepBeats parts each, then parameter entries, whose words count from 0
//   program    instructions, a part a beat;  others: a word a piece
//   packed     weights only: byte i is nibble i of the piece, sign-extended; nibble 2 k is the low half of byte k
//
// target_o, index_o, part_o and data_o are those of the piece in data_i; step_i: it is there, and the next one follows.
// halves_o: the beat is two pieces, its low and its high half; end_o: the last piece of the weights, which ends its beat.
`default_nettype none
module hws_dma_sink #(
  localparam int DramWidth   = hws_pkg::DramWidth,
  localparam int TargetWidth = hws_pkg::LoadTargetWidth
) (
  input  wire logic                                 clk_i,
  input  wire logic                                 start_i,
  input  wire logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  input  wire logic                                 step_i,
  input  wire logic [                DramWidth-1:0] data_i,
  output      logic                                 halves_o,
  output      logic                                 end_o,
  output      logic [              TargetWidth-1:0] target_o,
  output      logic [                         15:0] index_o,
  output      logic [                          5:0] part_o,
  output      logic [                DramWidth-1:0] data_o
);
  localparam int ProgramParts = hws_pkg::InstructionWidth / DramWidth;

  logic [TargetWidth-1:0] target;
  logic [15:0] steps, index_q;
  logic [5:0] part_q, last_part;
  logic [DramWidth-1:0] unpacked;
  logic weights, parameters_q, part_end;

  assign target   = instruction_i[hws_pkg::LoadTargetLsb+:TargetWidth];
  assign steps    = instruction_i[hws_pkg::LoadStepsLsb+:hws_pkg::LoadStepsWidth];
  assign weights  = target == TargetWidth'(hws_pkg::LoadTargetWeights);
  assign part_end = part_q == last_part;
  assign end_o    = part_end && index_q + 1'b1 == steps;
  assign halves_o = instruction_i[hws_pkg::LoadPackedLsb] && !parameters_q;

  always_comb begin
    last_part = '0;
    if (weights && !parameters_q) last_part = 6'(hws_pkg::StepBeats - 1);
    if (target == TargetWidth'(hws_pkg::LoadTargetProgram)) last_part = 6'(ProgramParts - 1);
  end

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      parameters_q <= steps == '0;
      index_q      <= '0;
      part_q       <= '0;
    end else if (step_i) begin
      part_q <= part_end ? '0 : part_q + 1'b1;
      if (part_end) index_q <= index_q + 1'b1;
      if (end_o && !parameters_q) begin
        parameters_q <= 1'b1;
        if (weights) index_q <= '0;
      end
    end
  end

  for (genvar i = 0; i < hws_pkg::DramBytes; i++) begin : gen_bytes
    assign unpacked[8*i+:8] = {{4{data_i[4*i+3]}}, data_i[4*i+:4]};
  end

  assign target_o = (weights && parameters_q) ? TargetWidth'(hws_pkg::SinkParameters) : target;
  assign index_o  = index_q;
  assign part_o   = part_q;
  assign data_o   = halves_o ? unpacked : data_i;

  initial begin
    if (ProgramParts * DramWidth != hws_pkg::InstructionWidth) $fatal(1, "a beat must divide an instruction");
  end
endmodule : hws_dma_sink
`default_nettype wire
