// SPDX-License-Identifier: Apache-2.0
// Encoder of probabilities to logarithmic codes (log2 of FQ-ViT, log-sqrt2 of RepQ-ViT and ADFQ-ViT).
//
//   k = position of the leading one of p,  f = p << (16 - k)                 2**16 <= f < 2**17
//   log2:      q = 16 - k - [f >= 92682]                                     = round(-log2(p / 2**16))
//   log-sqrt2: q = 32 - 2 k - [f >= 77936] - [f >= 110218]                   = round(-2 log2(p / 2**16))
//   code = q, or 2**b - 1 (zero) if p = 0, q >= 2**b - 1, or q needs a shift above exponent
//
// The constants are 2**16.5, 2**16.25 and 2**16.75, rounded up: exact, and without ties. q needs the shift q (log2) or
// ceil(q / 2) (log-sqrt2), as in hws_decoder_log. p: Q0.16, 0 to 65536. Code: b bits (2 to 8) at the bottom of 8.
// Latency: 1 cycle (output register). bits_i, exponent_i and sqrt_i hold while a word is inside.
`default_nettype none
module hws_encoder_log #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                       clk_i,
  input  wire logic                                       rst_ni,
  input  wire logic [                                3:0] bits_i,
  input  wire logic [        hws_pkg::TermShiftWidth-1:0] exponent_i,
  input  wire logic                                       sqrt_i,
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
  localparam int StepsWidth = $clog2(ProbabilityWidth);  // 16 - k, 0 to 16
  localparam int ExactWidth = StepsWidth + 1;  // q, 0 to 32
  localparam logic [ProbabilityWidth-1:0] HalfPower = ProbabilityWidth'(92682);  // 2**16.5
  localparam logic [ProbabilityWidth-1:0] QuarterPower = ProbabilityWidth'(77936);  // 2**16.25
  localparam logic [ProbabilityWidth-1:0] ThreeQuarterPower = ProbabilityWidth'(110218);  // 2**16.75

  logic valid_q, last_q;
  logic [CodeWidth-1:0] zero_code;

  assign in_ready_o  = !valid_q || out_ready_i;
  assign out_valid_o = valid_q;
  assign out_last_o  = last_q;
  assign zero_code   = {CodeWidth{1'b1}} >> (4'd8 - bits_i);

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
    logic [ProbabilityWidth-1:0] probability, normal;
    logic [StepsWidth-1:0] leading_zeros;  // 16 - k
    logic [ExactWidth-1:0] exact, shift_needed;
    logic zero;
    logic [CodeWidth-1:0] code_q;

    assign probability = in_probability_i[lane*ProbabilityWidth+:ProbabilityWidth];

    always_comb begin
      leading_zeros = '0;
      for (int i = 0; i < ProbabilityWidth; i++) begin
        if (probability[i]) leading_zeros = StepsWidth'(ProbabilityWidth - 1 - i);
      end
    end

    assign normal = probability << leading_zeros;
    assign exact  = sqrt_i ?
        {leading_zeros, 1'b0} - ExactWidth'(normal >= QuarterPower) - ExactWidth'(normal >= ThreeQuarterPower) :
        ExactWidth'(leading_zeros) - ExactWidth'(normal >= HalfPower);
    assign shift_needed = sqrt_i ? (exact >> 1) + ExactWidth'(exact[0]) : exact;
    assign zero = probability == '0 || CodeWidth'(exact) >= zero_code || shift_needed > ExactWidth'(exponent_i);

    // The data path needs no reset: valid_q guards it.
    always_ff @(posedge clk_i) begin
      if (in_valid_i && in_ready_o) code_q <= zero ? zero_code : CodeWidth'(exact);
    end

    assign out_code_o[lane*CodeWidth+:CodeWidth] = code_q;
  end
endmodule : hws_encoder_log
`default_nettype wire
