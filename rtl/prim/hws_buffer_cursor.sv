// SPDX-License-Identifier: Apache-2.0
// Walks over the beats of a tensor's rows, Lanes elements each, and says where each lies in the activation buffer.
//
//   codes:      address = base + (r / W) * stride + c, skew 1, row r mod W, rotate (r + c) mod W
//   halfwords:  address = base + r * stride + 2 c / W, skew 0, rotate 2 c mod W        where halfwords_i is set
//
// r, c: row and first element of the beat, c = 0, Lanes, ... below columns; W = WordBytes. load_i takes the tensor
// (first_row 16 bits times stride 16 bits, modulo the buffer); advance_i goes on by a beat. The outputs belong to the current
// beat, 1 cycle after either; last_o: the last beat of the last row.
`default_nettype none
module hws_buffer_cursor #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                   clk_i,
  input  wire logic                                   load_i,
  input  wire logic                                   halfwords_i,
  input  wire logic [hws_pkg::BufferAddressWidth-1:0] base_i,
  input  wire logic [                           15:0] stride_i,
  input  wire logic [                           15:0] first_row_i,
  input  wire logic [                           15:0] rows_i,
  input  wire logic [                           15:0] columns_i,
  input  wire logic                                   advance_i,
  output      logic [hws_pkg::BufferAddressWidth-1:0] address_o,
  output      logic                                   skew_o,
  output      logic [          hws_pkg::WordBits-1:0] row_o,
  output      logic [          hws_pkg::WordBits-1:0] rotate_o,
  output      logic                                   last_o
);
  localparam int CountWidth = 16;
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int WordBits = hws_pkg::WordBits;

  logic [AddressWidth-1:0] stride_q, row_address_q, first_stride, first_address;
  logic [CountWidth-1:0] columns_q, columns_left_q, rows_left_q;
  logic [CountWidth-1:0] column_q;  // c
  logic [  CountWidth:0] byte_offset;
  logic [WordBits-1:0] row_q, next_row;
  logic halfwords_q, row_last, stride_end, unused_stride;

  assign first_stride = AddressWidth'(halfwords_i ? first_row_i : first_row_i >> WordBits);
  assign first_address = base_i + first_stride * AddressWidth'(stride_i);
  assign next_row = row_q + 1'b1;
  assign stride_end = halfwords_q || next_row == '0;
  assign row_last = columns_left_q <= CountWidth'(Lanes);
  assign last_o = row_last && rows_left_q <= CountWidth'(1);
  assign row_o = row_q;
  assign unused_stride = ^stride_i;  // wider than an address of a small buffer

  // A halfword's column is two bytes.
  assign byte_offset = {column_q, 1'b0};
  assign address_o = row_address_q + (halfwords_q ? AddressWidth'(byte_offset >> WordBits) : AddressWidth'(column_q));
  assign rotate_o = halfwords_q ? WordBits'(byte_offset) : row_q + WordBits'(column_q);
  assign skew_o = !halfwords_q;

  // The data path needs no reset: its user reads it between load and last only.
  always_ff @(posedge clk_i) begin
    if (load_i) begin
      halfwords_q    <= halfwords_i;
      stride_q       <= AddressWidth'(stride_i);
      columns_q      <= columns_i;
      row_address_q  <= first_address;
      row_q          <= WordBits'(first_row_i);
      rows_left_q    <= rows_i;
      columns_left_q <= columns_i;
      column_q       <= '0;
    end else if (advance_i && row_last) begin
      row_address_q  <= row_address_q + (stride_end ? stride_q : '0);
      row_q          <= next_row;
      rows_left_q    <= rows_left_q - 1'b1;
      columns_left_q <= columns_q;
      column_q       <= '0;
    end else if (advance_i) begin
      columns_left_q <= columns_left_q - CountWidth'(Lanes);
      column_q       <= column_q + CountWidth'(Lanes);
    end
  end

  initial begin
    if (Lanes < 1 || (Lanes & (Lanes - 1)) != 0 || 2 * Lanes > hws_pkg::WordBytes)
      $fatal(1, "Lanes must be a power of two, and a beat at most a word of the activation buffer");
  end
endmodule : hws_buffer_cursor
`default_nettype wire
