// SPDX-License-Identifier: Apache-2.0
// Processing element: one accumulator of an output-stationary array, and its shadow that drains.
//
//   acc = sum over the steps of a tile of (mantissa * weight) << shift
//
// mantissa: 9 bits signed, weight: int8, shift: 0 to 15, acc: int32, exact.
// Two stages: product_q, then acc_q. multiply_i loads the product; accumulate_i adds it (first_i: begins a new sum);
// with capture_i the shadow takes the new sum in the same cycle; drain_i shifts the shadow's neighbour in.
// Style PeShift shifts each product before the sum. Style PeTwoAccumulator keeps two sums, {coarse, fine}, selected by
// shift != 0; whoever reads the shadow computes fine + (coarse << m), see hws_pe_array.
`default_nettype none
module hws_pe #(
  parameter int Style = hws_pkg::PeStyle,
  localparam int SumWidth = (Style == hws_pkg::PeShift) ? hws_pkg::AccWidth : 2 * hws_pkg::AccWidth
) (
  input  wire logic                               clk_i,
  input  wire logic                               multiply_i,
  input  wire logic                               accumulate_i,
  input  wire logic                               first_i,
  input  wire logic                               capture_i,
  input  wire logic                               drain_i,
  input  wire logic [ hws_pkg::MantissaWidth-1:0] mantissa_i,
  input  wire logic [hws_pkg::TermShiftWidth-1:0] shift_i,
  input  wire logic [   hws_pkg::WeightWidth-1:0] weight_i,
  input  wire logic [               SumWidth-1:0] shadow_i,
  output      logic [               SumWidth-1:0] shadow_o
);
  localparam int ProductWidth = hws_pkg::ProductWidth;

  logic signed [ProductWidth-1:0] product_q;
  logic [hws_pkg::TermShiftWidth-1:0] shift_q;
  logic [SumWidth-1:0] sum, shadow_q;

  // No register here needs a reset: first_i begins each sum, and the array's control guards the rest.
  always_ff @(posedge clk_i) begin
    if (multiply_i) begin
      product_q <= ProductWidth'($signed(mantissa_i)) * ProductWidth'($signed(weight_i));
      shift_q   <= shift_i;
    end
    if (capture_i) shadow_q <= sum;
    else if (drain_i) shadow_q <= shadow_i;
  end

  assign shadow_o = shadow_q;

  if (Style == hws_pkg::PeShift) begin : gen_shift
    hws_pe_shift u_sum (
      .clk_i,
      .accumulate_i,
      .first_i,
      .product_i(product_q),
      .shift_i(shift_q),
      .sum_o(sum)
    );
  end else begin : gen_two_accumulator
    hws_pe_two_accumulator u_sum (
      .clk_i,
      .accumulate_i,
      .first_i,
      .product_i(product_q),
      .coarse_i(|shift_q),
      .sum_o(sum)
    );
  end
endmodule : hws_pe
`default_nettype wire
