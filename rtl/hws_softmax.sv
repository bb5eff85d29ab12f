// SPDX-License-Identifier: Apache-2.0
// Base-2 softmax of score rows with the encoder of the chosen format, Lanes scores a cycle.
//
//   d_j = max(s) - s_j
//   e_j = round_shift(E[d_j & 255], d_j >> 8), 0 if d_j >> 8 > 17          E[i] = floor(2**(16 - i/256) + 1/2)
//   S   = sum e_j,  z = bit_length(S),  R = floor(2**(z + 15) / S)
//   p_j = round_shift(e_j * R, z - 1),  code_j = encode(p_j)               see hws_softmax_encoder
//
// s: int16, unit 2**-8 in the log2 domain. p: Q0.16, 0 to 65536. T: 1 to SoftmaxColumnsMax. Code: bits_i at the bottom
// of 8, of the format encoder_i (0 two-scale, 1 uniform, 2 log2, 3 log-sqrt2, 4 codebook) with exponent_i, or with the
// thresholds that have been written.
// A row is ceil(T / Lanes) beats, score 0 in the low bits of the first one. Lanes beyond T are ignored at the input and
// 0 at the output; out_last marks a row's last beat. The configuration holds while a row is inside.
//
// Loader, exponents and normaliser each work on a row of their own, over a buffer of two rows between each; see
// hwsim/units/timing.py for the cycles of a row.
`default_nettype none
module hws_softmax #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                 clk_i,
  input  wire logic                                 rst_ni,
  input  wire logic [hws_pkg::ColumnCountWidth-1:0] columns_i,
  input  wire logic [hws_pkg::SoftmaxEncoderWidth-1:0] encoder_i,
  input  wire logic [                          3:0] bits_i,
  input  wire logic [  hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                       threshold_write_i,
  input  wire logic [             hws_pkg::CodeWidth-1:0] threshold_index_i,
  input  wire logic [      hws_pkg::ProbabilityWidth-1:0] threshold_i,
  input  wire logic                                 in_valid_i,
  output      logic                                 in_ready_o,
  input  wire logic [  Lanes*hws_pkg::OutWidth-1:0] in_score_i,
  output      logic                                 out_valid_o,
  input  wire logic                                 out_ready_i,
  output      logic [ Lanes*hws_pkg::CodeWidth-1:0] out_code_o,
  output      logic                                 out_last_o
);
  localparam int BeatWidth = hws_pkg::SoftmaxBeatWidth;
  localparam int ColumnsMax = hws_pkg::SoftmaxColumnsMax;
  localparam int ScoreWidth = hws_pkg::OutWidth;
  localparam int ExponentialWidth = hws_pkg::ExponentialWidth;
  localparam int SumWidth = hws_pkg::ExponentialSumWidth;

  logic accept, load_last, score_write, score_read, score_read_last;
  logic [Lanes-1:0] load_keep, exponential_keep;
  logic [BeatWidth:0] load_address, score_address;
  logic [Lanes*ScoreWidth-1:0] score_write_data, score_read_data;

  logic exponential_space, exponential_write, exponential_read, exponential_read_last;
  logic unused_exponential_last;  // that of the score
  logic [BeatWidth:0] exponential_place, exponential_address;
  logic [Lanes*ExponentialWidth-1:0] exponential_write_data, exponential_read_data;

  logic top_valid, top_ready, sum_valid, sum_ready, reciprocal_valid, reciprocal_ready;
  logic probability_valid, probability_ready, probability_last;
  logic [ScoreWidth-1:0] top;
  logic [SumWidth-1:0] sum;
  logic [hws_pkg::ReciprocalWidth-1:0] reciprocal;
  logic [hws_pkg::ExponentialLengthWidth-1:0] length;
  logic [Lanes*hws_pkg::ProbabilityWidth-1:0] probability;

  assign accept = in_valid_i && in_ready_o;

  hws_softmax_load #(
    .Lanes(Lanes)
  ) u_load (
    .clk_i,
    .rst_ni,
    .accept_i(accept),
    .score_i(in_score_i),
    .address_i(load_address),
    .keep_i(load_keep),
    .last_i(load_last),
    .buffer_write_o(score_write),
    .buffer_address_o(score_address),
    .buffer_data_o(score_write_data),
    .out_valid_o(top_valid),
    .out_ready_i(top_ready),
    .out_top_o(top)
  );

  hws_row_buffer #(
    .Width(Lanes * ScoreWidth),
    .Lanes(Lanes),
    .ColumnsMax(ColumnsMax)
  ) u_scores (
    .clk_i,
    .rst_ni,
    .columns_i,
    .space_o(in_ready_o),
    .reserve_i(accept),
    .reserve_address_o(load_address),
    .reserve_keep_o(load_keep),
    .reserve_last_o(load_last),
    .write_i(score_write),
    .write_address_i(score_address),
    .write_data_i(score_write_data),
    .read_i(score_read),
    .read_last_o(score_read_last),
    .read_data_o(score_read_data)
  );

  // A score's read reserves the place of its exponent.
  hws_softmax_exponent #(
    .Lanes(Lanes)
  ) u_exponent (
    .clk_i,
    .rst_ni,
    .in_valid_i(top_valid),
    .in_ready_o(top_ready),
    .in_top_i(top),
    .read_o(score_read),
    .read_last_i(score_read_last),
    .read_data_i(score_read_data),
    .space_i(exponential_space),
    .address_i(exponential_place),
    .keep_i(exponential_keep),
    .write_o(exponential_write),
    .write_address_o(exponential_address),
    .write_data_o(exponential_write_data),
    .out_valid_o(sum_valid),
    .out_ready_i(sum_ready),
    .out_sum_o(sum)
  );

  hws_row_buffer #(
    .Width(Lanes * ExponentialWidth),
    .Lanes(Lanes),
    .ColumnsMax(ColumnsMax)
  ) u_exponentials (
    .clk_i,
    .rst_ni,
    .columns_i,
    .space_o(exponential_space),
    .reserve_i(score_read),
    .reserve_address_o(exponential_place),
    .reserve_keep_o(exponential_keep),
    .reserve_last_o(unused_exponential_last),
    .write_i(exponential_write),
    .write_address_i(exponential_address),
    .write_data_i(exponential_write_data),
    .read_i(exponential_read),
    .read_last_o(exponential_read_last),
    .read_data_o(exponential_read_data)
  );

  hws_reciprocal #(
    .Width(SumWidth)
  ) u_reciprocal (
    .clk_i,
    .rst_ni,
    .in_valid_i(sum_valid),
    .in_ready_o(sum_ready),
    .in_divisor_i(sum),
    .out_valid_o(reciprocal_valid),
    .out_ready_i(reciprocal_ready),
    .out_quotient_o(reciprocal),
    .out_length_o(length)
  );

  hws_softmax_normalise #(
    .Lanes(Lanes)
  ) u_normalise (
    .clk_i,
    .rst_ni,
    .in_valid_i(reciprocal_valid),
    .in_ready_o(reciprocal_ready),
    .in_reciprocal_i(reciprocal),
    .in_length_i(length),
    .read_o(exponential_read),
    .read_last_i(exponential_read_last),
    .read_data_i(exponential_read_data),
    .out_valid_o(probability_valid),
    .out_ready_i(probability_ready),
    .out_probability_o(probability),
    .out_last_o(probability_last)
  );

  hws_softmax_encoder #(
    .Lanes(Lanes)
  ) u_encoder (
    .clk_i,
    .rst_ni,
    .columns_i,
    .encoder_i,
    .bits_i,
    .exponent_i,
    .threshold_write_i,
    .threshold_index_i,
    .threshold_i,
    .in_valid_i(probability_valid),
    .in_ready_o(probability_ready),
    .in_probability_i(probability),
    .in_last_i(probability_last),
    .out_valid_o,
    .out_ready_i,
    .out_code_o,
    .out_last_o
  );
endmodule : hws_softmax
`default_nettype wire
