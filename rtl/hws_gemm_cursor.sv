// SPDX-License-Identifier: Apache-2.0
// Walks over the words of a product's tiles as they leave the array, and says where each lies in the activation buffer.
//
//   codes:      address = base + (r / W) * stride + c, skew 1, row r mod W, rotate (r + c) mod W
//   halfwords:  address = base + r * stride + 2 c / W, skew 0, rotate 2 c mod W
//
// r, c: row and first channel of the word, Lanes channels. Words run along the columns of a tile, its rows, the row tiles,
// the column tiles. inside_o: the row and the first channel exist. last_o: the last word of the product.
// load_i begins a product (fields from instruction_i, formed into a registered start by one product); advance_i goes on
// by a word. The outputs belong to the current word, 1 cycle after either.
`default_nettype none
module hws_gemm_cursor #(
  parameter int Lanes = hws_pkg::DrainLanes
) (
  input  wire logic                                   clk_i,
  input  wire logic                                   load_i,
  input  wire logic                                   halfwords_i,
  input  wire logic [hws_pkg::BufferAddressWidth-1:0] base_i,
  input  wire logic [hws_pkg::BufferAddressWidth-1:0] stride_i,
  input  wire logic [                           15:0] first_row_i,
  input  wire logic [                           15:0] first_channel_i,
  input  wire logic [                           15:0] rows_i,
  input  wire logic [                           15:0] columns_i,
  input  wire logic                                   advance_i,
  output      logic [hws_pkg::BufferAddressWidth-1:0] address_o,
  output      logic                                   skew_o,
  output      logic [          hws_pkg::WordBits-1:0] row_o,
  output      logic [          hws_pkg::WordBits-1:0] rotate_o,
  output      logic                                   inside_o,
  output      logic                                   last_o
);
  localparam int CountWidth = 16;
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int WordBits = hws_pkg::WordBits;
  localparam int Groups = hws_pkg::ArrayColumns / Lanes;
  localparam int GroupWidth = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int TileRowWidth = (hws_pkg::ArrayRows > 1) ? $clog2(hws_pkg::ArrayRows) : 1;
  localparam logic [CountWidth-1:0] ArrayColumns = CountWidth'(hws_pkg::ArrayColumns);

  logic [  GroupWidth-1:0] group_q;
  logic [TileRowWidth-1:0] tile_row_q;
  logic [  CountWidth-1:0] rows_left_q;  // from the current row on; 0 below the last one
  logic [  CountWidth-1:0] columns_left_q;
  logic [AddressWidth-1:0] row_address_q, first_address_q, first_address, row_advance;
  logic [WordBits-1:0] row_q, next_row;
  logic [CountWidth-1:0] tile_channel_q, channel_q, next_tile_channel;
  logic row_end, tile_end, column_end, row_inside;

  // Loops. Rows run on through the row tiles, the last of which is full even where its rows are not.
  assign row_end = group_q == GroupWidth'(Groups - 1);
  assign tile_end = row_end && tile_row_q == TileRowWidth'(hws_pkg::ArrayRows - 1);
  assign column_end = tile_end && rows_left_q <= CountWidth'(1);
  assign last_o = column_end && columns_left_q <= ArrayColumns;
  assign row_inside = rows_left_q != '0;
  assign inside_o = row_inside && CountWidth'(group_q) * CountWidth'(Lanes) < columns_left_q;

  assign first_address = base_i + AddressWidth'(halfwords_i ? first_row_i : first_row_i >> WordBits) * stride_i;
  assign next_row = row_q + 1'b1;
  assign row_advance = (halfwords_i || next_row == '0) ? stride_i : '0;
  assign next_tile_channel = tile_channel_q + ArrayColumns;

  // No register needs a reset: load_i begins every product.
  always_ff @(posedge clk_i) begin
    if (load_i) begin
      group_q         <= '0;
      tile_row_q      <= '0;
      rows_left_q     <= rows_i;
      columns_left_q  <= columns_i;
      row_address_q   <= first_address;
      first_address_q <= first_address;
      row_q           <= WordBits'(first_row_i);
      tile_channel_q  <= first_channel_i;
      channel_q       <= first_channel_i;
    end else if (advance_i) begin
      group_q   <= row_end ? '0 : group_q + 1'b1;
      channel_q <= row_end ? tile_channel_q : channel_q + CountWidth'(Lanes);
      if (row_end) begin
        tile_row_q    <= tile_end ? '0 : tile_row_q + 1'b1;
        rows_left_q   <= row_inside ? rows_left_q - 1'b1 : '0;
        row_address_q <= row_address_q + row_advance;
        row_q         <= next_row;
      end
      if (column_end) begin
        rows_left_q    <= rows_i;
        columns_left_q <= columns_left_q - ArrayColumns;
        row_address_q  <= first_address_q;
        row_q          <= WordBits'(first_row_i);
        tile_channel_q <= next_tile_channel;
        channel_q      <= next_tile_channel;
      end
    end
  end

  // A halfword's channel is two bytes.
  logic [CountWidth:0] byte_offset;

  assign byte_offset = {channel_q, 1'b0};
  assign address_o = row_address_q + (halfwords_i ? AddressWidth'(byte_offset >> WordBits) : AddressWidth'(channel_q));
  assign skew_o = !halfwords_i;
  assign row_o = row_q;
  assign rotate_o = halfwords_i ? WordBits'(byte_offset) : row_q + WordBits'(channel_q);
endmodule : hws_gemm_cursor
`default_nettype wire
