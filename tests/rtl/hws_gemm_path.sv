// SPDX-License-Identifier: Apache-2.0
// The path of a GEMM for its bench: row decoder, array, requantiser, with the parameters of one tile's columns.
//
//   y[t][n] = clamp(round_shift((sum_k term(code[t][k]) * weight[n][k] + bias[n]) * M[n], s[n]) + z, lo, hi)
//
// Every tile has the same columns here; the accelerator's controller will fetch the parameters of each.
`default_nettype none
module hws_gemm_path (
  input  wire logic                                                           clk_i,
  input  wire logic                                                           rst_ni,
  input  wire logic [                                                     3:0] bits_i,
  input  wire logic [                             hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                                            small_signed_i,
  input  wire logic [            hws_pkg::ArrayColumns*hws_pkg::AccWidth-1:0] bias_i,
  input  wire logic [     hws_pkg::ArrayColumns*hws_pkg::MultiplierWidth-1:0] multiplier_i,
  input  wire logic [hws_pkg::ArrayColumns*hws_pkg::MultiplierShiftWidth-1:0] shift_i,
  input  wire logic [                                   hws_pkg::OutWidth-1:0] zero_point_i,
  input  wire logic [                                   hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [                                   hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic                                                            in_valid_i,
  output      logic                                                            in_ready_o,
  input  wire logic [              hws_pkg::ArrayRows*hws_pkg::CodeWidth-1:0] in_code_i,
  input  wire logic [         hws_pkg::ArrayColumns*hws_pkg::WeightWidth-1:0] in_weight_i,
  input  wire logic                                                            in_last_i,
  output      logic                                                            out_valid_o,
  input  wire logic                                                            out_ready_i,
  output      logic [              hws_pkg::DrainLanes*hws_pkg::OutWidth-1:0] out_data_o,
  output      logic                                                            out_last_o
);
  localparam int Groups = hws_pkg::ArrayColumns / hws_pkg::DrainLanes;
  localparam int GroupWidth = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int BiasWidth = hws_pkg::DrainLanes * hws_pkg::AccWidth;
  localparam int MultipliersWidth = hws_pkg::DrainLanes * hws_pkg::MultiplierWidth;
  localparam int ShiftsWidth = hws_pkg::DrainLanes * hws_pkg::MultiplierShiftWidth;

  logic step_valid, step_ready, last_q;
  logic [ hws_pkg::ArrayRows*hws_pkg::MantissaWidth-1:0] mantissa;
  logic [hws_pkg::ArrayRows*hws_pkg::TermShiftWidth-1:0] term_shift;
  logic [hws_pkg::ArrayColumns*hws_pkg::WeightWidth-1:0] weight_q;
  logic acc_valid, acc_ready, acc_last;
  logic [hws_pkg::DrainLanes*hws_pkg::AccWidth-1:0] acc;
  logic [GroupWidth-1:0] group_q;

  hws_decoder_two_scale u_decoder (
    .clk_i,
    .rst_ni,
    .bits_i,
    .exponent_i,
    .small_signed_i,
    .in_valid_i,
    .in_ready_o,
    .in_code_i,
    .out_valid_o(step_valid),
    .out_ready_i(step_ready),
    .out_mantissa_o(mantissa),
    .out_shift_o(term_shift)
  );

  // Weights wait beside the decoder.
  always_ff @(posedge clk_i) if (in_valid_i && in_ready_o) {last_q, weight_q} <= {in_last_i, in_weight_i};

  hws_pe_array u_array (
    .clk_i,
    .rst_ni,
    .in_valid_i(step_valid),
    .in_ready_o(step_ready),
    .in_mantissa_i(mantissa),
    .in_shift_i(term_shift),
    .in_weight_i(weight_q),
    .in_last_i(last_q),
    .out_valid_o(acc_valid),
    .out_ready_i(acc_ready),
    .out_data_o(acc),
    .out_last_o(acc_last)
  );

  // Words are row-major, so the groups of columns come round and round.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) group_q <= '0;
    else if (acc_valid && acc_ready) group_q <= (group_q == GroupWidth'(Groups - 1)) ? '0 : group_q + 1'b1;
  end

  hws_requantizer u_requantizer (
    .clk_i,
    .rst_ni,
    .row_scales_i(1'b0),
    .zero_point_i,
    .lo_i,
    .hi_i,
    .in_valid_i(acc_valid),
    .in_ready_o(acc_ready),
    .in_acc_i(acc),
    .in_row_multiplier_i(hws_pkg::RowMultiplierWidth'(0)),
    .in_bias_i(bias_i[group_q*BiasWidth+:BiasWidth]),
    .in_multiplier_i(multiplier_i[group_q*MultipliersWidth+:MultipliersWidth]),
    .in_shift_i(shift_i[group_q*ShiftsWidth+:ShiftsWidth]),
    .in_last_i(acc_last),
    .out_valid_o,
    .out_ready_i,
    .out_data_o,
    .out_last_o
  );
endmodule : hws_gemm_path
`default_nettype wire
