// SPDX-License-Identifier: Apache-2.0
// Requantiser: accumulators to output codes, Lanes columns a cycle.
//
//   y = clamp(round_shift((acc + bias) * M, s) + z, lo, hi)
//   y = clamp(round_shift((round_shift(acc * m, 7) + (bias << 8)) * M, s) + z, lo, hi)          row_scales_i
//
// acc, bias: int32. m: 0 to 2**15, that of the word's row; ignored without row_scales_i. M: int16. Product: 57 bits. s: 0 to
// 55, of which 8 are guard bits of the row scales. y, z, lo, hi: int16.
// bias, M and s travel with their column, m with its word; row_scales_i, z, lo and hi hold while a word is inside.
// Latency: 4 cycles: _q acc * m, _q2 plus bias, _q3 product, _q4 code. All stages stall together.
`default_nettype none
module hws_requantizer #(
  parameter int Lanes = hws_pkg::DrainLanes
) (
  input  wire logic                                           clk_i,
  input  wire logic                                           rst_ni,
  input  wire logic                                           row_scales_i,
  input  wire logic [                  hws_pkg::OutWidth-1:0] zero_point_i,
  input  wire logic [                  hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [                  hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic                                           in_valid_i,
  output      logic                                           in_ready_o,
  input  wire logic [            Lanes*hws_pkg::AccWidth-1:0] in_acc_i,
  input  wire logic [        hws_pkg::RowMultiplierWidth-1:0] in_row_multiplier_i,
  input  wire logic [            Lanes*hws_pkg::AccWidth-1:0] in_bias_i,
  input  wire logic [     Lanes*hws_pkg::MultiplierWidth-1:0] in_multiplier_i,
  input  wire logic [Lanes*hws_pkg::MultiplierShiftWidth-1:0] in_shift_i,
  input  wire logic                                           in_last_i,
  output      logic                                           out_valid_o,
  input  wire logic                                           out_ready_i,
  output      logic [            Lanes*hws_pkg::OutWidth-1:0] out_data_o,
  output      logic                                           out_last_o
);
  localparam int AccWidth = hws_pkg::AccWidth;
  localparam int MultiplierWidth = hws_pkg::MultiplierWidth;
  localparam int ShiftWidth = hws_pkg::MultiplierShiftWidth;
  localparam int OutWidth = hws_pkg::OutWidth;

  logic valid_q, valid_q2, valid_q3, valid_q4, last_q, last_q2, last_q3, last_q4;
  logic advance;

  assign advance     = !valid_q4 || out_ready_i;
  assign in_ready_o  = advance;
  assign out_valid_o = valid_q4;
  assign out_last_o  = last_q4;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {valid_q, valid_q2, valid_q3, valid_q4} <= '0;
      {last_q, last_q2, last_q3, last_q4}     <= '0;
    end else if (advance) begin
      {valid_q, valid_q2, valid_q3, valid_q4} <= {in_valid_i, valid_q, valid_q2, valid_q3};
      {last_q, last_q2, last_q3, last_q4}     <= {in_last_i, last_q, last_q2, last_q3};
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    hws_requantizer_lane u_lane (
      .clk_i,
      .advance_i(advance),
      .row_scales_i,
      .zero_point_i,
      .lo_i,
      .hi_i,
      .acc_i(in_acc_i[lane*AccWidth+:AccWidth]),
      .row_multiplier_i(in_row_multiplier_i),
      .bias_i(in_bias_i[lane*AccWidth+:AccWidth]),
      .multiplier_i(in_multiplier_i[lane*MultiplierWidth+:MultiplierWidth]),
      .shift_i(in_shift_i[lane*ShiftWidth+:ShiftWidth]),
      .code_o(out_data_o[lane*OutWidth+:OutWidth])
    );
  end
endmodule : hws_requantizer
`default_nettype wire
