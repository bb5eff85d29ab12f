// SPDX-License-Identifier: Apache-2.0
// Walk over the beats of rows of D channels: which beat, which of its lanes exist, whether it is the last; the bank of the
// row buffer changes with each row. next_i moves on at the end of the cycle.
`default_nettype none
module hws_layernorm_beats #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                  clk_i,
  input  wire logic                                  rst_ni,
  input  wire logic [hws_pkg::ChannelCountWidth-1:0] channels_i,
  input  wire logic                                  next_i,
  output      logic                                  bank_o,
  output      logic [        hws_pkg::BeatWidth-1:0] beat_o,
  output      logic [                     Lanes-1:0] keep_o,
  output      logic                                  last_o
);
  // A beat may end beyond the last channel by less than Lanes.
  localparam int CountWidth = hws_pkg::ChannelCountWidth + $clog2(Lanes + 1);

  logic bank_q;
  logic [hws_pkg::BeatWidth-1:0] beat_q;
  logic [CountWidth-1:0] channel_q, next_channel, channels;

  // A counter of channels beside that of beats: Lanes need not be a power of two.
  assign channels     = CountWidth'(channels_i);
  assign next_channel = channel_q + CountWidth'(Lanes);
  assign last_o       = next_channel >= channels;
  assign bank_o       = bank_q;
  assign beat_o       = beat_q;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    assign keep_o[lane] = channel_q + CountWidth'(lane) < channels;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      bank_q    <= 1'b0;
      beat_q    <= '0;
      channel_q <= '0;
    end else if (next_i) begin
      bank_q    <= bank_q ^ last_o;
      beat_q    <= last_o ? '0 : beat_q + 1'b1;
      channel_q <= last_o ? '0 : next_channel;
    end
  end
endmodule : hws_layernorm_beats
`default_nettype wire
