// SPDX-License-Identifier: Apache-2.0
// Requantiser: accumulators to output codes, Lanes columns a cycle.
//
//   y = clamp(round_shift((acc + bias) * M, s) + z, lo, hi)
//
// acc, bias: int32, their sum too (proved by the compiler). M: int16. Product: 48 bits. s: 0 to 47. y, z, lo, hi: int16.
// bias, M and s travel with their column; z, lo and hi hold while a word is inside.
// Latency: 3 cycles: _q acc + bias, _q2 product, _q3 code. All stages stall together.
`default_nettype none
module hws_requantizer #(
  parameter int Lanes = hws_pkg::DrainLanes
) (
  input  wire logic                                           clk_i,
  input  wire logic                                           rst_ni,
  input  wire logic [                  hws_pkg::OutWidth-1:0] zero_point_i,
  input  wire logic [                  hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [                  hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic                                           in_valid_i,
  output      logic                                           in_ready_o,
  input  wire logic [            Lanes*hws_pkg::AccWidth-1:0] in_acc_i,
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
  localparam int ProductWidth = hws_pkg::RequantProductWidth;
  localparam int OutWidth = hws_pkg::OutWidth;

  logic valid_q, valid_q2, valid_q3, last_q, last_q2, last_q3;
  logic advance;

  assign advance     = !valid_q3 || out_ready_i;
  assign in_ready_o  = advance;
  assign out_valid_o = valid_q3;
  assign out_last_o  = last_q3;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {valid_q, valid_q2, valid_q3} <= '0;
      {last_q, last_q2, last_q3}    <= '0;
    end else if (advance) begin
      {valid_q, valid_q2, valid_q3} <= {in_valid_i, valid_q, valid_q2};
      {last_q, last_q2, last_q3}    <= {in_last_i, last_q, last_q2};
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic signed [AccWidth-1:0] sum_q;
    logic signed [MultiplierWidth-1:0] multiplier_q;
    logic signed [ProductWidth-1:0] product_q2;
    logic [ShiftWidth-1:0] shift_q, shift_q2;
    logic [OutWidth-1:0] code, code_q3;

    // The data path needs no reset: the valid bits guard it.
    always_ff @(posedge clk_i) begin
      if (advance) begin
        sum_q <= $signed(in_acc_i[lane*AccWidth+:AccWidth]) + $signed(in_bias_i[lane*AccWidth+:AccWidth]);
        multiplier_q <= $signed(in_multiplier_i[lane*MultiplierWidth+:MultiplierWidth]);
        shift_q <= in_shift_i[lane*ShiftWidth+:ShiftWidth];
        product_q2 <= ProductWidth'(sum_q) * ProductWidth'(multiplier_q);
        shift_q2 <= shift_q;
        code_q3 <= code;
      end
    end

    hws_round_saturate #(
      .InWidth(ProductWidth),
      .ShiftWidth(ShiftWidth),
      .OutWidth(OutWidth)
    ) u_round (
      .x_i(product_q2),
      .shift_i(shift_q2),
      .offset_i(zero_point_i),
      .lo_i(lo_i),
      .hi_i(hi_i),
      .y_o(code)
    );

    assign out_data_o[lane*OutWidth+:OutWidth] = code_q3;
  end
endmodule : hws_requantizer
`default_nettype wire
