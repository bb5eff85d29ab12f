// SPDX-License-Identifier: Apache-2.0
// Row decoder of codebook codes (TanQ of DopQ-ViT, AdaLog, any 256 levels), one code a row of the array.
//
//   mantissa = codebook_mantissa[code],  shift = codebook_shift[code]
//
// Code: 8 bits; one of b bits has zeros above and uses the first 2**b entries. Mantissa: signed. Every entry that a code can
// reach is written before the first code. Entries of two limbs (mantissas beyond MantissaWidth) are not in it.
//
// Price: a memory has one read port, so each lane keeps a copy, Lanes * 256 * (MantissaWidth + TermShiftWidth) bits (6.5 KiB
// for 16 lanes), and a write goes to all.
// Latency: 1 cycle (the memory's output register), which holds while the output stalls.
`default_nettype none
module hws_decoder_codebook #(
  parameter int Lanes = hws_pkg::ArrayRows
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic                                     codebook_write_i,
  input  wire logic [            hws_pkg::CodeWidth-1:0] codebook_code_i,
  input  wire logic [        hws_pkg::MantissaWidth-1:0] codebook_mantissa_i,
  input  wire logic [       hws_pkg::TermShiftWidth-1:0] codebook_shift_i,
  input  wire logic                                     in_valid_i,
  output      logic                                     in_ready_o,
  input  wire logic [      Lanes*hws_pkg::CodeWidth-1:0] in_code_i,
  output      logic                                     out_valid_o,
  input  wire logic                                     out_ready_i,
  output      logic [  Lanes*hws_pkg::MantissaWidth-1:0] out_mantissa_o,
  output      logic [ Lanes*hws_pkg::TermShiftWidth-1:0] out_shift_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int MantissaWidth = hws_pkg::MantissaWidth;
  localparam int ShiftWidth = hws_pkg::TermShiftWidth;

  logic valid_q;

  assign in_ready_o  = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (in_ready_o) valid_q <= in_valid_i;
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    hws_ram_1r1w #(
      .Width(MantissaWidth + ShiftWidth),
      .Depth(2 ** CodeWidth)
    ) u_codebook (
      .clk_i,
      .write_i(codebook_write_i),
      .write_address_i(codebook_code_i),
      .write_data_i({codebook_shift_i, codebook_mantissa_i}),
      .read_i(in_valid_i && in_ready_o),
      .read_address_i(in_code_i[lane*CodeWidth+:CodeWidth]),
      .read_data_o({out_shift_o[lane*ShiftWidth+:ShiftWidth], out_mantissa_o[lane*MantissaWidth+:MantissaWidth]})
    );
  end
endmodule : hws_decoder_codebook
`default_nettype wire
