// SPDX-License-Identifier: Apache-2.0
// Scale of hws_layernorm: from a row's sums to the reciprocal of its deviation.
//
//   V = max(1, D * S2 - S1**2 + epsilon),  sd = isqrt(V),  z = bit_length(sd),  R = floor(2**(z + 15) / sd)
//
// The maximum with 1 needs no gates: V is 0 only in a row of equal values, where D * y - S1 is 0 whatever R is.
// V < 2**48, so its terms are computed modulo 2**48. Each row that hws_layernorm admits has a slot, where V waits for the
// square root and S1 beside the serial units; so the input has no ready.
// Stages: _q products of the sums, _q2 variance, then hws_isqrt (25 cycles) and hws_reciprocal (18).
`default_nettype none
module hws_layernorm_scale (
  input  wire logic                                  clk_i,
  input  wire logic                                  rst_ni,
  input  wire logic [hws_pkg::ChannelCountWidth-1:0] channels_i,
  input  wire logic [     hws_pkg::EpsilonWidth-1:0] epsilon_i,
  input  wire logic                                  in_valid_i,
  input  wire logic [         hws_pkg::SumWidth-1:0] in_sum_i,
  input  wire logic [   hws_pkg::SquareSumWidth-1:0] in_square_sum_i,
  output      logic                                  out_valid_o,
  input  wire logic                                  out_ready_i,
  output      logic [         hws_pkg::SumWidth-1:0] out_sum_o,
  output      logic [  hws_pkg::ReciprocalWidth-1:0] out_reciprocal_o,
  output      logic [   hws_pkg::BitLengthWidth-1:0] out_length_o
);
  localparam int RadicandWidth = hws_pkg::RadicandWidth;
  localparam int SumWidth = hws_pkg::SumWidth;

  localparam int RowBits = hws_pkg::LayernormRowBits;
  localparam int Rows = 2 ** RowBits;

  logic valid_q, root_start;
  logic [RowBits:0] waiting_q;  // variances in front of the square root
  logic [RowBits-1:0] in_slot_q, variance_slot_q, root_slot_q, out_slot_q;
  logic root_in_ready, root_valid, root_ready;
  logic signed [RadicandWidth-1:0] sum_extended;
  logic [RadicandWidth-1:0] scaled_squares_q, squared_sum_q, variance, variance_q2[Rows];
  logic [hws_pkg::RootWidth-1:0] root;
  logic [SumWidth-1:0] sum_q[Rows];

  assign sum_extended = RadicandWidth'($signed(in_sum_i));
  assign variance     = scaled_squares_q - squared_sum_q + RadicandWidth'(epsilon_i);
  assign out_sum_o    = sum_q[out_slot_q];
  assign root_start   = waiting_q != '0 && root_in_ready;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q         <= 1'b0;
      waiting_q       <= '0;
      in_slot_q       <= '0;
      variance_slot_q <= '0;
      root_slot_q     <= '0;
      out_slot_q      <= '0;
    end else begin
      valid_q         <= in_valid_i;
      waiting_q       <= waiting_q + (RowBits + 1)'(valid_q) - (RowBits + 1)'(root_start);
      in_slot_q       <= in_slot_q + RowBits'(in_valid_i);
      variance_slot_q <= variance_slot_q + RowBits'(valid_q);
      root_slot_q     <= root_slot_q + RowBits'(root_start);
      out_slot_q      <= out_slot_q + RowBits'(out_valid_o && out_ready_i);
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    if (in_valid_i) begin
      scaled_squares_q <= RadicandWidth'(channels_i) * RadicandWidth'(in_square_sum_i);
      squared_sum_q    <= sum_extended * sum_extended;
      sum_q[in_slot_q] <= in_sum_i;
    end
    if (valid_q) variance_q2[variance_slot_q] <= variance;
  end

  hws_isqrt u_isqrt (
    .clk_i,
    .rst_ni,
    .in_valid_i(waiting_q != '0),
    .in_ready_o(root_in_ready),
    .in_radicand_i(variance_q2[root_slot_q]),
    .out_valid_o(root_valid),
    .out_ready_i(root_ready),
    .out_root_o(root)
  );

  hws_reciprocal u_reciprocal (
    .clk_i,
    .rst_ni,
    .in_valid_i(root_valid),
    .in_ready_o(root_ready),
    .in_divisor_i(root),
    .out_valid_o,
    .out_ready_i,
    .out_quotient_o(out_reciprocal_o),
    .out_length_o
  );
endmodule : hws_layernorm_scale
`default_nettype wire
