// SPDX-License-Identifier: Apache-2.0
// Write data channel of the DMA: a buffer of Entries beats, and where each burst ends.
//
// A beat that comes in cycle t is offered from t + 1 on, but not before the address of its burst is offered (address_valid_i,
// address_ready_i: the handshake of that channel); it never waits for that address to be taken. Whoever fills the buffer
// counts its places: take_o frees one. Bytes without a strobe are 0.
`default_nettype none
module hws_dma_write #(
  parameter int Entries = 4,
  localparam int BeatsWidth = hws_pkg::StoreBeatsWidth,
  localparam int DramWidth = hws_pkg::DramWidth,
  localparam int DramBytes = hws_pkg::DramBytes,
  localparam int BurstWidth = $clog2(hws_pkg::BurstBeats)
) (
  input  wire logic                  clk_i,
  input  wire logic                  rst_ni,
  input  wire logic                  start_i,
  input  wire logic [BeatsWidth-1:0] beats_i,
  input  wire logic [BurstWidth-1:0] place_i,          // of the first beat in its burst, were that a whole one
  input  wire logic                  address_valid_i,
  input  wire logic                  address_ready_i,
  input  wire logic                  in_valid_i,
  input  wire logic [ DramBytes-1:0] in_strobe_i,
  input  wire logic [ DramWidth-1:0] in_data_i,
  output      logic                  take_o,
  output      logic                  valid_o,
  input  wire logic                  ready_i,
  output      logic [ DramWidth-1:0] data_o,
  output      logic [ DramBytes-1:0] strobe_o,
  output      logic                  last_o
);
  localparam int IndexWidth = $clog2(Entries);
  localparam int PlacesWidth = $clog2(Entries + 1);
  localparam int BurstBeats = hws_pkg::BurstBeats;
  localparam int AheadWidth = $clog2(hws_pkg::DmaOutstanding + 2);

  logic [DramWidth-1:0] data_q[Entries], data;
  logic [DramBytes-1:0] strobe_q[Entries];
  logic [IndexWidth-1:0] write_q, read_q;
  logic [PlacesWidth-1:0] count_q;
  logic [ AheadWidth-1:0] ahead_q;  // bursts whose address has been offered and whose last beat has not been taken
  logic [ BeatsWidth-1:0] left_q;
  logic [ BurstWidth-1:0] beat_q;
  logic held_q, offered;

  assign offered  = address_valid_i && !held_q;
  assign valid_o  = count_q != '0 && (ahead_q != '0 || offered);
  assign take_o   = valid_o && ready_i;
  assign last_o   = left_q == BeatsWidth'(1) || beat_q == BurstWidth'(BurstBeats - 1);
  assign data_o   = data_q[read_q];
  assign strobe_o = strobe_q[read_q];

  for (genvar i = 0; i < DramBytes; i++) begin : gen_bytes
    assign data[8*i+:8] = in_strobe_i[i] ? in_data_i[8*i+:8] : '0;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      write_q <= '0;
      read_q  <= '0;
      count_q <= '0;
      ahead_q <= '0;
      held_q  <= 1'b0;
      left_q  <= '0;
      beat_q  <= '0;
    end else begin
      held_q  <= address_valid_i && !address_ready_i;
      ahead_q <= ahead_q + AheadWidth'(offered) - AheadWidth'(take_o && last_o);
      count_q <= count_q + PlacesWidth'(in_valid_i) - PlacesWidth'(take_o);
      if (in_valid_i) write_q <= (write_q == IndexWidth'(Entries - 1)) ? '0 : write_q + 1'b1;
      if (take_o) read_q <= (read_q == IndexWidth'(Entries - 1)) ? '0 : read_q + 1'b1;
      if (start_i) left_q <= beats_i;
      else if (take_o) left_q <= left_q - 1'b1;
      if (start_i) beat_q <= place_i;
      else if (take_o) beat_q <= last_o ? '0 : beat_q + 1'b1;
    end
  end

  // The entries need no reset: their count guards them.
  always_ff @(posedge clk_i) begin
    if (in_valid_i) begin
      data_q[write_q]   <= data;
      strobe_q[write_q] <= in_strobe_i;
    end
  end
endmodule : hws_dma_write
`default_nettype wire
