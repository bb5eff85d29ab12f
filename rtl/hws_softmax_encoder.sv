// SPDX-License-Identifier: Apache-2.0
// Encoder behind hws_softmax, of the format that encoder_i names (hws_pkg::SoftmaxEncoderTwoScale and the rest):
// hws_encoder_two_scale, hws_encoder_log or hws_encoder_codebook.
//
// Lanes beyond the row's columns_i are 0 at the output, whatever code a probability of 0 has. A row begins with the first
// beat after reset or after in_last.
// Latency: 8 cycles for every format, so that the softmax engine has one formula. The search of the codebook takes them, and the
// codes of the others, of one cycle, wait in registers (7 stages of Lanes * 8 + 1 bits). encoder_i and the format's own
// settings hold while a word is inside.
`default_nettype none
module hws_softmax_encoder #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                       clk_i,
  input  wire logic                                       rst_ni,
  input  wire logic [      hws_pkg::ColumnCountWidth-1:0] columns_i,
  input  wire logic [    hws_pkg::SoftmaxEncoderWidth-1:0] encoder_i,
  input  wire logic [                                3:0] bits_i,
  input  wire logic [        hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                       threshold_write_i,
  input  wire logic [             hws_pkg::CodeWidth-1:0] threshold_index_i,
  input  wire logic [      hws_pkg::ProbabilityWidth-1:0] threshold_i,
  input  wire logic                                       in_valid_i,
  output      logic                                       in_ready_o,
  input  wire logic [Lanes*hws_pkg::ProbabilityWidth-1:0] in_probability_i,
  input  wire logic                                       in_last_i,
  output      logic                                       out_valid_o,
  input  wire logic                                       out_ready_i,
  output      logic [       Lanes*hws_pkg::CodeWidth-1:0] out_code_o,
  output      logic                                       out_last_o
);
  localparam int KindWidth = hws_pkg::SoftmaxEncoderWidth;
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int WaitStages = CodeWidth - 1;  // hws_encoder_codebook has a stage a bit

  logic uniform, log_sqrt2, logarithmic, codebook;
  logic two_scale_ready, two_scale_valid, two_scale_last;
  logic log_ready, log_valid, log_last;
  logic direct_valid, direct_ready, direct_last, waited_valid, waited_last;
  logic codebook_ready, codebook_valid, codebook_last;
  logic [Lanes*CodeWidth-1:0] two_scale_code, log_code, direct_code, waited_code, codebook_code, code;
  logic [Lanes-1:0] keep;
  logic unused_bank, unused_last;
  logic [hws_pkg::SoftmaxBeatWidth-1:0] unused_beat;

  assign uniform      = encoder_i == KindWidth'(hws_pkg::SoftmaxEncoderUniform);
  assign log_sqrt2    = encoder_i == KindWidth'(hws_pkg::SoftmaxEncoderLogSqrt2);
  assign logarithmic  = log_sqrt2 || encoder_i == KindWidth'(hws_pkg::SoftmaxEncoderLog2);
  assign codebook     = encoder_i == KindWidth'(hws_pkg::SoftmaxEncoderCodebook);

  assign direct_valid = logarithmic ? log_valid : two_scale_valid;
  assign direct_code  = logarithmic ? log_code : two_scale_code;
  assign direct_last  = logarithmic ? log_last : two_scale_last;

  assign in_ready_o   = codebook ? codebook_ready : logarithmic ? log_ready : two_scale_ready;
  assign out_valid_o  = codebook ? codebook_valid : waited_valid;
  assign out_last_o   = codebook ? codebook_last : waited_last;
  assign code         = codebook ? codebook_code : waited_code;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    assign out_code_o[lane*CodeWidth+:CodeWidth] = keep[lane] ? code[lane*CodeWidth+:CodeWidth] : '0;
  end

  hws_row_beats #(
    .Lanes(Lanes),
    .ColumnsMax(hws_pkg::SoftmaxColumnsMax)
  ) u_beats (
    .clk_i,
    .rst_ni,
    .columns_i,
    .next_i(out_valid_o && out_ready_i),
    .bank_o(unused_bank),
    .beat_o(unused_beat),
    .keep_o(keep),
    .last_o(unused_last)
  );

  // Also encodes to uniform codes, which are its coarse payload: an encoder of their own would be a second rounder.
  hws_encoder_two_scale #(
    .Lanes(Lanes)
  ) u_two_scale (
    .clk_i,
    .rst_ni,
    .bits_i,
    .exponent_i,
    .uniform_i  (uniform),
    .in_valid_i (in_valid_i && !logarithmic && !codebook),
    .in_ready_o (two_scale_ready),
    .in_probability_i,
    .in_last_i,
    .out_valid_o(two_scale_valid),
    .out_ready_i(direct_ready),
    .out_code_o (two_scale_code),
    .out_last_o (two_scale_last)
  );

  hws_encoder_log #(
    .Lanes(Lanes)
  ) u_log (
    .clk_i,
    .rst_ni,
    .bits_i,
    .exponent_i,
    .sqrt_i     (log_sqrt2),
    .in_valid_i (in_valid_i && logarithmic),
    .in_ready_o (log_ready),
    .in_probability_i,
    .in_last_i,
    .out_valid_o(log_valid),
    .out_ready_i(direct_ready),
    .out_code_o (log_code),
    .out_last_o (log_last)
  );

  hws_stream_delay #(
    .Width (Lanes * CodeWidth + 1),
    .Stages(WaitStages)
  ) u_wait (
    .clk_i,
    .rst_ni,
    .in_valid_i (direct_valid),
    .in_ready_o (direct_ready),
    .in_data_i  ({direct_last, direct_code}),
    .out_valid_o(waited_valid),
    .out_ready_i,
    .out_data_o ({waited_last, waited_code})
  );

  hws_encoder_codebook #(
    .Lanes(Lanes)
  ) u_codebook (
    .clk_i,
    .rst_ni,
    .bits_i,
    .threshold_write_i,
    .threshold_index_i,
    .threshold_i,
    .in_valid_i (in_valid_i && codebook),
    .in_ready_o (codebook_ready),
    .in_probability_i,
    .in_last_i,
    .out_valid_o(codebook_valid),
    .out_ready_i,
    .out_code_o (codebook_code),
    .out_last_o (codebook_last)
  );
endmodule : hws_softmax_encoder
`default_nettype wire
