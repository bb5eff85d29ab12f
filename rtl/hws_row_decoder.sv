// SPDX-License-Identifier: Apache-2.0
// Row decoder of the array: one decoder for each operand format, of which the instruction's format is selected.
//
//   value = mantissa << shift          docs/numerics.md, "Formats"
//
// kind_i: OPERAND_KINDS of hwsim/isa.py. bits_i, exponent_i, signed_i and zero_points_i mean what each decoder says;
// they and kind_i belong to the codes of the same cycle, so that two instructions may follow each other without a gap.
// Rigid: the array always takes what comes. Latency: 1 cycle (the decoders' output registers).
`default_nettype none
module hws_row_decoder #(
  parameter int Lanes = hws_pkg::ArrayRows
) (
  input  wire logic                                    clk_i,
  input  wire logic                                    rst_ni,
  input  wire logic                                    codebook_write_i,
  input  wire logic [           hws_pkg::CodeWidth-1:0] codebook_code_i,
  input  wire logic [       hws_pkg::MantissaWidth-1:0] codebook_mantissa_i,
  input  wire logic [      hws_pkg::TermShiftWidth-1:0] codebook_shift_i,
  input  wire logic [hws_pkg::GemmOperandKindWidth-1:0] kind_i,
  input  wire logic [                              3:0] bits_i,
  input  wire logic [      hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                    signed_i,
  input  wire logic [Lanes*hws_pkg::ZeroPointWidth-1:0] zero_points_i,
  input  wire logic                                    in_valid_i,
  input  wire logic [     Lanes*hws_pkg::CodeWidth-1:0] in_code_i,
  output      logic                                    out_valid_o,
  output      logic [ Lanes*hws_pkg::MantissaWidth-1:0] out_mantissa_o,
  output      logic [Lanes*hws_pkg::TermShiftWidth-1:0] out_shift_o
);
  localparam int MantissasWidth = Lanes * hws_pkg::MantissaWidth;
  localparam int ShiftsWidth = Lanes * hws_pkg::TermShiftWidth;
  localparam int KindWidth = hws_pkg::GemmOperandKindWidth;
  localparam int Uniform = 0;
  localparam int TwoScale = 1;
  localparam int Log = 2;
  localparam int Codebook = 3;
  localparam int Decoders = 4;

  logic sqrt;
  logic [Decoders-1:0] select, valid, unused_ready;
  logic [MantissasWidth-1:0] mantissa[Decoders];
  logic [ShiftsWidth-1:0] shift[Decoders];

  assign sqrt             = kind_i == KindWidth'(hws_pkg::GemmOperandKindLogSqrt2);
  assign select[Uniform]  = kind_i == KindWidth'(hws_pkg::GemmOperandKindUniform);
  assign select[TwoScale] = kind_i == KindWidth'(hws_pkg::GemmOperandKindTwoScale);
  assign select[Log]      = kind_i == KindWidth'(hws_pkg::GemmOperandKindLog2) || sqrt;
  assign select[Codebook] = kind_i == KindWidth'(hws_pkg::GemmOperandKindCodebook);

  hws_decoder_uniform #(
    .Lanes(Lanes)
  ) u_uniform (
    .clk_i,
    .rst_ni,
    .signed_i,
    .shift_i(exponent_i),
    .zero_points_i,
    .in_valid_i(in_valid_i && select[Uniform]),
    .in_ready_o(unused_ready[Uniform]),
    .in_code_i,
    .out_valid_o(valid[Uniform]),
    .out_ready_i(1'b1),
    .out_mantissa_o(mantissa[Uniform]),
    .out_shift_o(shift[Uniform])
  );

  hws_decoder_two_scale #(
    .Lanes(Lanes)
  ) u_two_scale (
    .clk_i,
    .rst_ni,
    .bits_i,
    .exponent_i,
    .small_signed_i(signed_i),
    .in_valid_i(in_valid_i && select[TwoScale]),
    .in_ready_o(unused_ready[TwoScale]),
    .in_code_i,
    .out_valid_o(valid[TwoScale]),
    .out_ready_i(1'b1),
    .out_mantissa_o(mantissa[TwoScale]),
    .out_shift_o(shift[TwoScale])
  );

  hws_decoder_log #(
    .Lanes(Lanes)
  ) u_log (
    .clk_i,
    .rst_ni,
    .bits_i,
    .exponent_i,
    .sqrt_i(sqrt),
    .in_valid_i(in_valid_i && select[Log]),
    .in_ready_o(unused_ready[Log]),
    .in_code_i,
    .out_valid_o(valid[Log]),
    .out_ready_i(1'b1),
    .out_mantissa_o(mantissa[Log]),
    .out_shift_o(shift[Log])
  );

  hws_decoder_codebook #(
    .Lanes(Lanes)
  ) u_codebook (
    .clk_i,
    .rst_ni,
    .codebook_write_i,
    .codebook_code_i,
    .codebook_mantissa_i,
    .codebook_shift_i,
    .in_valid_i(in_valid_i && select[Codebook]),
    .in_ready_o(unused_ready[Codebook]),
    .in_code_i,
    .out_valid_o(valid[Codebook]),
    .out_ready_i(1'b1),
    .out_mantissa_o(mantissa[Codebook]),
    .out_shift_o(shift[Codebook])
  );

  // At most one of them is valid; the others' outputs may be unknown, which an AND with 0 keeps away.
  assign out_valid_o = |valid;

  always_comb begin
    out_mantissa_o = '0;
    out_shift_o    = '0;
    for (int i = 0; i < Decoders; i++) begin
      out_mantissa_o = out_mantissa_o | (mantissa[i] & {MantissasWidth{valid[i]}});
      out_shift_o    = out_shift_o | (shift[i] & {ShiftsWidth{valid[i]}});
    end
  end
endmodule : hws_row_decoder
`default_nettype wire
