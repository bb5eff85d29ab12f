// SPDX-License-Identifier: Apache-2.0
// Row decoder of uniform codes, one code a row of the array.
//
//   mantissa = code - zero_point,  shift = e, the same for every code
//
// Code: int8 or uint8 (fewer bits arrive extended to 8, as they are stored). Zero points: 9 bits signed, one a lane.
// Mantissa: 9 bits signed. signed_i, shift_i and the zero points belong to the codes of the same cycle.
// Latency: 1 cycle (output register).
`default_nettype none
module hws_decoder_uniform #(
  parameter int Lanes = hws_pkg::ArrayRows
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic                                     signed_i,
  input  wire logic [       hws_pkg::TermShiftWidth-1:0] shift_i,
  input  wire logic [ Lanes*hws_pkg::ZeroPointWidth-1:0] zero_points_i,
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

  localparam int ZeroPointWidth = hws_pkg::ZeroPointWidth;

  logic valid_q;
  logic [hws_pkg::TermShiftWidth-1:0] shift_q;

  assign in_ready_o  = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;
  assign out_shift_o = {Lanes{shift_q}};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (in_ready_o) valid_q <= in_valid_i;
  end

  // The data path needs no reset: valid_q guards it.
  always_ff @(posedge clk_i) if (in_valid_i && in_ready_o) shift_q <= shift_i;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [CodeWidth-1:0] code;
    logic [CodeWidth:0] extended;
    logic [ZeroPointWidth-1:0] zero_point;
    logic [MantissaWidth-1:0] mantissa_q;

    assign code       = in_code_i[lane*CodeWidth+:CodeWidth];
    assign extended   = {signed_i & code[CodeWidth-1], code};
    assign zero_point = zero_points_i[lane*ZeroPointWidth+:ZeroPointWidth];

    always_ff @(posedge clk_i) begin
      if (in_valid_i && in_ready_o) begin
        mantissa_q <= MantissaWidth'($signed(extended)) - MantissaWidth'($signed(zero_point));
      end
    end

    assign out_mantissa_o[lane*MantissaWidth+:MantissaWidth] = mantissa_q;
  end
endmodule : hws_decoder_uniform
`default_nettype wire
