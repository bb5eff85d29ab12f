// SPDX-License-Identifier: Apache-2.0
// Synchronous FIFO of any depth from 2: a ring of registers, valid/ready on both sides.
//
// The first word falls through: a word pushed to an empty FIFO is at the output one cycle after its push and stays
// until it is taken. in_ready_o does not depend on out_ready_i: a full FIFO takes no word in the cycle in which one leaves.
`default_nettype none
module hws_fifo #(
  parameter int Width = 8,
  parameter int Depth = 4
) (
  input  wire logic                  clk_i,
  input  wire logic                  rst_ni,
  input  wire logic                  in_valid_i,
  output      logic                  in_ready_o,
  input  wire logic [     Width-1:0] in_data_i,
  output      logic                  out_valid_o,
  input  wire logic                  out_ready_i,
  output      logic [     Width-1:0] out_data_o
);
  localparam int CountWidth = $clog2(Depth + 1);
  localparam int IndexWidth = $clog2(Depth);
  localparam logic [IndexWidth-1:0] LAST = IndexWidth'(Depth - 1);

  logic push, pop;
  logic [IndexWidth-1:0] write_index_q, read_index_q;
  logic [CountWidth-1:0] count_q;
  logic [Width-1:0] words_q[Depth];

  assign in_ready_o  = count_q != CountWidth'(Depth);
  assign out_valid_o = count_q != '0;
  assign out_data_o  = words_q[read_index_q];
  assign push        = in_valid_i && in_ready_o;
  assign pop         = out_valid_o && out_ready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      write_index_q <= '0;
      read_index_q  <= '0;
      count_q       <= '0;
    end else begin
      if (push) write_index_q <= (write_index_q == LAST) ? '0 : write_index_q + 1'b1;
      if (pop) read_index_q <= (read_index_q == LAST) ? '0 : read_index_q + 1'b1;
      if (push != pop) count_q <= push ? count_q + 1'b1 : count_q - 1'b1;
    end
  end

  // The data path needs no reset: the count guards it.
  always_ff @(posedge clk_i) begin
    if (push) words_q[write_index_q] <= in_data_i;
  end

  initial begin
    if (Depth < 2) $fatal(1, "Depth must be 2 or more");
  end
endmodule : hws_fifo
`default_nettype wire
