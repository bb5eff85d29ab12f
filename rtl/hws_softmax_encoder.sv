// SPDX-License-Identifier: Apache-2.0
// Encoder behind hws_softmax, of the format that encoder_i names: hws_encoder_two_scale or hws_encoder_log.
//
// Latency: 1 cycle for every format. encoder_i and the format's own settings hold while a word is inside.
`default_nettype none
module hws_softmax_encoder #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                       clk_i,
  input  wire logic                                       rst_ni,
  input  wire logic [    hws_pkg::SoftmaxEncoderWidth-1:0] encoder_i,
  input  wire logic [                                3:0] bits_i,
  input  wire logic [        hws_pkg::TermShiftWidth-1:0] exponent_i,
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

  logic uniform, log_sqrt2, logarithmic;
  logic two_scale_ready, two_scale_valid, two_scale_last;
  logic log_ready, log_valid, log_last;
  logic [Lanes*hws_pkg::CodeWidth-1:0] two_scale_code, log_code;

  assign uniform     = encoder_i == KindWidth'(hws_pkg::SoftmaxEncoderUniform);
  assign log_sqrt2   = encoder_i == KindWidth'(hws_pkg::SoftmaxEncoderLogSqrt2);
  assign logarithmic = log_sqrt2 || encoder_i == KindWidth'(hws_pkg::SoftmaxEncoderLog2);
  assign in_ready_o  = logarithmic ? log_ready : two_scale_ready;
  assign out_valid_o = logarithmic ? log_valid : two_scale_valid;
  assign out_code_o  = logarithmic ? log_code : two_scale_code;
  assign out_last_o  = logarithmic ? log_last : two_scale_last;

  hws_encoder_two_scale #(
    .Lanes(Lanes)
  ) u_two_scale (
    .clk_i,
    .rst_ni,
    .bits_i,
    .exponent_i,
    .uniform_i  (uniform),
    .in_valid_i (in_valid_i && !logarithmic),
    .in_ready_o (two_scale_ready),
    .in_probability_i,
    .in_last_i,
    .out_valid_o(two_scale_valid),
    .out_ready_i,
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
    .sqrt_i(log_sqrt2),
    .in_valid_i(in_valid_i && logarithmic),
    .in_ready_o(log_ready),
    .in_probability_i,
    .in_last_i,
    .out_valid_o(log_valid),
    .out_ready_i,
    .out_code_o(log_code),
    .out_last_o(log_last)
  );
endmodule : hws_softmax_encoder
`default_nettype wire
