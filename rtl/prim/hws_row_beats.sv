// SPDX-License-Identifier: Apache-2.0
// Walk over the beats of rows of columns_i elements, Lanes a beat: which beat, whether it is the first or the last, which
// of its lanes exist; the bank counts the rows, modulo 2**BankBits. next_i moves on at the end of the cycle.
`default_nettype none
module hws_row_beats #(
  parameter int Lanes = 8,
  parameter int ColumnsMax = 1024,
  parameter int BankBits = 1,
  localparam int CountWidth = $clog2(ColumnsMax + 1),
  localparam int BeatsMax = (ColumnsMax + Lanes - 1) / Lanes,
  localparam int BeatWidth = (BeatsMax > 1) ? $clog2(BeatsMax) : 1
) (
  input  wire logic                  clk_i,
  input  wire logic                  rst_ni,
  input  wire logic [CountWidth-1:0] columns_i,
  input  wire logic                  next_i,
  output      logic [  BankBits-1:0] bank_o,
  output      logic [ BeatWidth-1:0] beat_o,
  output      logic [     Lanes-1:0] keep_o,
  output      logic                  last_o
);
  // A beat may end beyond the last column by less than Lanes.
  localparam int PositionWidth = CountWidth + $clog2(Lanes + 1);

  logic [ BankBits-1:0] bank_q;
  logic [BeatWidth-1:0] beat_q;
  logic [PositionWidth-1:0] position_q, next_position, columns;

  // A counter of columns beside that of beats: Lanes need not be a power of two.
  assign columns       = PositionWidth'(columns_i);
  assign next_position = position_q + PositionWidth'(Lanes);
  assign last_o        = next_position >= columns;
  assign bank_o        = bank_q;
  assign beat_o        = beat_q;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    assign keep_o[lane] = position_q + PositionWidth'(lane) < columns;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      bank_q     <= '0;
      beat_q     <= '0;
      position_q <= '0;
    end else if (next_i) begin
      bank_q     <= bank_q + BankBits'(last_o);
      beat_q     <= last_o ? '0 : beat_q + 1'b1;
      position_q <= last_o ? '0 : next_position;
    end
  end
endmodule : hws_row_beats
`default_nettype wire
