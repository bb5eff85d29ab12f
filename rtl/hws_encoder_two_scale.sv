// SPDX-License-Identifier: Apache-2.0
// Encoder of probabilities to two-scale codes (V-2SF of TSPTQ-ViT, arXiv 2305.12901) or to uniform ones.
//
//   u = round_shift(p, 16 - n - m);  if u < 2**n: flag 0, payload u
//   else: flag 1, payload = min(round_shift(p, 16 - n), 2**n - 1)              n = b - 1
//   uniform: code = min(round_shift(p, 16 - b), 2**b - 1), which is the coarse payload for n = b
//
// p: Q0.16, 0 to 65536. Code: b bits (2 to 8) at the bottom of 8. m: 16 - n - m >= 0. The coarse payload
// is rounded from p, not from u. Latency: 1 cycle (output register).
// bits_i, exponent_i and uniform_i hold while a word is inside.
`default_nettype none
module hws_encoder_two_scale #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                       clk_i,
  input  wire logic                                       rst_ni,
  input  wire logic [                                3:0] bits_i,
  input  wire logic [        hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                       uniform_i,
  input  wire logic                                       in_valid_i,
  output      logic                                       in_ready_o,
  input  wire logic [Lanes*hws_pkg::ProbabilityWidth-1:0] in_probability_i,
  input  wire logic                                       in_last_i,
  output      logic                                       out_valid_o,
  input  wire logic                                       out_ready_i,
  output      logic [       Lanes*hws_pkg::CodeWidth-1:0] out_code_o,
  output      logic                                       out_last_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int ProbabilityWidth = hws_pkg::ProbabilityWidth;
  localparam int InWidth = ProbabilityWidth + 1;  // p as a signed number
  localparam int PayloadWidth = CodeWidth + 1;  // the same of a payload, 2**n included
  localparam int ShiftWidth = $clog2(ProbabilityWidth);  // 0 to 16

  logic valid_q, last_q;
  logic [3:0] payload_bits;
  logic [ShiftWidth-1:0] fine_shift, coarse_shift;
  logic [PayloadWidth-1:0] payload_count;

  assign in_ready_o    = !valid_q || out_ready_i;
  assign out_valid_o   = valid_q;
  assign out_last_o    = last_q;
  assign payload_bits  = uniform_i ? bits_i : bits_i - 4'd1;
  assign payload_count = PayloadWidth'(1) << payload_bits;
  assign coarse_shift  = ShiftWidth'(16) - ShiftWidth'(payload_bits);
  assign fine_shift    = coarse_shift - ShiftWidth'(exponent_i);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= 1'b0;
      last_q  <= 1'b0;
    end else if (in_ready_o) begin
      valid_q <= in_valid_i;
      last_q  <= in_last_i;
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [InWidth-1:0] probability;
    logic [PayloadWidth-1:0] fine, coarse;
    logic [CodeWidth-1:0] code_q;

    assign probability = {1'b0, in_probability_i[lane*ProbabilityWidth+:ProbabilityWidth]};

    // Saturated at 2**n, a fine payload tells that it does not fit.
    hws_round_saturate #(
      .InWidth(InWidth),
      .ShiftWidth(ShiftWidth),
      .OutWidth(PayloadWidth)
    ) u_round_fine (
      .x_i(probability),
      .shift_i(fine_shift),
      .offset_i(PayloadWidth'(0)),
      .lo_i(PayloadWidth'(0)),
      .hi_i(payload_count),
      .y_o(fine)
    );

    hws_round_saturate #(
      .InWidth(InWidth),
      .ShiftWidth(ShiftWidth),
      .OutWidth(PayloadWidth)
    ) u_round_coarse (
      .x_i(probability),
      .shift_i(coarse_shift),
      .offset_i(PayloadWidth'(0)),
      .lo_i(PayloadWidth'(0)),
      .hi_i(payload_count - 1'b1),
      .y_o(coarse)
    );

    // The data path needs no reset: valid_q guards it.
    always_ff @(posedge clk_i) begin
      if (in_valid_i && in_ready_o) begin
        if (uniform_i) code_q <= CodeWidth'(coarse);
        else if (fine != payload_count) code_q <= CodeWidth'(fine);
        else code_q <= CodeWidth'(payload_count | coarse);
      end
    end

    assign out_code_o[lane*CodeWidth+:CodeWidth] = code_q;
  end
endmodule : hws_encoder_two_scale
`default_nettype wire
