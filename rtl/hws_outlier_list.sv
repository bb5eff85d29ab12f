// SPDX-License-Identifier: Apache-2.0
// Channels of a row tile that have outliers, in ascending order, found while the tile's other steps run.
//
// start_i: the next cycle is that of the tile's step 0. The map is read a beat a cycle from this cycle on (read_bits_i: the
// cycle after), and what is not empty is kept: the first in a register, the rest in a memory. ceil(steps / Lanes) reads
// never end later than the step before the last one, so in the cycle of step steps - 1, any_o tells whether outliers
// follow, and from the next one on channel_o is the first of them.
// next_i: go on by a channel, in every second cycle at most, which hides the memory's read. last_o: it is the tile's last one.
`default_nettype none
module hws_outlier_list #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                             clk_i,
  input  wire logic                             rst_ni,
  input  wire logic                             start_i,
  input  wire logic [hws_pkg::RowTileWidth-1:0] tile_i,
  input  wire logic [                     15:0] steps_i,
  output      logic                             read_o,
  output      logic [hws_pkg::RowTileWidth-1:0] read_tile_o,
  output      logic [   hws_pkg::BeatWidth-1:0] read_beat_o,
  input  wire logic [                Lanes-1:0] read_bits_i,
  output      logic                             any_o,
  input  wire logic                             next_i,
  output      logic                             last_o,
  output      logic [                     15:0] channel_o
);
  localparam int CountWidth = 16;
  localparam int BeatWidth = hws_pkg::BeatWidth;
  localparam int EntryWidth = BeatWidth + Lanes;
  localparam int EntriesWidth = BeatWidth + 1;

  // Reads of the map.
  logic scanning_q, arriving_q;
  logic [hws_pkg::RowTileWidth-1:0] tile_q;
  logic [BeatWidth-1:0] beat_q, arriving_beat_q;
  logic [CountWidth-1:0] left, left_q, arriving_left_q;  // channels from the beat on

  assign left        = start_i ? steps_i : left_q;
  assign read_o      = start_i || scanning_q;
  assign read_tile_o = start_i ? tile_i : tile_q;
  assign read_beat_o = start_i ? '0 : beat_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      scanning_q <= 1'b0;
      arriving_q <= 1'b0;
    end else begin
      if (read_o) scanning_q <= left > CountWidth'(Lanes);
      arriving_q <= read_o;
    end
  end

  // The data registers need no reset: scanning_q, arriving_q and entries_q guard them.
  always_ff @(posedge clk_i) begin
    if (start_i) tile_q <= tile_i;
    if (read_o) begin
      beat_q          <= read_beat_o + 1'b1;
      left_q          <= left - CountWidth'(Lanes);
      arriving_beat_q <= read_beat_o;
      arriving_left_q <= left;
    end
  end

  // Beats that are not empty. None arrives while one leaves.
  logic push, direct, head_end, fetch, ready_q, single;
  logic [Lanes-1:0] bits, head_bits_q, lowest;
  logic [BeatWidth-1:0] head_beat_q, tail_q, front_q;
  logic [EntriesWidth-1:0] entries_q, stored_q;  // all of them, and those that are in the memory only
  logic [EntryWidth-1:0] entry;  // the one behind the head, with ready_q

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    assign bits[lane] = read_bits_i[lane] && CountWidth'(lane) < arriving_left_q;
  end

  assign push     = arriving_q && bits != '0;
  assign direct   = push && entries_q == '0;
  assign lowest   = head_bits_q & (~head_bits_q + 1'b1);
  assign single   = head_bits_q == lowest;
  assign head_end = next_i && single;
  assign fetch    = stored_q != '0 && !ready_q;
  assign any_o    = push || entries_q != '0;
  assign last_o   = single && entries_q == EntriesWidth'(1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      entries_q <= '0;
      stored_q  <= '0;
      ready_q   <= 1'b0;
      tail_q    <= '0;
      front_q   <= '0;
    end else begin
      entries_q <= entries_q + EntriesWidth'(push) - EntriesWidth'(head_end);
      stored_q  <= stored_q + EntriesWidth'(push && !direct) - EntriesWidth'(fetch);
      ready_q   <= fetch || (ready_q && !head_end);
      tail_q    <= start_i ? '0 : tail_q + BeatWidth'(push && !direct);
      front_q   <= start_i ? '0 : front_q + BeatWidth'(fetch);
    end
  end

  always_ff @(posedge clk_i) begin
    if (direct) {head_beat_q, head_bits_q} <= {arriving_beat_q, bits};
    else if (head_end) {head_beat_q, head_bits_q} <= entry;
    else if (next_i) head_bits_q <= head_bits_q & ~lowest;
  end

  hws_ram_1r1w #(
    .Width(EntryWidth),
    .Depth(2 ** BeatWidth)
  ) u_entries (
    .clk_i,
    .write_i(push && !direct),
    .write_address_i(tail_q),
    .write_data_i({arriving_beat_q, bits}),
    .read_i(fetch),
    .read_address_i(front_q),
    .read_data_o(entry)
  );

  logic [CountWidth-1:0] position;

  always_comb begin
    position = '0;
    for (int lane = 0; lane < Lanes; lane++) begin
      if (lowest[lane]) position = position | CountWidth'(lane);
    end
  end

  assign channel_o = CountWidth'(head_beat_q) * CountWidth'(Lanes) + position;
endmodule : hws_outlier_list
`default_nettype wire
