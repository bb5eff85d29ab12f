// SPDX-License-Identifier: Apache-2.0
// Stream of the words that a read port with a latency of 2 cycles delivers; nothing is lost while the sink waits.
//
// request_i (only while space_o is high) tells that the port is read in this cycle; read_data_i is the word in the second
// cycle after it, in which it passes straight to the output where no other word waits. Places: 3, each reserved by its
// request and free again in the cycle after its word has left; so a sink that is always ready takes a word a cycle.
`default_nettype none
module hws_read_queue #(
  parameter int Width = 8
) (
  input  wire logic             clk_i,
  input  wire logic             rst_ni,
  output      logic             space_o,
  input  wire logic             request_i,
  input  wire logic [Width-1:0] read_data_i,
  output      logic             out_valid_o,
  input  wire logic             out_ready_i,
  output      logic [Width-1:0] out_data_o
);
  localparam int Places = 3;
  localparam int CountWidth = 2;

  logic take, arrives_q2, requested_q;
  logic [CountWidth-1:0] reserved_q, waiting_q;
  logic [Places*Width-1:0] word_q, moved;  // the word that has waited longest in the low bits

  assign space_o     = reserved_q != CountWidth'(Places);
  assign out_valid_o = arrives_q2 || waiting_q != '0;
  assign out_data_o  = (waiting_q == '0) ? read_data_i : word_q[Width-1:0];
  assign take        = out_valid_o && out_ready_i;
  assign moved       = take ? word_q >> Width : word_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      requested_q <= 1'b0;
      arrives_q2  <= 1'b0;
      reserved_q  <= '0;
      waiting_q   <= '0;
    end else begin
      requested_q <= request_i;
      arrives_q2  <= requested_q;
      reserved_q  <= reserved_q + CountWidth'(request_i) - CountWidth'(take);
      waiting_q   <= waiting_q + CountWidth'(arrives_q2) - CountWidth'(take);
    end
  end

  // The words need no reset: waiting_q guards them.
  for (genvar place = 0; place < Places; place++) begin : gen_places
    logic write;
    assign write = arrives_q2 && waiting_q - CountWidth'(take) == CountWidth'(place);

    always_ff @(posedge clk_i) begin
      word_q[place*Width+:Width] <= write ? read_data_i : moved[place*Width+:Width];
    end
  end
endmodule : hws_read_queue
`default_nettype wire
