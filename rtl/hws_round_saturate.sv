// SPDX-License-Identifier: Apache-2.0
// The one place of rounding and saturation.
//
//   y = clamp(round_shift(x, s) + offset, lo, hi)        round_shift(x, s) = (x + half) >> s, half = 2**(s-1) or 0
//
// x, offset, lo, hi, y: two's complement; s unsigned, any value. Combinational.
// (x + half) >> s equals ((2x >> s) + 1) >> 1: the last bit that is shifted out decides, so a carry into one
// shifted word is all the rounding costs; there is no adder in front of the shifter and s = 0 is no special case.
`default_nettype none
module hws_round_saturate #(
  parameter int InWidth = hws_pkg::RequantProductWidth,
  parameter int ShiftWidth = hws_pkg::MultiplierShiftWidth,
  parameter int OutWidth = hws_pkg::OutWidth
) (
  input  wire logic [   InWidth-1:0] x_i,
  input  wire logic [ShiftWidth-1:0] shift_i,
  input  wire logic [  OutWidth-1:0] offset_i,
  input  wire logic [  OutWidth-1:0] lo_i,
  input  wire logic [  OutWidth-1:0] hi_i,
  output      logic [  OutWidth-1:0] y_o
);
  localparam int DoubleWidth = InWidth + 1;  // 2x
  localparam int SumWidth = InWidth + 1;  // round_shift is no wider than x; one bit for the offset

  logic signed [DoubleWidth-1:0] doubled, shifted, incremented;
  logic signed [SumWidth-1:0] sum, lo, hi;

  assign doubled     = $signed({x_i, 1'b0});
  assign shifted     = doubled >>> shift_i;
  assign incremented = shifted + $signed(DoubleWidth'(1));
  assign sum         = SumWidth'(incremented >>> 1) + SumWidth'($signed(offset_i));
  assign lo          = SumWidth'($signed(lo_i));
  assign hi          = SumWidth'($signed(hi_i));

  always_comb begin
    if (sum < lo) y_o = lo_i;
    else if (sum > hi) y_o = hi_i;
    else y_o = OutWidth'(sum);
  end

  initial begin
    if (InWidth < OutWidth) $fatal(1, "InWidth must be at least OutWidth");
  end
endmodule : hws_round_saturate
`default_nettype wire
