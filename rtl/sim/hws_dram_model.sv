// SPDX-License-Identifier: Apache-2.0
// Simulation only: DRAM behind AXI4, with a latency, and with stalls that depend on counts since reset and never on time.
//
// hwsim/timing/dram.py has the same delays. d(channel, n) = 0, or with probability stall_i / 256 one of 1 to 7, from a hash
// of seed_i, channel and n:
//
//   AR, AW     burst n is taken d(AR, n), d(AW, n) cycles after it was offered
//   R          first beat of burst n is due 1 + latency_i + d(latency, n) cycles after its address was taken
//   R          beat n is offered d(R, n) cycles after it was due and the one before it was taken
//   W          beat n is taken d(W, n) cycles after it was offered and the address of its burst was taken
//   B          response n is due 1 + latency_i + d(B, n) cycles after the last beat of its burst was taken
//
// Bursts are answered in order. A burst that touches the beat of byte error_address_i is answered with SLVERR (all ones:
// never). Reset clears the counts and leaves the contents.
`default_nettype none
module hws_dram_model #(
  parameter int Words = 1 << 16,
  parameter int Depth = 64,  // bursts that wait, a power of two
  localparam int DramWidth = hws_pkg::DramWidth,
  localparam int AddressWidth = hws_pkg::DramAddressWidth
) (
  input  wire logic                    clk_i,
  input  wire logic                    rst_ni,
  input  wire logic [            15:0] latency_i,
  input  wire logic [             7:0] stall_i,
  input  wire logic [            31:0] seed_i,
  input  wire logic [AddressWidth-1:0] error_address_i,
  input  wire logic                    s_axi_awid_i,
  input  wire logic [AddressWidth-1:0] s_axi_awaddr_i,
  input  wire logic [             7:0] s_axi_awlen_i,
  input  wire logic [             2:0] s_axi_awsize_i,
  input  wire logic [             1:0] s_axi_awburst_i,
  input  wire logic [             3:0] s_axi_awcache_i,
  input  wire logic [             2:0] s_axi_awprot_i,
  input  wire logic                    s_axi_awvalid_i,
  output      logic                    s_axi_awready_o,
  input  wire logic [   DramWidth-1:0] s_axi_wdata_i,
  input  wire logic [ DramWidth/8-1:0] s_axi_wstrb_i,
  input  wire logic                    s_axi_wlast_i,
  input  wire logic                    s_axi_wvalid_i,
  output      logic                    s_axi_wready_o,
  output      logic [             1:0] s_axi_bresp_o,
  output      logic                    s_axi_bvalid_o,
  input  wire logic                    s_axi_bready_i,
  input  wire logic                    s_axi_arid_i,
  input  wire logic [AddressWidth-1:0] s_axi_araddr_i,
  input  wire logic [             7:0] s_axi_arlen_i,
  input  wire logic [             2:0] s_axi_arsize_i,
  input  wire logic [             1:0] s_axi_arburst_i,
  input  wire logic [             3:0] s_axi_arcache_i,
  input  wire logic [             2:0] s_axi_arprot_i,
  input  wire logic                    s_axi_arvalid_i,
  output      logic                    s_axi_arready_o,
  output      logic [   DramWidth-1:0] s_axi_rdata_o,
  output      logic [             1:0] s_axi_rresp_o,
  output      logic                    s_axi_rlast_o,
  output      logic                    s_axi_rvalid_o,
  input  wire logic                    s_axi_rready_i
);
  localparam int SlotWidth = $clog2(Depth);
  localparam int ByteBits = $clog2(DramWidth / 8);
  localparam int BeatAddressWidth = AddressWidth - ByteBits;
  localparam int WordWidth = $clog2(Words);
  localparam logic [1:0] OKAY = 2'b00;
  localparam logic [1:0] SLVERR = 2'b10;
  localparam logic [1:0] INCREMENTING = 2'b01;
  localparam logic [31:0] SaltAr = 32'h0000_0001;
  localparam logic [31:0] SaltLatency = 32'h0000_0002;
  localparam logic [31:0] SaltR = 32'h0000_0003;
  localparam logic [31:0] SaltAw = 32'h0000_0004;
  localparam logic [31:0] SaltW = 32'h0000_0005;
  localparam logic [31:0] SaltB = 32'h0000_0006;

  typedef logic [BeatAddressWidth-1:0] beat_t;

  logic [DramWidth-1:0] mem[Words];
  logic [63:0] now_q;

  function automatic logic [31:0] delay(input logic [31:0] seed, input logic [7:0] stall, input logic [31:0] salt,
                                        input logic [31:0] n);
    logic [31:0] x;
    x = seed ^ (salt * 32'h85eb_ca6b) ^ (n * 32'h9e37_79b9);
    x = (x ^ (x >> 16)) * 32'h7feb_352d;
    x = (x ^ (x >> 15)) * 32'h846c_a68b;
    x = x ^ (x >> 16);
    delay = (8'(x) < stall) ? 32'd1 + ((((x >> 8) & 32'hff) * 32'd7) >> 8) : 32'd0;
  endfunction

  function automatic logic touches(input beat_t first, input logic [7:0] length, input logic [AddressWidth-1:0] wrong);
    touches = wrong != '1 && beat_t'(wrong >> ByteBits) - first <= beat_t'(length);
  endfunction

  // Reads. Counts: bursts taken, bursts answered, beats answered; waited: cycles that the head has been delayed.
  logic [31:0] ar_n_q, ar_waited_q, r_burst_q, r_n_q, r_waited_q;
  logic [7:0] r_beat_q;
  beat_t ar_address[Depth], ar_beat;
  logic [7:0] ar_length[Depth];
  logic [63:0] ar_due[Depth];
  logic [SlotWidth-1:0] ar_slot, r_slot;
  logic ar_taken, r_taken, r_due;

  assign ar_slot = SlotWidth'(ar_n_q);
  assign r_slot = SlotWidth'(r_burst_q);
  assign s_axi_arready_o = ar_n_q - r_burst_q != Depth && ar_waited_q >= delay(seed_i, stall_i, SaltAr, ar_n_q);
  assign ar_taken = s_axi_arvalid_i && s_axi_arready_o;
  assign r_due = ar_n_q != r_burst_q && now_q >= ar_due[r_slot];
  assign ar_beat = ar_address[r_slot] + beat_t'(r_beat_q);
  assign s_axi_rvalid_o = r_due && r_waited_q >= delay(seed_i, stall_i, SaltR, r_n_q);
  assign s_axi_rlast_o = s_axi_rvalid_o ? r_beat_q == ar_length[r_slot] : 1'bx;
  assign s_axi_rdata_o = s_axi_rvalid_o ? mem[WordWidth'(ar_beat)] : 'x;
  assign s_axi_rresp_o = !s_axi_rvalid_o ? 'x : touches(
      ar_address[r_slot], ar_length[r_slot], error_address_i
  ) ? SLVERR : OKAY;
  assign r_taken = s_axi_rvalid_o && s_axi_rready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      now_q       <= '0;
      ar_n_q      <= '0;
      ar_waited_q <= '0;
      r_burst_q   <= '0;
      r_n_q       <= '0;
      r_waited_q  <= '0;
      r_beat_q    <= '0;
    end else begin
      now_q       <= now_q + 1'b1;
      ar_n_q      <= ar_n_q + 32'(ar_taken);
      ar_waited_q <= (s_axi_arvalid_i && !ar_taken) ? ar_waited_q + 1'b1 : '0;
      r_n_q       <= r_n_q + 32'(r_taken);
      if (r_taken || !r_due) r_waited_q <= '0;
      else if (!s_axi_rvalid_o) r_waited_q <= r_waited_q + 1'b1;
      if (r_taken) r_beat_q <= s_axi_rlast_o ? '0 : r_beat_q + 1'b1;
      if (r_taken && s_axi_rlast_o) r_burst_q <= r_burst_q + 1'b1;
    end
  end

  always_ff @(posedge clk_i) begin
    if (ar_taken) begin
      ar_address[ar_slot] <= beat_t'(s_axi_araddr_i >> ByteBits);
      ar_length[ar_slot]  <= s_axi_arlen_i;
      ar_due[ar_slot]     <= now_q + 64'd1 + 64'(latency_i) + 64'(delay(seed_i, stall_i, SaltLatency, ar_n_q));
    end
  end

  // Writes.
  logic [31:0] aw_n_q, aw_waited_q, w_burst_q, w_n_q, w_waited_q, b_n_q;
  logic [7:0] w_beat_q;
  beat_t aw_address[Depth], w_beat;
  logic [7:0] aw_length[Depth];
  logic [63:0] b_due[Depth];
  logic [SlotWidth-1:0] aw_slot, w_slot, b_slot;
  logic aw_taken, w_taken, w_open, b_taken;

  assign aw_slot = SlotWidth'(aw_n_q);
  assign w_slot = SlotWidth'(w_burst_q);
  assign b_slot = SlotWidth'(b_n_q);
  assign s_axi_awready_o = aw_n_q - b_n_q != Depth && aw_waited_q >= delay(seed_i, stall_i, SaltAw, aw_n_q);
  assign aw_taken = s_axi_awvalid_i && s_axi_awready_o;
  assign w_open = aw_n_q != w_burst_q;
  assign w_beat = aw_address[w_slot] + beat_t'(w_beat_q);
  assign s_axi_wready_o = w_open && w_waited_q >= delay(seed_i, stall_i, SaltW, w_n_q);
  assign w_taken = s_axi_wvalid_i && s_axi_wready_o;
  assign s_axi_bvalid_o = w_burst_q != b_n_q && now_q >= b_due[b_slot];
  assign s_axi_bresp_o = !s_axi_bvalid_o ? 'x : touches(
      aw_address[b_slot], aw_length[b_slot], error_address_i
  ) ? SLVERR : OKAY;
  assign b_taken = s_axi_bvalid_o && s_axi_bready_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      aw_n_q      <= '0;
      aw_waited_q <= '0;
      w_burst_q   <= '0;
      w_n_q       <= '0;
      w_waited_q  <= '0;
      w_beat_q    <= '0;
      b_n_q       <= '0;
    end else begin
      aw_n_q      <= aw_n_q + 32'(aw_taken);
      aw_waited_q <= (s_axi_awvalid_i && !aw_taken) ? aw_waited_q + 1'b1 : '0;
      w_n_q       <= w_n_q + 32'(w_taken);
      w_waited_q  <= (s_axi_wvalid_i && w_open && !w_taken) ? w_waited_q + 1'b1 : '0;
      if (w_taken) w_beat_q <= s_axi_wlast_i ? '0 : w_beat_q + 1'b1;
      if (w_taken && s_axi_wlast_i) w_burst_q <= w_burst_q + 1'b1;
      b_n_q <= b_n_q + 32'(b_taken);
    end
  end

  always_ff @(posedge clk_i) begin
    if (aw_taken) begin
      aw_address[aw_slot] <= beat_t'(s_axi_awaddr_i >> ByteBits);
      aw_length[aw_slot]  <= s_axi_awlen_i;
    end
    if (w_taken && s_axi_wlast_i) begin
      b_due[w_slot] <= now_q + 64'd1 + 64'(latency_i) + 64'(delay(seed_i, stall_i, SaltB, w_burst_q));
    end
    for (int i = 0; i < DramWidth / 8; i++) begin
      if (w_taken && s_axi_wstrb_i[i]) mem[WordWidth'(w_beat)][8*i+:8] <= s_axi_wdata_i[8*i+:8];
    end
  end

  // What the master must not do. Nothing is taken during reset.
  always @(posedge clk_i) begin
    if (ar_taken && (s_axi_arburst_i != INCREMENTING || s_axi_arsize_i != 3'(ByteBits))) $fatal(1, "no burst of beats");
    if (aw_taken && (s_axi_awburst_i != INCREMENTING || s_axi_awsize_i != 3'(ByteBits))) $fatal(1, "no burst of beats");
    if (w_taken && s_axi_wlast_i != (w_beat_q == aw_length[w_slot])) $fatal(1, "wlast on beat %0d", w_beat_q);
    if (r_taken && ar_beat >= beat_t'(Words)) $fatal(1, "read of beat %0d, there are %0d", ar_beat, Words);
    if (w_taken && w_beat >= beat_t'(Words)) $fatal(1, "write of beat %0d, there are %0d", w_beat, Words);
  end

  initial begin
    if (2 ** SlotWidth != Depth) $fatal(1, "Depth is %0d, expected a power of two", Depth);
  end
endmodule : hws_dram_model
`default_nettype wire
