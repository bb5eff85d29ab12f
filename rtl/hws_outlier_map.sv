// SPDX-License-Identifier: Apache-2.0
// Outlier map: a bit for each row tile of the array and channel, whether a row of the tile has an outlier there.
//
//   bits[row / ArrayRows][beat] = row % ArrayRows == 0 ? bits : old | bits           a beat: Lanes channels
//
// next_i announces the beat of the next cycle, whose bits come with write_i; so the old ones are there, and a read in the cycle
// after the write sees the new ones. LayerNorm never writes one beat of a row tile in two successive cycles (rows of one
// beat are 18 cycles apart). Read: 1 cycle.
// Two copies: the old bits are read while the array's operand side reads.
`default_nettype none
module hws_outlier_map #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                              clk_i,
  input  wire logic                              next_i,
  input  wire logic [hws_pkg::RowIndexWidth-1:0] next_row_i,
  input  wire logic [    hws_pkg::BeatWidth-1:0] next_beat_i,
  input  wire logic                              write_i,
  input  wire logic [                 Lanes-1:0] write_bits_i,
  input  wire logic                              read_i,
  input  wire logic [ hws_pkg::RowTileWidth-1:0] read_tile_i,
  input  wire logic [    hws_pkg::BeatWidth-1:0] read_beat_i,
  output      logic [                 Lanes-1:0] read_bits_o
);
  localparam int TileBits = $clog2(hws_pkg::ArrayRows);
  localparam int AddressWidth = hws_pkg::RowTileWidth + hws_pkg::BeatWidth;
  localparam int Depth = 2 ** AddressWidth;

  logic first_q;
  logic [AddressWidth-1:0] address, address_q;
  logic [Lanes-1:0] old, bits;

  assign address = {hws_pkg::RowTileWidth'(next_row_i >> TileBits), next_beat_i};
  assign bits    = first_q ? write_bits_i : old | write_bits_i;

  // Neither register needs a reset: write_i guards them.
  always_ff @(posedge clk_i) begin
    address_q <= address;
    first_q   <= (next_row_i & hws_pkg::RowIndexWidth'(hws_pkg::ArrayRows - 1)) == '0;
  end

  hws_ram_1r1w #(
    .Width(Lanes),
    .Depth(Depth)
  ) u_old (
    .clk_i,
    .write_i,
    .write_address_i(address_q),
    .write_data_i(bits),
    .read_i(next_i),
    .read_address_i(address),
    .read_data_o(old)
  );

  hws_ram_1r1w #(
    .Width(Lanes),
    .Depth(Depth)
  ) u_map (
    .clk_i,
    .write_i,
    .write_address_i(address_q),
    .write_data_i(bits),
    .read_i,
    .read_address_i({read_tile_i, read_beat_i}),
    .read_data_o(read_bits_o)
  );
endmodule : hws_outlier_map
`default_nettype wire
