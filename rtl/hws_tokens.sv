// SPDX-License-Identifier: Apache-2.0
// Token counters between the queues: Count x Count counters of 8 bits.
//
// post_i[p*Count + q]: an instruction of queue p gives queue q a token at the end of this cycle.
// take_i[q*Count + p]: a start of queue q takes one that came from p; only where available_o[q*Count + p] is high.
// overflow_o: a counter at its largest gets one more at the end of this cycle, and begins at 0 again.
`default_nettype none
module hws_tokens #(
  localparam int Count = hws_pkg::QueueCount
) (
  input  wire logic                   clk_i,
  input  wire logic                   rst_ni,
  input  wire logic [Count*Count-1:0] post_i,
  input  wire logic [Count*Count-1:0] take_i,
  output      logic [Count*Count-1:0] available_o,
  output      logic                   overflow_o
);
  localparam int TokenWidth = 8;

  logic [Count*Count-1:0] overflow;

  assign overflow_o = |overflow;

  for (genvar from = 0; from < Count; from ++) begin : gen_from
    for (genvar to = 0; to < Count; to++) begin : gen_to
      logic post, take;
      logic [TokenWidth-1:0] tokens_q;

      assign post = post_i[from*Count+to];
      assign take = take_i[to*Count+from];
      assign available_o[to*Count+from] = tokens_q != '0;
      assign overflow[from*Count+to] = post && !take && (&tokens_q);

      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) tokens_q <= '0;
        else if (post != take) tokens_q <= post ? tokens_q + 1'b1 : tokens_q - 1'b1;
      end
    end
  end
endmodule : hws_tokens
`default_nettype wire
