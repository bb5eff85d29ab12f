// SPDX-License-Identifier: Apache-2.0
// Row decoder of logarithmic codes (log2 of FQ-ViT, log-sqrt2 of RepQ-ViT and ADFQ-ViT), one code a row of the array.
//
//   log2:      steps = q,            mantissa = 1
//   log-sqrt2: steps = ceil(q / 2),  mantissa = 128 if q is even, else 181 = round(128 * sqrt(2))
//   shift = exponent - steps;   mantissa and shift are 0 if q = 2**b - 1, or if steps > exponent
//
// Code q: b bits (2 to 8) at the bottom of 8, unsigned. Bits above b are ignored. exponent: the format's largest shift.
// Latency: 1 cycle (output register). bits_i, exponent_i and sqrt_i hold while a word is inside.
`default_nettype none
module hws_decoder_log #(
  parameter int Lanes = hws_pkg::ArrayRows
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic [                               3:0] bits_i,
  input  wire logic [       hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                     sqrt_i,
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
  localparam int SqrtOne = 128;
  localparam int SqrtHalf = 181;  // 128 * sqrt(2), for the half step

  logic valid_q;
  logic [CodeWidth-1:0] zero_code;

  assign in_ready_o  = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;
  assign zero_code   = {CodeWidth{1'b1}} >> (4'd8 - bits_i);  // all ones, also the mask of the code's bits

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (in_ready_o) valid_q <= in_valid_i;
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [CodeWidth-1:0] code, steps;
    logic odd, zero;
    logic [MantissaWidth-1:0] mantissa, mantissa_q;
    logic [ShiftWidth-1:0] shift_q;

    assign code     = in_code_i[lane*CodeWidth+:CodeWidth] & zero_code;
    assign odd      = code[0];
    assign steps    = sqrt_i ? (code >> 1) + CodeWidth'(odd) : code;
    assign zero     = code == zero_code || steps > CodeWidth'(exponent_i);
    assign mantissa = !sqrt_i ? MantissaWidth'(1) : odd ? MantissaWidth'(SqrtHalf) : MantissaWidth'(SqrtOne);

    // The data path needs no reset: valid_q guards it.
    always_ff @(posedge clk_i) begin
      if (in_valid_i && in_ready_o) begin
        mantissa_q <= zero ? '0 : mantissa;
        shift_q    <= zero ? '0 : exponent_i - ShiftWidth'(steps);
      end
    end

    assign out_mantissa_o[lane*MantissaWidth+:MantissaWidth] = mantissa_q;
    assign out_shift_o[lane*ShiftWidth+:ShiftWidth] = shift_q;
  end
endmodule : hws_decoder_log
`default_nettype wire
