// SPDX-License-Identifier: Apache-2.0
// Reciprocal of a positive integer with its bit length, by restoring division, one bit of the quotient a cycle.
//
//   z = bit_length(x),  R = floor(2**(z + QuotientWidth - 2) / x),  2**(QuotientWidth-2) <= R <= 2**(QuotientWidth-1)
//
// x: Width bits unsigned, at least 1. R: QuotientWidth bits unsigned. z: 1 to Width.
// The divisor is x shifted to the top of Width bits, so that the quotient does not depend on z: the first remainder
// is 2**(Width-1), half of the divisor's range, and each step doubles it.
// Latency: QuotientWidth + 1 cycles whatever x; the next x is accepted as R is delivered.
`default_nettype none
module hws_reciprocal #(
  parameter int Width = hws_pkg::RootWidth,
  parameter int QuotientWidth = hws_pkg::ReciprocalWidth,
  localparam int LengthWidth = $clog2(Width + 1)
) (
  input  wire logic                     clk_i,
  input  wire logic                     rst_ni,
  input  wire logic                     in_valid_i,
  output      logic                     in_ready_o,
  input  wire logic [        Width-1:0] in_divisor_i,
  output      logic                     out_valid_o,
  input  wire logic                     out_ready_i,
  output      logic [QuotientWidth-1:0] out_quotient_o,
  output      logic [  LengthWidth-1:0] out_length_o
);

  logic start, step, fits;
  logic [LengthWidth-1:0] length, length_q;
  logic [Width-1:0] divisor_q, rest;
  logic [Width:0] remainder_q;  // below twice the divisor
  logic [QuotientWidth-1:0] quotient_q;

  assign out_quotient_o = quotient_q;
  assign out_length_o   = length_q;

  always_comb begin
    length = '0;
    for (int i = 0; i < Width; i++) if (in_divisor_i[i]) length = LengthWidth'(i + 1);
  end

  assign fits = remainder_q >= {1'b0, divisor_q};
  assign rest = fits ? Width'(remainder_q - {1'b0, divisor_q}) : Width'(remainder_q);

  hws_serial_control #(
    .Steps(QuotientWidth)
  ) u_control (
    .clk_i,
    .rst_ni,
    .in_valid_i,
    .in_ready_o,
    .start_o(start),
    .step_o (step),
    .out_valid_o,
    .out_ready_i
  );

  // The data path needs no reset: the control guards it.
  always_ff @(posedge clk_i) begin
    if (start) begin
      length_q    <= length;
      divisor_q   <= in_divisor_i << (LengthWidth'(Width) - length);
      remainder_q <= {2'b01, {(Width - 1) {1'b0}}};
    end else if (step) begin
      quotient_q  <= {quotient_q[QuotientWidth-2:0], fits};
      remainder_q <= {rest, 1'b0};
    end
  end
endmodule : hws_reciprocal
`default_nettype wire
