// SPDX-License-Identifier: Apache-2.0
// Requantiser multipliers of the rows: m_t of the row of each word that leaves the array.
//
// Words come row-major, tile by tile: the rows of the row tiles one after another, and again for each column tile. load_i
// begins a product, whose rows are those of the table from first_row_i on. read_i: a word is there; row_end_i: it is its
// row's last one. multiplier_o belongs to the word of the cycle before. Rows of the last row tile that do not exist read
// what nobody uses.
`default_nettype none
module hws_row_multipliers (
  input  wire logic                                   clk_i,
  input  wire logic                                   write_i,
  input  wire logic [     hws_pkg::RowIndexWidth-1:0] write_row_i,
  input  wire logic [hws_pkg::RowMultiplierWidth-1:0] write_multiplier_i,
  input  wire logic                                   load_i,
  input  wire logic [                           15:0] first_row_i,
  input  wire logic [                           15:0] rows_i,
  input  wire logic                                   read_i,
  input  wire logic                                   row_end_i,
  output      logic [hws_pkg::RowMultiplierWidth-1:0] multiplier_o
);
  localparam int CountWidth = 16;
  localparam int IndexWidth = hws_pkg::RowIndexWidth;
  localparam int TileRowWidth = (hws_pkg::ArrayRows > 1) ? $clog2(hws_pkg::ArrayRows) : 1;

  logic [TileRowWidth-1:0] tile_row_q;
  logic [CountWidth-1:0] rows_q, rows_left_q;  // rows_left_q: from the current row on; 0 below the last one
  logic [IndexWidth-1:0] row_q, first_row_q;
  logic tile_end, column_end, unused_row;

  assign tile_end   = tile_row_q == TileRowWidth'(hws_pkg::ArrayRows - 1);
  assign column_end = tile_end && rows_left_q <= CountWidth'(1);
  assign unused_row = ^first_row_i;  // the table has fewer rows than the field can name

  // No register needs a reset: load_i begins every product.
  always_ff @(posedge clk_i) begin
    if (load_i) begin
      tile_row_q  <= '0;
      rows_q      <= rows_i;
      rows_left_q <= rows_i;
      row_q       <= IndexWidth'(first_row_i);
      first_row_q <= IndexWidth'(first_row_i);
    end else if (read_i && row_end_i) begin
      tile_row_q <= tile_end ? '0 : tile_row_q + 1'b1;
      if (column_end) begin
        rows_left_q <= rows_q;
        row_q       <= first_row_q;
      end else begin
        rows_left_q <= (rows_left_q != '0) ? rows_left_q - 1'b1 : '0;
        row_q       <= row_q + 1'b1;
      end
    end
  end

  hws_ram_1r1w #(
    .Width(hws_pkg::RowMultiplierWidth),
    .Depth(hws_pkg::RowsMax)
  ) u_multipliers (
    .clk_i,
    .write_i,
    .write_address_i(write_row_i),
    .write_data_i(write_multiplier_i),
    .read_i,
    .read_address_i(row_q),
    .read_data_o(multiplier_o)
  );
endmodule : hws_row_multipliers
`default_nettype wire
