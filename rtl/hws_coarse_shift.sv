// SPDX-License-Identifier: Apache-2.0
// Coarse shift m of the tile that drains, for PEs of style PeTwoAccumulator.
//
// All nonzero shifts of a tile equal m, so the OR over the rows of a step is 0 or m; the tile's last nonzero one is m.
// In a tile without any, the coarse sums are 0 and m does not matter. Stages as in hws_pe_array: step _q2, tile _q3.
`default_nettype none
module hws_coarse_shift (
  input  wire logic                               clk_i,
  input  wire logic                               rst_ni,
  input  wire logic                               multiply_i,
  input  wire logic                               capture_i,
  input  wire logic [hws_pkg::TermShiftWidth-1:0] any_shift_i,
  output      logic [hws_pkg::TermShiftWidth-1:0] coarse_shift_o
);
  logic [hws_pkg::TermShiftWidth-1:0] step_q2, tile, tile_q3, drain_q3;

  assign tile           = (step_q2 != '0) ? step_q2 : tile_q3;
  assign coarse_shift_o = drain_q3;

  // Reset, because a tile without a nonzero shift must not shift its zeros by an unknown.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      step_q2  <= '0;
      tile_q3  <= '0;
      drain_q3 <= '0;
    end else begin
      if (multiply_i) step_q2 <= any_shift_i;
      tile_q3 <= tile;
      if (capture_i) drain_q3 <= tile;
    end
  end
endmodule : hws_coarse_shift
`default_nettype wire
