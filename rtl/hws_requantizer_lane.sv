// SPDX-License-Identifier: Apache-2.0
// One lane of hws_requantizer.
//
//   _q   acc * m, or acc without row_scales_i
//   _q2  round_shift(_q, 7) + (bias << 8), or _q + bias
//   _q3  _q2 * M
//   _q4  clamp(round_shift(_q3, s) + z, lo, hi)
//
// acc, bias: int32; m: 0 to 2**15; M: int16; s: 0 to 55; z, lo, hi, code: int16. The sum fits for every acc and bias: 2**46 + 2**46
// before the shift by 7, whose half is in the bias's word. The inputs belong to one word; advance_i moves all stages.
`default_nettype none
module hws_requantizer_lane (
  input  wire logic                                     clk_i,
  input  wire logic                                     advance_i,
  input  wire logic                                     row_scales_i,
  input  wire logic [            hws_pkg::OutWidth-1:0] zero_point_i,
  input  wire logic [            hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [            hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic [            hws_pkg::AccWidth-1:0] acc_i,
  input  wire logic [  hws_pkg::RowMultiplierWidth-1:0] row_multiplier_i,
  input  wire logic [            hws_pkg::AccWidth-1:0] bias_i,
  input  wire logic [     hws_pkg::MultiplierWidth-1:0] multiplier_i,
  input  wire logic [hws_pkg::MultiplierShiftWidth-1:0] shift_i,
  output      logic [            hws_pkg::OutWidth-1:0] code_o
);
  localparam int AccWidth = hws_pkg::AccWidth;
  localparam int MultiplierWidth = hws_pkg::MultiplierWidth;
  localparam int ShiftWidth = hws_pkg::MultiplierShiftWidth;
  localparam int RowProductWidth = AccWidth + hws_pkg::RowMultiplierWidth;  // full product, no loss
  localparam int RowShift = 7;  // 15 fraction bits of m, less the guard bits
  localparam int BiasShift = 15;
  localparam int SumWidth = hws_pkg::RequantSumWidth;
  localparam int ProductWidth = hws_pkg::RequantProductWidth;
  localparam int OutWidth = hws_pkg::OutWidth;
  localparam logic [BiasShift-1:0] HALF = BiasShift'(1) << (RowShift - 1);

  logic signed [hws_pkg::RowMultiplierWidth:0] row_multiplier;
  logic signed [AccWidth-1:0] acc, bias_q;
  logic signed [RowProductWidth-1:0] row_product, row_product_q, addend, sum;
  logic signed [MultiplierWidth-1:0] multiplier_q, multiplier_q2;
  logic signed [SumWidth-1:0] sum_q2;
  logic signed [ProductWidth-1:0] product_q3;
  logic [ShiftWidth-1:0] shift_q, shift_q2, shift_q3;
  logic [OutWidth-1:0] code, code_q4;

  assign acc            = $signed(acc_i);
  assign row_multiplier = $signed({1'b0, row_multiplier_i});
  assign row_product    = RowProductWidth'(acc) * RowProductWidth'(row_multiplier);
  assign addend         = row_scales_i ? RowProductWidth'($signed({bias_q, HALF})) : RowProductWidth'(bias_q);
  assign sum            = row_product_q + addend;
  assign code_o         = code_q4;

  // The data path needs no reset: the valid bits of hws_requantizer guard it.
  always_ff @(posedge clk_i) begin
    if (advance_i) begin
      row_product_q             <= row_scales_i ? row_product : RowProductWidth'(acc);
      bias_q                    <= $signed(bias_i);
      multiplier_q              <= $signed(multiplier_i);
      shift_q                   <= shift_i;
      sum_q2                    <= row_scales_i ? SumWidth'(sum >>> RowShift) : SumWidth'(sum);
      {multiplier_q2, shift_q2} <= {multiplier_q, shift_q};
      product_q3                <= ProductWidth'(sum_q2) * ProductWidth'(multiplier_q2);
      shift_q3                  <= shift_q2;
      code_q4                   <= code;
    end
  end

  hws_round_saturate #(
    .InWidth(ProductWidth),
    .ShiftWidth(ShiftWidth),
    .OutWidth(OutWidth)
  ) u_round (
    .x_i(product_q3),
    .shift_i(shift_q3),
    .offset_i(zero_point_i),
    .lo_i(lo_i),
    .hi_i(hi_i),
    .y_o(code)
  );
endmodule : hws_requantizer_lane
`default_nettype wire
