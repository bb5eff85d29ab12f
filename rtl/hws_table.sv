// SPDX-License-Identifier: Apache-2.0
// Table of the drain (GELU, or any elementwise function): Lanes lookups a cycle.
//
//   code = table[y - lo]
//
// y: int16, of which y - lo is 0 to 1,023 (a pre-activation of 10 bits; fewer bits use the table's first entries). Code:
// 8 bits, in the format that follows. Every entry that y can reach is written before the first y.
//
// Price: a memory has one read port, so each lane keeps a copy of the table, Lanes * 1,024 * 8 bits (8 KiB for 8 lanes),
// and a write goes to all. A memory with two read ports would halve that; a lookup every Lanes cycles would need
// one copy and stall the drain.
// Latency: 1 cycle (the memory's output register), which holds while the output stalls. lo_i, the smallest y modulo 1,024,
// holds while a word is inside.
`default_nettype none
module hws_table #(
  parameter int Lanes = hws_pkg::DrainLanes
) (
  input  wire logic                                  clk_i,
  input  wire logic                                  rst_ni,
  input  wire logic [hws_pkg::TableAddressWidth-1:0] lo_i,
  input  wire logic                                  table_write_i,
  input  wire logic [hws_pkg::TableAddressWidth-1:0] table_address_i,
  input  wire logic [        hws_pkg::CodeWidth-1:0] table_code_i,
  input  wire logic                                  in_valid_i,
  output      logic                                  in_ready_o,
  input  wire logic [   Lanes*hws_pkg::OutWidth-1:0] in_data_i,
  input  wire logic                                  in_last_i,
  output      logic                                  out_valid_o,
  input  wire logic                                  out_ready_i,
  output      logic [  Lanes*hws_pkg::CodeWidth-1:0] out_code_o,
  output      logic                                  out_last_o
);
  localparam int AddressWidth = hws_pkg::TableAddressWidth;
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int OutWidth = hws_pkg::OutWidth;

  logic valid_q, last_q;

  assign in_ready_o  = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;
  assign out_last_o  = last_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      last_q  <= 1'b0;
    end else if (in_ready_o) begin
      valid_q <= in_valid_i;
      last_q  <= in_last_i;
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [AddressWidth-1:0] address;

    // The difference fits, so it is computed modulo the number of entries.
    assign address = AddressWidth'(in_data_i[lane*OutWidth+:OutWidth]) - lo_i;

    hws_ram_1r1w #(
      .Width(CodeWidth),
      .Depth(2 ** AddressWidth)
    ) u_table (
      .clk_i,
      .write_i(table_write_i),
      .write_address_i(table_address_i),
      .write_data_i(table_code_i),
      .read_i(in_valid_i && in_ready_o),
      .read_address_i(address),
      .read_data_o(out_code_o[lane*CodeWidth+:CodeWidth])
    );
  end
endmodule : hws_table
`default_nettype wire
