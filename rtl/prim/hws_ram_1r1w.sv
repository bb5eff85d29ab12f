// SPDX-License-Identifier: Apache-2.0
// Memory with one write and one read port, both synchronous; the place for a vendor's macro.
//
// The read word appears after the clock edge at which read_i is high and stays until the next read. A word that is
// written and read at the same edge reads as its old value. The contents are unknown until written.
`default_nettype none
module hws_ram_1r1w #(
  parameter int Width = 8,
  parameter int Depth = 16,
  localparam int AddressWidth = (Depth > 1) ? $clog2(Depth) : 1
) (
  input  wire logic                    clk_i,
  input  wire logic                    write_i,
  input  wire logic [AddressWidth-1:0] write_address_i,
  input  wire logic [       Width-1:0] write_data_i,
  input  wire logic                    read_i,
  input  wire logic [AddressWidth-1:0] read_address_i,
  output      logic [       Width-1:0] read_data_o
);
  logic [Width-1:0] mem[Depth];
  logic [Width-1:0] read_data_q;

  always_ff @(posedge clk_i) begin
    if (write_i) mem[write_address_i] <= write_data_i;
    if (read_i) read_data_q <= mem[read_address_i];
  end

  assign read_data_o = read_data_q;
endmodule : hws_ram_1r1w
`default_nettype wire
