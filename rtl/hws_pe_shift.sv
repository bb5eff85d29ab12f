// SPDX-License-Identifier: Apache-2.0
// Sum of a PE of style PeShift: each product is shifted before the sum, so any shift of any step is possible.
//
//   sum_o = (first ? 0 : acc) + (product << shift),  acc <= sum_o when accumulate
//
// Sums wrap at AccWidth bits; the compiler proves that the result fits.
`default_nettype none
module hws_pe_shift (
  input  wire logic                               clk_i,
  input  wire logic                               accumulate_i,
  input  wire logic                               first_i,
  input  wire logic [  hws_pkg::ProductWidth-1:0] product_i,
  input  wire logic [hws_pkg::TermShiftWidth-1:0] shift_i,
  output      logic [      hws_pkg::AccWidth-1:0] sum_o
);
  localparam int AccWidth = hws_pkg::AccWidth;

  logic [AccWidth-1:0] term, acc_q;

  assign term  = AccWidth'($signed(product_i)) << shift_i;
  assign sum_o = first_i ? term : acc_q + term;

  always_ff @(posedge clk_i) if (accumulate_i) acc_q <= sum_o;
endmodule : hws_pe_shift
`default_nettype wire
