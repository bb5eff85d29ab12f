// SPDX-License-Identifier: Apache-2.0
// Address channel of the DMA, for reads or for writes: bursts of BurstBeats beats, the first and the last one shorter.
//
// start_i takes address and beats; the first burst is offered in the next cycle, then one a cycle while fewer than
// Outstanding are under way. retire_i ends the oldest one. A burst ends where a multiple of BurstBytes begins, which divides
// 4 KB, so none crosses 4 KB. final_o: the burst under way is the last one of this start.
`default_nettype none
module hws_dma_bursts #(
  parameter  int Outstanding  = hws_pkg::DmaOutstanding,
  localparam int BeatsWidth   = hws_pkg::LoadBeatsWidth,
  localparam int AddressWidth = hws_pkg::DramAddressWidth
) (
  input  wire logic                    clk_i,
  input  wire logic                    rst_ni,
  input  wire logic                    start_i,
  input  wire logic [AddressWidth-1:0] address_i,
  input  wire logic [  BeatsWidth-1:0] beats_i,
  output      logic                    valid_o,
  input  wire logic                    ready_i,
  output      logic [AddressWidth-1:0] address_o,
  output      logic [             7:0] length_o,   // beats less one
  input  wire logic                    retire_i,
  output      logic                    final_o
);
  localparam int CountWidth = $clog2(Outstanding + 1);
  localparam int BurstBeats = hws_pkg::BurstBeats;
  localparam int ByteBits = $clog2(hws_pkg::DramBytes);
  localparam int PlaceWidth = $clog2(BurstBeats);

  logic [AddressWidth-1:0] address_q;
  logic [BeatsWidth-1:0] left_q, room;  // beats up to the end of the burst
  logic [CountWidth-1:0] under_way_q;
  logic last, issue;

  assign room      = BeatsWidth'(BurstBeats) - BeatsWidth'(address_q[ByteBits+:PlaceWidth]);
  assign last      = left_q <= room;
  assign issue     = valid_o && ready_i;
  assign valid_o   = left_q != '0 && under_way_q != CountWidth'(Outstanding);
  assign address_o = address_q;
  assign length_o  = last ? 8'(left_q - 1'b1) : 8'(room - 1'b1);
  assign final_o   = left_q == '0 && under_way_q == CountWidth'(1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      left_q      <= '0;
      under_way_q <= '0;
    end else begin
      under_way_q <= under_way_q + CountWidth'(issue) - CountWidth'(retire_i);
      if (start_i) left_q <= beats_i;
      else if (issue) left_q <= last ? '0 : left_q - room;
    end
  end

  always_ff @(posedge clk_i) begin
    if (start_i) address_q <= address_i;
    else if (issue) address_q <= address_q + (AddressWidth'(room) << ByteBits);
  end

  initial begin
    if (4096 % hws_pkg::BurstBytes != 0)
      $fatal(1, "BurstBytes is %0d, expected a divisor of 4096", hws_pkg::BurstBytes);
  end
endmodule : hws_dma_bursts
`default_nettype wire
