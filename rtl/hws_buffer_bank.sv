// SPDX-License-Identifier: Apache-2.0
// Bank of the activation buffer: WordBytes byte-wide memories (sub-banks) with one read and one write port, each
// sub-bank with its own address.
//
//   sub-bank b is accessed at  address                                                            skew 0
//                              address with its low WordBits replaced by (b - row) mod WordBytes  skew 1
//
// write_mask_i and write_data_i: bit b and byte b belong to sub-bank b. read_data_o: the same order, after the clock edge
// at which read_i is high, until the next read. A word that is written and read at the same edge reads as its old value.
`default_nettype none
module hws_buffer_bank #(
  parameter int WordBytes = hws_pkg::WordBytes,
  parameter int Words = hws_pkg::BankWords,
  localparam int WordBits = $clog2(WordBytes),
  localparam int AddressWidth = $clog2(Words),
  localparam int WordWidth = 8 * WordBytes
) (
  input  wire logic                    clk_i,
  input  wire logic                    read_i,
  input  wire logic [AddressWidth-1:0] read_address_i,
  input  wire logic                    read_skew_i,
  input  wire logic [    WordBits-1:0] read_row_i,
  output      logic [   WordWidth-1:0] read_data_o,
  input  wire logic [AddressWidth-1:0] write_address_i,
  input  wire logic                    write_skew_i,
  input  wire logic [    WordBits-1:0] write_row_i,
  input  wire logic [   WordBytes-1:0] write_mask_i,
  input  wire logic [   WordWidth-1:0] write_data_i
);
  for (genvar b = 0; b < WordBytes; b++) begin : gen_sub_banks
    logic [AddressWidth-1:0] read_address, write_address;

    assign read_address[AddressWidth-1:WordBits] = read_address_i[AddressWidth-1:WordBits];
    assign read_address[WordBits-1:0] = read_skew_i ? WordBits'(b) - read_row_i : read_address_i[WordBits-1:0];
    assign write_address[AddressWidth-1:WordBits] = write_address_i[AddressWidth-1:WordBits];
    assign write_address[WordBits-1:0] = write_skew_i ? WordBits'(b) - write_row_i : write_address_i[WordBits-1:0];

    hws_ram_1r1w #(
      .Width(8),
      .Depth(Words)
    ) u_ram (
      .clk_i,
      .write_i(write_mask_i[b]),
      .write_address_i(write_address),
      .write_data_i(write_data_i[8*b+:8]),
      .read_i,
      .read_address_i(read_address),
      .read_data_o(read_data_o[8*b+:8])
    );
  end
endmodule : hws_buffer_bank
`default_nettype wire
