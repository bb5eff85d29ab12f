// SPDX-License-Identifier: Apache-2.0
// Loader of hws_softmax: scores to the row buffer, and the row's maximum. Lanes beyond the row do not take part.
//
// Stages: _q score (buffer write), _q2 maximum. The maximum waits in top_q2 until the exponents of its row begin, while
// the next row is loaded; it needs no ready towards the loader, because a third row ends only after the first has been
// read, and then the second one's maximum has been taken.
`default_nettype none
module hws_softmax_load #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                clk_i,
  input  wire logic                                rst_ni,
  input  wire logic                                accept_i,
  input  wire logic [ Lanes*hws_pkg::OutWidth-1:0] score_i,
  input  wire logic [hws_pkg::SoftmaxBeatWidth:0]  address_i,
  input  wire logic [                   Lanes-1:0] keep_i,
  input  wire logic                                last_i,
  output      logic                                buffer_write_o,
  output      logic [hws_pkg::SoftmaxBeatWidth:0]  buffer_address_o,
  output      logic [ Lanes*hws_pkg::OutWidth-1:0] buffer_data_o,
  output      logic                                out_valid_o,
  input  wire logic                                out_ready_i,
  output      logic [       hws_pkg::OutWidth-1:0] out_top_o
);
  localparam int ScoreWidth = hws_pkg::OutWidth;
  localparam logic [ScoreWidth-1:0] LOWEST = {1'b1, {(ScoreWidth - 1) {1'b0}}};

  logic valid_q, first_q, last_q, top_valid_q2;
  logic [Lanes-1:0] keep_q;
  logic [Lanes*ScoreWidth-1:0] score_q;
  logic [hws_pkg::SoftmaxBeatWidth:0] address_q;
  logic signed [ScoreWidth-1:0] top, lane_score, running_q2, top_q2;

  assign buffer_write_o   = valid_q;
  assign buffer_address_o = address_q;
  assign buffer_data_o    = score_q;
  assign out_valid_o      = top_valid_q2;
  assign out_top_o        = top_q2;

  always_comb begin
    top        = first_q ? $signed(LOWEST) : running_q2;
    lane_score = '0;
    for (int lane = 0; lane < Lanes; lane++) begin
      lane_score = score_q[lane*ScoreWidth+:ScoreWidth];
      if (keep_q[lane] && lane_score > top) top = lane_score;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q      <= 1'b0;
      first_q      <= 1'b1;
      top_valid_q2 <= 1'b0;
    end else begin
      valid_q <= accept_i;
      if (valid_q) first_q <= last_q;
      top_valid_q2 <= (valid_q && last_q) || (top_valid_q2 && !out_ready_i);
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    if (accept_i) begin
      score_q   <= score_i;
      address_q <= address_i;
      keep_q    <= keep_i;
      last_q    <= last_i;
    end
    if (valid_q) running_q2 <= top;
    if (valid_q && last_q) top_q2 <= top;
  end
endmodule : hws_softmax_load
`default_nettype wire
