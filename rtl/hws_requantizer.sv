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
// The sum fits for every acc and bias: 2**46 + 2**46 before the shift by 7. The half of that shift is in the bias's word.
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
  localparam int RowProductWidth = AccWidth + hws_pkg::RowMultiplierWidth;  // full product, no loss
  localparam int RowShift = 7;  // 15 fraction bits of m, less the guard bits
  localparam int BiasShift = 15;
  localparam int SumWidth = hws_pkg::RequantSumWidth;
  localparam int ProductWidth = hws_pkg::RequantProductWidth;
  localparam int OutWidth = hws_pkg::OutWidth;
  localparam logic [BiasShift-1:0] HALF = BiasShift'(1) << (RowShift - 1);

  logic valid_q, valid_q2, valid_q3, valid_q4, last_q, last_q2, last_q3, last_q4;
  logic advance;
  logic signed [hws_pkg::RowMultiplierWidth:0] row_multiplier;

  assign advance        = !valid_q4 || out_ready_i;
  assign in_ready_o     = advance;
  assign out_valid_o    = valid_q4;
  assign out_last_o     = last_q4;
  assign row_multiplier = $signed({1'b0, in_row_multiplier_i});

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
    logic signed [AccWidth-1:0] acc, bias_q;
    logic signed [RowProductWidth-1:0] row_product, row_product_q, addend, sum;
    logic signed [MultiplierWidth-1:0] multiplier_q, multiplier_q2;
    logic signed [SumWidth-1:0] sum_q2;
    logic signed [ProductWidth-1:0] product_q3;
    logic [ShiftWidth-1:0] shift_q, shift_q2, shift_q3;
    logic [OutWidth-1:0] code, code_q4;

    assign acc         = $signed(in_acc_i[lane*AccWidth+:AccWidth]);
    assign row_product = RowProductWidth'(acc) * RowProductWidth'(row_multiplier);
    assign addend      = row_scales_i ? RowProductWidth'($signed({bias_q, HALF})) : RowProductWidth'(bias_q);
    assign sum         = row_product_q + addend;

    // The data path needs no reset: the valid bits guard it.
    always_ff @(posedge clk_i) begin
      if (advance) begin
        row_product_q             <= row_scales_i ? row_product : RowProductWidth'(acc);
        bias_q                    <= $signed(in_bias_i[lane*AccWidth+:AccWidth]);
        multiplier_q              <= $signed(in_multiplier_i[lane*MultiplierWidth+:MultiplierWidth]);
        shift_q                   <= in_shift_i[lane*ShiftWidth+:ShiftWidth];
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

    assign out_data_o[lane*OutWidth+:OutWidth] = code_q4;
  end
endmodule : hws_requantizer
`default_nettype wire
