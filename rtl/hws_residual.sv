// SPDX-License-Identifier: Apache-2.0
// Residual adder of the drain, to codes with a shift for each channel, Lanes channels a cycle.
//
//   stream = round_shift((q << sh) * M, s), or the embedding's constant
//   y      = clamp(stream + branch, -2**15, 2**15 - 1)
//   code   = clamp(round_shift(y, g + sh'), lo, hi)
//
// q: int8, old residual code with its channel's shift sh (0 to 7). M: 0 to 2**15 - 1. s: 0 to 47.
// constant, branch: int16 on the new tensor's grid with g (0 to 7) guard bits. code, lo, hi: int16; codes of 8 bits are
// its low byte. in_stream is q at the bottom of 16 bits, or the constant where constant_i is set; a residual stream of
// more than 8 bits is a constant to this unit, and its g and sh' are 0.
// The shifts travel with their channel; the rest holds while a word is inside.
// Latency: 4 cycles: _q value, _q2 product, _q3 sum, _q4 code. A bubble closes when a later stage stalls.
`default_nettype none
module hws_residual #(
  parameter int Lanes = hws_pkg::DrainLanes
) (
  input  wire logic                                      clk_i,
  input  wire logic                                      rst_ni,
  input  wire logic                                      constant_i,
  input  wire logic [      hws_pkg::MultiplierWidth-1:0] multiplier_i,
  input  wire logic [ hws_pkg::MultiplierShiftWidth-1:0] shift_i,
  input  wire logic [           hws_pkg::GuardWidth-1:0] guard_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic                                      in_valid_i,
  output      logic                                      in_ready_o,
  input  wire logic [       Lanes*hws_pkg::OutWidth-1:0] in_stream_i,
  input  wire logic [       Lanes*hws_pkg::OutWidth-1:0] in_branch_i,
  input  wire logic [Lanes*hws_pkg::ChannelShiftWidth-1:0] in_old_shift_i,
  input  wire logic [Lanes*hws_pkg::ChannelShiftWidth-1:0] in_new_shift_i,
  input  wire logic                                      in_last_i,
  output      logic                                      out_valid_o,
  input  wire logic                                      out_ready_i,
  output      logic [       Lanes*hws_pkg::OutWidth-1:0] out_data_o,
  output      logic                                      out_last_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int OutWidth = hws_pkg::OutWidth;
  localparam int MultiplierWidth = hws_pkg::MultiplierWidth;
  localparam int ShiftWidth = hws_pkg::MultiplierShiftWidth;
  localparam int ChannelShiftWidth = hws_pkg::ChannelShiftWidth;
  localparam int ProductWidth = hws_pkg::ResidualProductWidth;
  localparam int EncodeShiftWidth = hws_pkg::EncodeShiftWidth;

  logic valid_q, valid_q2, valid_q3, valid_q4, last_q, last_q2, last_q3, last_q4;
  logic ready, ready2, ready3, ready4;
  logic signed [MultiplierWidth-1:0] multiplier;
  logic [ShiftWidth-1:0] shift;

  assign ready4      = !valid_q4 || out_ready_i;
  assign ready3      = !valid_q3 || ready4;
  assign ready2      = !valid_q2 || ready3;
  assign ready       = !valid_q || ready2;
  assign in_ready_o  = ready;
  assign out_valid_o = valid_q4;
  assign out_last_o  = last_q4;

  // The constant is on the new grid already.
  assign multiplier  = constant_i ? MultiplierWidth'(1) : $signed(multiplier_i);
  assign shift       = constant_i ? '0 : shift_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {valid_q, valid_q2, valid_q3, valid_q4} <= '0;
      {last_q, last_q2, last_q3, last_q4}     <= '0;
    end else begin
      if (ready) {valid_q, last_q} <= {in_valid_i, in_last_i};
      if (ready2) {valid_q2, last_q2} <= {valid_q, last_q};
      if (ready3) {valid_q3, last_q3} <= {valid_q2, last_q2};
      if (ready4) {valid_q4, last_q4} <= {valid_q3, last_q3};
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [OutWidth-1:0] stream, value, branch_q, branch_q2, sum, sum_q3, code, code_q4;
    logic signed [OutWidth-1:0] value_q;
    logic signed [ProductWidth-1:0] product_q2;
    logic [ChannelShiftWidth-1:0] old_shift, new_shift_q, new_shift_q2;
    logic [EncodeShiftWidth-1:0] encode_shift_q3;

    assign stream    = in_stream_i[lane*OutWidth+:OutWidth];
    assign old_shift = in_old_shift_i[lane*ChannelShiftWidth+:ChannelShiftWidth];
    assign value     = constant_i ? stream : OutWidth'($signed(CodeWidth'(stream))) << old_shift;

    // The data path needs no reset: the valid bits guard it.
    always_ff @(posedge clk_i) begin
      if (ready && in_valid_i) begin
        value_q     <= value;
        branch_q    <= in_branch_i[lane*OutWidth+:OutWidth];
        new_shift_q <= in_new_shift_i[lane*ChannelShiftWidth+:ChannelShiftWidth];
      end
      if (ready2 && valid_q) begin
        product_q2   <= ProductWidth'(value_q) * ProductWidth'(multiplier);
        branch_q2    <= branch_q;
        new_shift_q2 <= new_shift_q;
      end
      if (ready3 && valid_q2) begin
        sum_q3          <= sum;
        encode_shift_q3 <= EncodeShiftWidth'(guard_i) + EncodeShiftWidth'(new_shift_q2);
      end
      if (ready4 && valid_q3) code_q4 <= code;
    end

    hws_round_saturate #(
      .InWidth(ProductWidth),
      .ShiftWidth(ShiftWidth),
      .OutWidth(OutWidth)
    ) u_round_sum (
      .x_i(product_q2),
      .shift_i(shift),
      .offset_i(branch_q2),
      .lo_i({1'b1, {(OutWidth - 1) {1'b0}}}),
      .hi_i({1'b0, {(OutWidth - 1) {1'b1}}}),
      .y_o(sum)
    );

    hws_round_saturate #(
      .InWidth(OutWidth),
      .ShiftWidth(EncodeShiftWidth),
      .OutWidth(OutWidth)
    ) u_round_code (
      .x_i(sum_q3),
      .shift_i(encode_shift_q3),
      .offset_i(OutWidth'(0)),
      .lo_i(lo_i),
      .hi_i(hi_i),
      .y_o(code)
    );

    assign out_data_o[lane*OutWidth+:OutWidth] = code_q4;
  end
endmodule : hws_residual
`default_nettype wire
