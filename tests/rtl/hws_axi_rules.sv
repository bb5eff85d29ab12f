// SPDX-License-Identifier: Apache-2.0
// Watches an AXI4 master; a rule it breaks sets a bit of broken_o, which stays until reset.
//
//   0, 1, 2   AW, W, AR: valid stays until ready, and so does the payload
//   3, 4      AW, AR: a burst begins at a beat and goes at most to the next multiple of BurstBytes, so inside 4 KB
//   5, 6      writes, reads: at most DmaOutstanding bursts whose address was taken and that have no (last) response
//   7         W: last is high in the last beat of a burst and in no other
//   8         W: no beat before the address of its burst is offered
`default_nettype none
module hws_axi_rules #(
  localparam int DramWidth = hws_pkg::DramWidth,
  localparam int AddressWidth = hws_pkg::DramAddressWidth,
  localparam int Rules = 9
) (
  input  wire logic                    clk_i,
  input  wire logic                    rst_ni,
  input  wire logic [AddressWidth-1:0] awaddr_i,
  input  wire logic [             7:0] awlen_i,
  input  wire logic                    awvalid_i,
  input  wire logic                    awready_i,
  input  wire logic [   DramWidth-1:0] wdata_i,
  input  wire logic [ DramWidth/8-1:0] wstrb_i,
  input  wire logic                    wlast_i,
  input  wire logic                    wvalid_i,
  input  wire logic                    wready_i,
  input  wire logic                    bvalid_i,
  input  wire logic                    bready_i,
  input  wire logic [AddressWidth-1:0] araddr_i,
  input  wire logic [             7:0] arlen_i,
  input  wire logic                    arvalid_i,
  input  wire logic                    arready_i,
  input  wire logic                    rlast_i,
  input  wire logic                    rvalid_i,
  input  wire logic                    rready_i,
  output      logic [       Rules-1:0] broken_o
);
  localparam int Outstanding = hws_pkg::DmaOutstanding;
  localparam int Slots = 2 ** $clog2(Outstanding + 2);
  localparam int SlotWidth = $clog2(Slots);
  localparam int CountWidth = SlotWidth + 1;
  localparam int DramBytes = DramWidth / 8;
  localparam int AddressPayload = AddressWidth + 8;
  localparam int DataPayload = DramWidth + DramBytes + 1;

  logic [Rules-1:0] broken, broken_q;
  logic aw_held_q, w_held_q, ar_held_q;
  logic [AddressPayload-1:0] aw_q, ar_q;
  logic [DataPayload-1:0] w_q;
  logic [CountWidth-1:0] writes_q, reads_q;

  // Lengths of the bursts whose address was offered and whose beats are not complete.
  logic [7:0] length[Slots], beat_q, expected;
  logic [SlotWidth-1:0] offered_q, written_q;
  logic new_offer, w_taken;

  function automatic logic legal_burst(input logic [AddressWidth-1:0] address, input logic [7:0] beats_less_one);
    int first, bytes;
    first = int'(address % 4096);
    bytes = (int'(beats_less_one) + 1) * DramBytes;
    legal_burst = first % hws_pkg::DramBytes == 0 && first % hws_pkg::BurstBytes + bytes <= hws_pkg::BurstBytes;
  endfunction

  assign new_offer = awvalid_i && !aw_held_q;
  assign w_taken   = wvalid_i && wready_i;
  assign expected  = (offered_q == written_q) ? awlen_i : length[written_q];
  assign broken[0] = aw_held_q && (!awvalid_i || aw_q != {awaddr_i, awlen_i});
  assign broken[1] = w_held_q && (!wvalid_i || w_q != {wdata_i, wstrb_i, wlast_i});
  assign broken[2] = ar_held_q && (!arvalid_i || ar_q != {araddr_i, arlen_i});
  assign broken[3] = awvalid_i && !legal_burst(awaddr_i, awlen_i);
  assign broken[4] = arvalid_i && !legal_burst(araddr_i, arlen_i);
  assign broken[5] = writes_q > CountWidth'(Outstanding);
  assign broken[6] = reads_q > CountWidth'(Outstanding);
  assign broken[7] = wvalid_i && wlast_i != (beat_q == expected);
  assign broken[8] = wvalid_i && offered_q == written_q && !new_offer;
  assign broken_o  = broken_q | broken;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      broken_q  <= '0;
      aw_held_q <= 1'b0;
      w_held_q  <= 1'b0;
      ar_held_q <= 1'b0;
      writes_q  <= '0;
      reads_q   <= '0;
      beat_q    <= '0;
      offered_q <= '0;
      written_q <= '0;
    end else begin
      broken_q  <= broken_o;
      aw_held_q <= awvalid_i && !awready_i;
      w_held_q  <= wvalid_i && !wready_i;
      ar_held_q <= arvalid_i && !arready_i;
      writes_q  <= writes_q + CountWidth'(awvalid_i && awready_i) - CountWidth'(bvalid_i && bready_i);
      reads_q   <= reads_q + CountWidth'(arvalid_i && arready_i) - CountWidth'(rvalid_i && rready_i && rlast_i);
      if (new_offer) offered_q <= offered_q + 1'b1;
      if (w_taken) beat_q <= wlast_i ? '0 : beat_q + 1'b1;
      if (w_taken && wlast_i) written_q <= written_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    aw_q <= {awaddr_i, awlen_i};
    w_q  <= {wdata_i, wstrb_i, wlast_i};
    ar_q <= {araddr_i, arlen_i};
    if (new_offer) length[offered_q] <= awlen_i;
  end
endmodule : hws_axi_rules
`default_nettype wire
