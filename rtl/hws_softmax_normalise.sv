// SPDX-License-Identifier: Apache-2.0
// Normaliser of hws_softmax: reads a row of exponents and delivers its probabilities, Lanes a cycle.
//
//   p_j = round_shift(e_j * R, z - 1)
//
// e, R, p: 17 bits unsigned; p is Q0.16, 0 to 65536, without saturation: e <= S and S * R <= 2**(z + 15).
// A row's R and z are taken at in_valid && in_ready, also in the cycle of the row before's last read; they follow the
// beats down the pipe. Stages: the read, then _q exponent, _q2 product, _q3 probability. All of them stall together.
`default_nettype none
module hws_softmax_normalise #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                       clk_i,
  input  wire logic                                       rst_ni,
  input  wire logic                                       in_valid_i,
  output      logic                                       in_ready_o,
  input  wire logic [       hws_pkg::ReciprocalWidth-1:0] in_reciprocal_i,
  input  wire logic [hws_pkg::ExponentialLengthWidth-1:0] in_length_i,
  output      logic                                       read_o,
  input  wire logic                                       read_last_i,
  input  wire logic [Lanes*hws_pkg::ExponentialWidth-1:0] read_data_i,
  output      logic                                       out_valid_o,
  input  wire logic                                       out_ready_i,
  output      logic [Lanes*hws_pkg::ProbabilityWidth-1:0] out_probability_o,
  output      logic                                       out_last_o
);
  localparam int ExponentialWidth = hws_pkg::ExponentialWidth;
  localparam int ReciprocalWidth = hws_pkg::ReciprocalWidth;
  localparam int LengthWidth = hws_pkg::ExponentialLengthWidth;
  localparam int ProductWidth = hws_pkg::ProbabilityProductWidth;
  localparam int ProbabilityWidth = hws_pkg::ProbabilityWidth;

  logic active_q, advance, start;
  logic valid_q, valid_q2, valid_q3, last_q, last_q2, last_q3;
  logic [ReciprocalWidth-1:0] row_reciprocal_q, reciprocal_q;
  logic [LengthWidth-1:0] row_shift_q, shift_q, shift_q2;

  assign advance     = !valid_q3 || out_ready_i;
  assign read_o      = active_q && advance;
  assign in_ready_o  = !active_q || (read_o && read_last_i);
  assign start       = in_valid_i && in_ready_o;
  assign out_valid_o = valid_q3;
  assign out_last_o  = last_q3;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q                      <= 1'b0;
      {valid_q, valid_q2, valid_q3} <= '0;
      {last_q, last_q2, last_q3}    <= '0;
    end else begin
      active_q <= start || (active_q && !(read_o && read_last_i));
      if (advance) begin
        {valid_q, valid_q2, valid_q3} <= {active_q, valid_q, valid_q2};
        {last_q, last_q2, last_q3}    <= {read_last_i, last_q, last_q2};
      end
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    if (start) begin
      row_reciprocal_q <= in_reciprocal_i;
      row_shift_q      <= in_length_i - 1'b1;
    end
    if (advance) begin
      reciprocal_q        <= row_reciprocal_q;
      {shift_q, shift_q2} <= {row_shift_q, shift_q};
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [ProductWidth-1:0] product_q2;
    logic [ProbabilityWidth-1:0] probability, probability_q3;
    logic unused_sign;

    always_ff @(posedge clk_i) begin
      if (advance) begin
        product_q2 <= ProductWidth'(read_data_i[lane*ExponentialWidth+:ExponentialWidth]) * ProductWidth'(reciprocal_q);
        probability_q3 <= probability;
      end
    end

    hws_round_saturate #(
      .InWidth(ProductWidth),
      .ShiftWidth(LengthWidth),
      .OutWidth(ProbabilityWidth + 1)
    ) u_round (
      .x_i(product_q2),
      .shift_i(shift_q2),
      .offset_i((ProbabilityWidth + 1)'(0)),
      .lo_i((ProbabilityWidth + 1)'(0)),
      .hi_i({1'b0, {ProbabilityWidth{1'b1}}}),
      .y_o({unused_sign, probability})
    );

    assign out_probability_o[lane*ProbabilityWidth+:ProbabilityWidth] = probability_q3;
  end
endmodule : hws_softmax_normalise
`default_nettype wire
