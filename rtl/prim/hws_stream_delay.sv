// SPDX-License-Identifier: Apache-2.0
// Stream that comes out Stages cycles later; all stages stall together.
`default_nettype none
module hws_stream_delay #(
  parameter int Width  = 8,
  parameter int Stages = 2
) (
  input  wire logic             clk_i,
  input  wire logic             rst_ni,
  input  wire logic             in_valid_i,
  output      logic             in_ready_o,
  input  wire logic [Width-1:0] in_data_i,
  output      logic             out_valid_o,
  input  wire logic             out_ready_i,
  output      logic [Width-1:0] out_data_o
);
  logic [Stages-1:0] valid_q;
  logic [Stages*Width-1:0] data_q;  // the youngest word in the low bits

  assign in_ready_o  = !out_valid_o || out_ready_i;
  assign out_valid_o = valid_q[Stages-1];
  assign out_data_o  = data_q[(Stages-1)*Width+:Width];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else if (in_ready_o) valid_q <= Stages'({valid_q, in_valid_i});
  end

  // The data path needs no reset: valid_q guards it.
  always_ff @(posedge clk_i) begin
    if (in_ready_o) data_q <= (Stages * Width)'({data_q, in_data_i});
  end
endmodule : hws_stream_delay
`default_nettype wire
