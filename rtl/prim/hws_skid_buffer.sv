// SPDX-License-Identifier: Apache-2.0
// Register slice of a valid/ready stream: a word a cycle, no combinational path between its two sides.
//
// in_ready_o is a register: it falls one cycle after the sink stalls, and the word that arrives in between waits in the
// skid register. Latency: 1 cycle (output register).
`default_nettype none
module hws_skid_buffer #(
  parameter int Width = 8
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
  logic valid_q, skid_valid_q, load;
  logic [Width-1:0] data_q, skid_data_q;

  assign in_ready_o  = !skid_valid_q;
  assign out_valid_o = valid_q;
  assign out_data_o  = data_q;
  assign load        = !valid_q || out_ready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q      <= 1'b0;
      skid_valid_q <= 1'b0;
    end else begin
      if (load) valid_q <= in_valid_i || skid_valid_q;
      skid_valid_q <= !load && (in_valid_i || skid_valid_q);
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    if (in_valid_i && in_ready_o) skid_data_q <= in_data_i;
    if (load && (in_valid_i || skid_valid_q)) data_q <= skid_valid_q ? skid_data_q : in_data_i;
  end
endmodule : hws_skid_buffer
`default_nettype wire
