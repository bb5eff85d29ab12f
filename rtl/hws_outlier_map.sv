// SPDX-License-Identifier: Apache-2.0
// Outlier map: a bit for each row tile of the array and channel, whether a row of the tile has an outlier there.
//
//   bits[row / ArrayRows][beat] = row % ArrayRows == 0 ? bits : old | bits           a beat: Lanes channels
//
// LayerNorm writes a beat a cycle, which a read in the second cycle after it sees. It never writes one beat of a row tile in
// two successive cycles (rows of one beat are 18 cycles apart), so the old bits are there. Read: 1 cycle.
// Two copies: the old bits are read while the array's operand side reads.
`default_nettype none
module hws_outlier_map #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                              clk_i,
  input  wire logic                              rst_ni,
  input  wire logic                              write_i,
  input  wire logic [hws_pkg::RowIndexWidth-1:0] write_row_i,
  input  wire logic [    hws_pkg::BeatWidth-1:0] write_beat_i,
  input  wire logic [                 Lanes-1:0] write_bits_i,
  input  wire logic                              read_i,
  input  wire logic [ hws_pkg::RowTileWidth-1:0] read_tile_i,
  input  wire logic [    hws_pkg::BeatWidth-1:0] read_beat_i,
  output      logic [                 Lanes-1:0] read_bits_o
);
  localparam int TileBits = $clog2(hws_pkg::ArrayRows);
  localparam int AddressWidth = hws_pkg::RowTileWidth + hws_pkg::BeatWidth;
  localparam int Depth = 2 ** AddressWidth;

  logic write_q, first_q;
  logic [AddressWidth-1:0] address, address_q;
  logic [Lanes-1:0] old, bits, bits_q;

  assign address = {hws_pkg::RowTileWidth'(write_row_i >> TileBits), write_beat_i};
  assign bits    = first_q ? bits_q : old | bits_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) write_q <= 1'b0;
    else write_q <= write_i;
  end

  // No data register needs a reset: write_q guards them.
  always_ff @(posedge clk_i) begin
    address_q <= address;
    bits_q    <= write_bits_i;
    first_q   <= (write_row_i & hws_pkg::RowIndexWidth'(hws_pkg::ArrayRows - 1)) == '0;
  end

  hws_ram_1r1w #(
    .Width(Lanes),
    .Depth(Depth)
  ) u_old (
    .clk_i,
    .write_i(write_q),
    .write_address_i(address_q),
    .write_data_i(bits),
    .read_i(write_i),
    .read_address_i(address),
    .read_data_o(old)
  );

  hws_ram_1r1w #(
    .Width(Lanes),
    .Depth(Depth)
  ) u_map (
    .clk_i,
    .write_i(write_q),
    .write_address_i(address_q),
    .write_data_i(bits),
    .read_i,
    .read_address_i({read_tile_i, read_beat_i}),
    .read_data_o(read_bits_o)
  );
endmodule : hws_outlier_map
`default_nettype wire
