// SPDX-License-Identifier: Apache-2.0
// Control of the PE array: which stage moves, when a sum begins, when the shadow accumulators take it and drain.
//
// Stages: operands _q, product _q2. A stall holds both: the product of a tile's last step waits while the shadows still
// hold the tile before; it may go in the cycle in which their last word leaves.
`default_nettype none
module hws_pe_array_control #(
  parameter int DrainWords = 8
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,
  input  wire logic in_valid_i,
  output      logic in_ready_o,
  input  wire logic in_last_i,
  output      logic load_o,
  output      logic multiply_o,
  output      logic accumulate_o,
  output      logic first_o,
  output      logic capture_o,
  output      logic drain_o,
  output      logic out_valid_o,
  input  wire logic out_ready_i,
  output      logic out_last_o
);
  localparam int CountWidth = $clog2(DrainWords + 1);

  logic advance, shadow_free;
  logic valid_q, last_q, valid_q2, last_q2, first_q2;
  logic [CountWidth-1:0] words_left_q;

  assign out_valid_o  = words_left_q != '0;
  assign out_last_o   = words_left_q == CountWidth'(1);
  assign drain_o      = out_valid_o && out_ready_i;
  assign shadow_free  = !out_valid_o || (out_last_o && out_ready_i);

  assign advance      = !(valid_q2 && last_q2) || shadow_free;
  assign in_ready_o   = advance;
  assign load_o       = in_valid_i && advance;
  assign multiply_o   = valid_q && advance;
  assign accumulate_o = valid_q2 && advance;
  assign capture_o    = accumulate_o && last_q2;
  assign first_o      = first_q2;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q      <= 1'b0;
      last_q       <= 1'b0;
      valid_q2     <= 1'b0;
      last_q2      <= 1'b0;
      first_q2     <= 1'b1;
      words_left_q <= '0;
    end else begin
      if (advance) begin
        valid_q  <= in_valid_i;
        last_q   <= in_last_i;
        valid_q2 <= valid_q;
        last_q2  <= last_q;
      end
      if (accumulate_o) first_q2 <= last_q2;
      if (capture_o) words_left_q <= CountWidth'(DrainWords);
      else if (drain_o) words_left_q <= words_left_q - 1'b1;
    end
  end
endmodule : hws_pe_array_control
`default_nettype wire
