// SPDX-License-Identifier: Apache-2.0
// Row decoder of two-scale codes (V-2SF of TSPTQ-ViT, arXiv 2305.12901), one code a row of the array.
//
//   flag 0:  mantissa = payload, two's complement if small_signed, else unsigned;  shift = 0
//   flag 1:  mantissa = payload, unsigned;                                         shift = exponent
//
// Code: b bits (2 to 8) at the bottom of 8, the top one is the flag, the payload is the rest. Bits above b are ignored.
// Latency: 1 cycle (output register). bits_i, exponent_i and small_signed_i hold while a word is inside.
`default_nettype none
module hws_decoder_two_scale #(
  parameter int Lanes = hws_pkg::ArrayRows
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic [                               3:0] bits_i,
  input  wire logic [       hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                     small_signed_i,
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
  logic [CodeWidth-1:0] flag_mask, sign_mask, payload_mask;

  assign in_ready_o   = !valid_q || out_ready_i;
  assign out_valid_o  = valid_q;

  // One mask for all rows costs less than a multiplexer of the flag's position in each.
  assign flag_mask    = CodeWidth'({1'b1, CodeWidth'(0)} >> (4'd9 - bits_i));
  assign sign_mask    = small_signed_i ? flag_mask >> 1 : '0;
  assign payload_mask = flag_mask - 1'b1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (in_ready_o) valid_q <= in_valid_i;
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [CodeWidth-1:0] code, mantissa;
    logic flag, negative;
    logic [MantissaWidth-1:0] mantissa_q;
    logic [ShiftWidth-1:0] shift_q;

    assign code     = in_code_i[lane*CodeWidth+:CodeWidth];
    assign flag     = |(code & flag_mask);
    assign negative = |(code & sign_mask) && !flag;
    assign mantissa = negative ? code | ~payload_mask : code & payload_mask;

    // The data path needs no reset: valid_q guards it.
    always_ff @(posedge clk_i) begin
      if (in_valid_i && in_ready_o) begin
        mantissa_q <= MantissaWidth'($signed(mantissa));
        shift_q    <= flag ? exponent_i : '0;
      end
    end

    assign out_mantissa_o[lane*MantissaWidth+:MantissaWidth] = mantissa_q;
    assign out_shift_o[lane*ShiftWidth+:ShiftWidth] = shift_q;
  end
endmodule : hws_decoder_two_scale
`default_nettype wire
