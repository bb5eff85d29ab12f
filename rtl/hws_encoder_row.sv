// SPDX-License-Identifier: Apache-2.0
// Row encoder behind LayerNorm (per-token scales and outliers of ADFQ-ViT): Lanes values of a row a cycle.
//
//   q    = clamp(round_shift(v * E, s_e) + z, lo, hi)                       |v| <= a, or no outliers_i
//   q    = z,  o = clamp(round_shift(v * E, s_e - e), -2**15, 2**15 - 1)    |v| > a
//   high = o >> 8,  low = o & 255                                           0 where there is no outlier
//
// v: int16. E: 0 to 2**15 - 1, z: a code of 9 bits, both of the word's row. s_e: 0 to 31, e: 0 to 7 and at most s_e, a: uint16.
// Code: the low 8 bits of q; high: int8, low: uint8; out_outlier_o: a bit a lane, where |v| > a. A lane without in_keep_i
// gives 0 in all of them. Without encode_i the code is the low 8 bits of v, and nothing is an outlier.
// An outlier needs no code, so one rounding serves both. Latency: 2 cycles: _q product, _q2 code. Both stages stall together.
// Configuration holds while a word is inside.
`default_nettype none
module hws_encoder_row #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                             clk_i,
  input  wire logic                                             rst_ni,
  input  wire logic                                             encode_i,
  input  wire logic                                             outliers_i,
  input  wire logic [     hws_pkg::LayernormEncodeShiftWidth-1:0] shift_i,
  input  wire logic [ hws_pkg::LayernormOutlierExponentWidth-1:0] exponent_i,
  input  wire logic [       hws_pkg::LayernormThresholdWidth-1:0] threshold_i,
  input  wire logic [                      hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [                      hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic                                             in_valid_i,
  output      logic                                             in_ready_o,
  input  wire logic [                Lanes*hws_pkg::OutWidth-1:0] in_value_i,
  input  wire logic [                                  Lanes-1:0] in_keep_i,
  input  wire logic [         hws_pkg::EncodeMultiplierWidth-1:0] in_multiplier_i,
  input  wire logic [                hws_pkg::ZeroPointWidth-1:0] in_zero_point_i,
  input  wire logic                                             in_last_i,
  output      logic                                             out_valid_o,
  input  wire logic                                             out_ready_i,
  output      logic [               Lanes*hws_pkg::CodeWidth-1:0] out_code_o,
  output      logic [               Lanes*hws_pkg::CodeWidth-1:0] out_high_o,
  output      logic [               Lanes*hws_pkg::CodeWidth-1:0] out_low_o,
  output      logic [                                  Lanes-1:0] out_outlier_o,
  output      logic                                             out_last_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int OutWidth = hws_pkg::OutWidth;
  localparam int ShiftWidth = hws_pkg::LayernormEncodeShiftWidth;
  localparam int ProductWidth = OutWidth + hws_pkg::EncodeMultiplierWidth;  // full product, no loss
  localparam logic [OutWidth-1:0] LOWEST = {1'b1, {(OutWidth - 1) {1'b0}}};

  logic valid_q, valid_q2, last_q, last_q2, advance;
  logic [ShiftWidth-1:0] outlier_shift;
  logic signed [hws_pkg::EncodeMultiplierWidth:0] multiplier;
  logic [OutWidth-1:0] zero_point_q;

  assign advance       = !valid_q2 || out_ready_i;
  assign in_ready_o    = advance;
  assign out_valid_o   = valid_q2;
  assign out_last_o    = last_q2;
  assign outlier_shift = shift_i - ShiftWidth'(exponent_i);
  assign multiplier    = $signed({1'b0, in_multiplier_i});

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {valid_q, valid_q2} <= '0;
      {last_q, last_q2}   <= '0;
    end else if (advance) begin
      {valid_q, valid_q2} <= {in_valid_i, valid_q};
      {last_q, last_q2}   <= {in_last_i, last_q};
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) if (advance) zero_point_q <= OutWidth'($signed(in_zero_point_i));

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic signed [OutWidth-1:0] value;
    logic [OutWidth-1:0] magnitude, y, offset, lo, hi;
    logic signed [ProductWidth-1:0] product_q;
    logic [ShiftWidth-1:0] shift;
    logic outlier, outlier_q, keep_q, inlier, outlier_q2;
    logic [CodeWidth-1:0] code_q2, high_q2, low_q2;

    assign value     = $signed(in_value_i[lane*OutWidth+:OutWidth]);
    assign magnitude = value[OutWidth-1] ? OutWidth'(-value) : OutWidth'(value);  // 2**15 as an unsigned number
    assign outlier   = encode_i && outliers_i && in_keep_i[lane] && magnitude > threshold_i;

    // What is no inlier has a bound of 16 bits; without encode_i v itself.
    assign inlier    = encode_i && !outlier_q;
    assign shift     = !encode_i ? '0 : outlier_q ? outlier_shift : shift_i;
    assign offset    = inlier ? zero_point_q : '0;
    assign lo        = inlier ? lo_i : LOWEST;
    assign hi        = inlier ? hi_i : ~LOWEST;

    hws_round_saturate #(
      .InWidth(ProductWidth),
      .ShiftWidth(ShiftWidth),
      .OutWidth(OutWidth)
    ) u_round (
      .x_i(product_q),
      .shift_i(shift),
      .offset_i(offset),
      .lo_i(lo),
      .hi_i(hi),
      .y_o(y)
    );

    always_ff @(posedge clk_i) begin
      if (advance) begin
        product_q  <= encode_i ? ProductWidth'(value) * ProductWidth'(multiplier) : ProductWidth'(value);
        outlier_q  <= outlier;
        keep_q     <= in_keep_i[lane];
        outlier_q2 <= outlier_q;
        code_q2    <= !keep_q ? '0 : outlier_q ? CodeWidth'(zero_point_q) : CodeWidth'(y);
        high_q2    <= outlier_q ? y[OutWidth-1-:CodeWidth] : '0;
        low_q2     <= outlier_q ? y[CodeWidth-1:0] : '0;
      end
    end

    assign out_code_o[lane*CodeWidth+:CodeWidth] = code_q2;
    assign out_high_o[lane*CodeWidth+:CodeWidth] = high_q2;
    assign out_low_o[lane*CodeWidth+:CodeWidth]  = low_q2;
    assign out_outlier_o[lane]                   = outlier_q2;
  end
endmodule : hws_encoder_row
`default_nettype wire
