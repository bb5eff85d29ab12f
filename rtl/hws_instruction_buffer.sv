// SPDX-License-Identifier: Apache-2.0
// Instruction buffer: two halves of SegmentInstructions, filled by the DMA beat by beat, read an instruction at a time.
//
// write_index_i counts instructions within the half, write_part_i beats within the instruction, part 0 in the low bits.
// Address {half, index}; the instruction is there one cycle after the read and stays until the next.
`default_nettype none
module hws_instruction_buffer #(
  localparam int Parts = hws_pkg::InstructionWidth / hws_pkg::DramWidth,
  localparam int PartWidth = (Parts > 1) ? $clog2(Parts) : 1,
  localparam int IndexWidth = $clog2(hws_pkg::SegmentInstructions)
) (
  input  wire logic                                 clk_i,
  input  wire logic                                 write_i,
  input  wire logic                                 write_half_i,
  input  wire logic [               IndexWidth-1:0] write_index_i,
  input  wire logic [                PartWidth-1:0] write_part_i,
  input  wire logic [       hws_pkg::DramWidth-1:0] write_data_i,
  input  wire logic                                 read_i,
  input  wire logic [                 IndexWidth:0] read_address_i,
  output      logic [hws_pkg::InstructionWidth-1:0] read_data_o
);
  localparam int DramWidth = hws_pkg::DramWidth;

  for (genvar part = 0; part < Parts; part++) begin : gen_parts
    hws_ram_1r1w #(
      .Width(DramWidth),
      .Depth(2 * hws_pkg::SegmentInstructions)
    ) u_ram (
      .clk_i,
      .write_i(write_i && write_part_i == PartWidth'(part)),
      .write_address_i({write_half_i, write_index_i}),
      .write_data_i,
      .read_i,
      .read_address_i,
      .read_data_o(read_data_o[part*DramWidth+:DramWidth])
    );
  end
endmodule : hws_instruction_buffer
`default_nettype wire
