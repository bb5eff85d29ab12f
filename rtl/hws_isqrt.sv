// SPDX-License-Identifier: Apache-2.0
// Integer square root, restoring, one bit of the root a cycle.
//
//   root = floor(sqrt(radicand)),  root**2 <= radicand < (root + 1)**2
//
// Radicand: Width bits unsigned, Width even. Root: Width/2 bits unsigned.
// Each step appends two bits of the radicand to the remainder and subtracts 4 * root + 1 where that fits.
// Latency: Width/2 + 1 cycles whatever the radicand; the next one is accepted as the root is delivered.
`default_nettype none
module hws_isqrt #(
  parameter int Width = hws_pkg::RadicandWidth
) (
  input  wire logic               clk_i,
  input  wire logic               rst_ni,
  input  wire logic               in_valid_i,
  output      logic               in_ready_o,
  input  wire logic [  Width-1:0] in_radicand_i,
  output      logic               out_valid_o,
  input  wire logic               out_ready_i,
  output      logic [Width/2-1:0] out_root_o
);
  localparam int RootWidth = Width / 2;
  localparam int TrialWidth = RootWidth + 2;  // 4 * root + 1

  logic start, step, fits;
  logic [Width-1:0] radicand_q;
  logic [RootWidth-1:0] root_q;
  logic [RootWidth-1:0] remainder_q;
  logic [TrialWidth-1:0] appended, trial;

  assign out_root_o = root_q;

  // A remainder is at most 2 * root and so fits RootWidth bits before the last step; after it nobody reads it.
  assign appended   = {remainder_q, radicand_q[Width-1-:2]};
  assign trial      = {root_q, 2'b01};
  assign fits       = appended >= trial;

  hws_serial_control #(
    .Steps(RootWidth)
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
      radicand_q  <= in_radicand_i;
      root_q      <= '0;
      remainder_q <= '0;
    end else if (step) begin
      radicand_q  <= {radicand_q[Width-3:0], 2'b00};
      root_q      <= {root_q[RootWidth-2:0], fits};
      remainder_q <= RootWidth'(fits ? appended - trial : appended);
    end
  end
endmodule : hws_isqrt
`default_nettype wire
