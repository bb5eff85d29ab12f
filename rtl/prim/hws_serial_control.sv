// SPDX-License-Identifier: Apache-2.0
// Control of a unit that works on one word for a fixed number of steps: accept, Steps steps, deliver.
//
// start_o: the word is accepted at the end of this cycle. step_o: one step is done at the end of this cycle.
// Latency: Steps + 1 cycles; the next word is accepted in the cycle in which the result is delivered.
`default_nettype none
module hws_serial_control #(
  parameter int Steps = 8
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,
  input  wire logic in_valid_i,
  output      logic in_ready_o,
  output      logic start_o,
  output      logic step_o,
  output      logic out_valid_o,
  input  wire logic out_ready_i
);
  localparam int CountWidth = $clog2(Steps + 1);

  logic busy_q, done_q;
  logic [CountWidth-1:0] steps_left_q;

  assign in_ready_o  = !busy_q && (!done_q || out_ready_i);
  assign out_valid_o = done_q;
  assign start_o     = in_valid_i && in_ready_o;
  assign step_o      = busy_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q       <= 1'b0;
      done_q       <= 1'b0;
      steps_left_q <= '0;
    end else begin
      if (out_ready_i) done_q <= 1'b0;
      if (start_o) begin
        busy_q       <= 1'b1;
        steps_left_q <= CountWidth'(Steps);
      end else if (busy_q) begin
        steps_left_q <= steps_left_q - 1'b1;
        if (steps_left_q == CountWidth'(1)) begin
          busy_q <= 1'b0;
          done_q <= 1'b1;
        end
      end
    end
  end
endmodule : hws_serial_control
`default_nettype wire
