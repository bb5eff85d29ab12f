// SPDX-License-Identifier: Apache-2.0
// Exponents of hws_softmax: reads a row of scores, writes the row of exponents, and sums it.
//
//   d_j = max(s) - s_j,  e_j = round_shift(E[d_j & 255], d_j >> 8),  S = sum e_j
//
// d: 16 bits unsigned, e: 17 bits unsigned, S: 27 bits unsigned for 1,024 columns. E is at most 2**16, so e is 0 by
// itself where d_j >> 8 is over 17, and in lanes beyond the row.
// A beat is read when the exponents have a place for it, so the pipe behind the read never stalls. The maximum is taken at
// in_valid && in_ready, also in the cycle of the row before's last read.
// Stages: the read, then _q score, _q2 distance, _q3 table entry, _q4 exponent (buffer write), _q5 sum. A row's sum
// stays until it is taken: the next row's exponents find a place only when the normaliser has begun the row before this
// one, and in that cycle the reciprocal has taken this sum.
`default_nettype none
module hws_softmax_exponent #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                        clk_i,
  input  wire logic                                        rst_ni,
  input  wire logic                                        in_valid_i,
  output      logic                                        in_ready_o,
  input  wire logic [               hws_pkg::OutWidth-1:0] in_top_i,
  output      logic                                        read_o,
  input  wire logic                                        read_last_i,
  input  wire logic [         Lanes*hws_pkg::OutWidth-1:0] read_data_i,
  input  wire logic                                        space_i,
  input  wire logic [         hws_pkg::SoftmaxBeatWidth:0] address_i,
  input  wire logic [                           Lanes-1:0] keep_i,
  output      logic                                        write_o,
  output      logic [         hws_pkg::SoftmaxBeatWidth:0] write_address_o,
  output      logic [ Lanes*hws_pkg::ExponentialWidth-1:0] write_data_o,
  output      logic                                        out_valid_o,
  input  wire logic                                        out_ready_i,
  output      logic [    hws_pkg::ExponentialSumWidth-1:0] out_sum_o
);
  localparam int ScoreWidth = hws_pkg::OutWidth;
  localparam int DistanceWidth = hws_pkg::DistanceWidth;
  localparam int FractionWidth = hws_pkg::ScoreFractionWidth;
  localparam int WholeWidth = DistanceWidth - FractionWidth;
  localparam int ExponentialWidth = hws_pkg::ExponentialWidth;
  localparam int SumWidth = hws_pkg::ExponentialSumWidth;

  logic active_q, start;
  logic valid_q, valid_q2, valid_q3, valid_q4, sum_valid_q5;
  logic last_q, last_q2, last_q3, last_q4, first_q5;
  logic [Lanes-1:0] keep_q, keep_q2, keep_q3;
  logic [hws_pkg::SoftmaxBeatWidth:0] address_q, address_q2, address_q3, address_q4;
  logic [ScoreWidth-1:0] row_top_q, top_q;
  logic [SumWidth-1:0] sum, sum_q5;

  assign read_o          = active_q && space_i;
  assign in_ready_o      = !active_q || (read_o && read_last_i);
  assign start           = in_valid_i && in_ready_o;
  assign write_o         = valid_q4;
  assign write_address_o = address_q4;
  assign out_valid_o     = sum_valid_q5;
  assign out_sum_o       = sum_q5;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q                                <= 1'b0;
      {valid_q, valid_q2, valid_q3, valid_q4} <= '0;
      first_q5                                <= 1'b1;
      sum_valid_q5                            <= 1'b0;
    end else begin
      active_q                                <= start || (active_q && !(read_o && read_last_i));
      {valid_q, valid_q2, valid_q3, valid_q4} <= {read_o, valid_q, valid_q2, valid_q3};
      if (valid_q4) first_q5 <= last_q4;
      sum_valid_q5 <= (valid_q4 && last_q4) || (sum_valid_q5 && !out_ready_i);
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    if (start) row_top_q <= in_top_i;
    top_q                                           <= row_top_q;
    {keep_q, keep_q2, keep_q3}                      <= {keep_i, keep_q, keep_q2};
    {last_q, last_q2, last_q3, last_q4}             <= {read_last_i, last_q, last_q2, last_q3};
    {address_q, address_q2, address_q3, address_q4} <= {address_i, address_q, address_q2, address_q3};
    if (valid_q4) sum_q5 <= sum;
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [DistanceWidth-1:0] distance_q2;
    logic [WholeWidth-1:0] whole_q3;
    logic [ExponentialWidth-1:0] entry_q3, exponential, exponential_q4;
    logic unused_sign;

    always_ff @(posedge clk_i) begin
      distance_q2    <= top_q - read_data_i[lane*ScoreWidth+:ScoreWidth];
      entry_q3       <= hws_pkg::exp2_entry(distance_q2[FractionWidth-1:0]);
      whole_q3       <= distance_q2[DistanceWidth-1:FractionWidth];
      exponential_q4 <= keep_q3[lane] ? exponential : '0;
    end

    hws_round_saturate #(
      .InWidth(ExponentialWidth + 1),
      .ShiftWidth(WholeWidth),
      .OutWidth(ExponentialWidth + 1)
    ) u_round (
      .x_i({1'b0, entry_q3}),
      .shift_i(whole_q3),
      .offset_i((ExponentialWidth + 1)'(0)),
      .lo_i((ExponentialWidth + 1)'(0)),
      .hi_i({1'b0, {ExponentialWidth{1'b1}}}),
      .y_o({unused_sign, exponential})
    );

    assign write_data_o[lane*ExponentialWidth+:ExponentialWidth] = exponential_q4;
  end

  always_comb begin
    sum = first_q5 ? '0 : sum_q5;
    for (int lane = 0; lane < Lanes; lane++) begin
      sum = sum + SumWidth'(write_data_o[lane*ExponentialWidth+:ExponentialWidth]);
    end
  end
endmodule : hws_softmax_exponent
`default_nettype wire
