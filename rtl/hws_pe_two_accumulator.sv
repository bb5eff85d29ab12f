// SPDX-License-Identifier: Apache-2.0
// Sums of a PE of style PeTwoAccumulator: one for the fine and one for the coarse region, and no shifter.
//
//   sum_o = {coarse, fine}; the product adds to coarse if coarse_i, else to fine; the other sum stays
//
// first_i begins both sums. Sums wrap at AccWidth bits, so fine + (coarse << m) is exact whenever it fits.
`default_nettype none
module hws_pe_two_accumulator (
  input  wire logic                             clk_i,
  input  wire logic                             accumulate_i,
  input  wire logic                             first_i,
  input  wire logic [hws_pkg::ProductWidth-1:0] product_i,
  input  wire logic                             coarse_i,
  output      logic [  2*hws_pkg::AccWidth-1:0] sum_o
);
  localparam int AccWidth = hws_pkg::AccWidth;

  logic [AccWidth-1:0] term, fine, coarse, fine_q, coarse_q, next, old;

  // One adder serves both sums.
  assign term = AccWidth'($signed(product_i));
  assign fine = first_i ? '0 : fine_q;
  assign coarse = first_i ? '0 : coarse_q;
  assign old = coarse_i ? coarse : fine;
  assign next = old + term;
  assign sum_o = coarse_i ? {next, fine} : {coarse, next};

  always_ff @(posedge clk_i) if (accumulate_i) {coarse_q, fine_q} <= sum_o;
endmodule : hws_pe_two_accumulator
`default_nettype wire
