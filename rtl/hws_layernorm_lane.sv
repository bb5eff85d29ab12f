// SPDX-License-Identifier: Apache-2.0
// One lane of the normaliser of hws_layernorm, stages _q2 to _q6.
//
//   _q2  D * y - S1
//   _q3  (D * y - S1) * R
//   _q4  n = clamp(round_shift(_q3, z + 5), -2**15, 2**15 - 1)
//   _q5  n * G + B
//   _q6  clamp(round_shift(_q5, t), lo, hi), or 0 in a lane beyond the row
//
// Each input belongs to the beat that is one stage before its use. D * y - S1: 27 bits, the product 44, n * G + B 33.
`default_nettype none
module hws_layernorm_lane (
  input  wire logic                                      clk_i,
  input  wire logic                                      advance_i,
  input  wire logic [    hws_pkg::ChannelCountWidth-1:0] channels_i,
  input  wire logic [     hws_pkg::AffineShiftWidth-1:0] shift_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic [           hws_pkg::ValueWidth-1:0] value_i,
  input  wire logic [             hws_pkg::SumWidth-1:0] sum_i,
  input  wire logic [      hws_pkg::ReciprocalWidth-1:0] reciprocal_i,
  input  wire logic [       hws_pkg::BitLengthWidth-1:0] length_i,
  input  wire logic [           hws_pkg::GammaWidth-1:0] gamma_i,
  input  wire logic [            hws_pkg::BetaWidth-1:0] beta_i,
  input  wire logic                                      keep_i,
  output      logic [             hws_pkg::OutWidth-1:0] out_o
);
  localparam int CentredWidth = hws_pkg::CentredWidth;
  localparam int NormalProductWidth = hws_pkg::NormalProductWidth;
  localparam int NormalShiftWidth = hws_pkg::NormalShiftWidth;
  localparam int NormalWidth = hws_pkg::NormalWidth;
  localparam int AffineWidth = hws_pkg::AffineWidth;

  logic signed [CentredWidth-1:0] channels, scaled, centred_q2;
  logic signed [NormalProductWidth-1:0] product_q3;
  logic [NormalShiftWidth-1:0] normal_shift;
  logic [NormalWidth-1:0] normal, normal_q4;
  logic signed [AffineWidth-1:0] affine_q5;
  logic [hws_pkg::OutWidth-1:0] out, out_q6;

  assign channels     = CentredWidth'(channels_i);
  assign scaled       = channels * CentredWidth'($signed(value_i));
  assign normal_shift = NormalShiftWidth'(length_i) + NormalShiftWidth'(5);
  assign out_o        = out_q6;

  // The data path needs no reset: the valid bits of hws_layernorm_normalise guard it.
  always_ff @(posedge clk_i) begin
    if (advance_i) begin
      centred_q2 <= scaled - CentredWidth'($signed(sum_i));
      product_q3 <= NormalProductWidth'(centred_q2) * NormalProductWidth'($signed({1'b0, reciprocal_i}));
      normal_q4  <= normal;
      affine_q5  <= AffineWidth'($signed(normal_q4)) * AffineWidth'($signed(gamma_i)) + AffineWidth'($signed(beta_i));
      out_q6     <= keep_i ? out : '0;
    end
  end

  hws_round_saturate #(
    .InWidth(NormalProductWidth),
    .ShiftWidth(NormalShiftWidth),
    .OutWidth(NormalWidth)
  ) u_round_normal (
    .x_i(product_q3),
    .shift_i(normal_shift),
    .offset_i(NormalWidth'(0)),
    .lo_i({1'b1, {(NormalWidth - 1) {1'b0}}}),
    .hi_i({1'b0, {(NormalWidth - 1) {1'b1}}}),
    .y_o(normal)
  );

  hws_round_saturate #(
    .InWidth(AffineWidth),
    .ShiftWidth(hws_pkg::AffineShiftWidth),
    .OutWidth(hws_pkg::OutWidth)
  ) u_round_out (
    .x_i(affine_q5),
    .shift_i(shift_i),
    .offset_i(hws_pkg::OutWidth'(0)),
    .lo_i(lo_i),
    .hi_i(hi_i),
    .y_o(out)
  );
endmodule : hws_layernorm_lane
`default_nettype wire
