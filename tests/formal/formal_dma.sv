// AXI4 rules of the whole DMA: every offer stays as it is until it is taken, bursts are legal and not
// more than may be under way, last is high in the last beat; no burst without an instruction, and nothing is under way at done.
module formal_dma (
  input logic clk_i,
  input logic rst_ni,
  input logic start_valid_i,
  input logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  input logic [31:0] dram_base_i,
  input logic [31:0] dram_bytes_i,
  input logic m_axi_awready_i,
  input logic m_axi_wready_i,
  input logic [1:0] m_axi_bresp_i,
  input logic m_axi_bvalid_i,
  input logic m_axi_arready_i,
  input logic [hws_pkg::DramWidth-1:0] m_axi_rdata_i,
  input logic [1:0] m_axi_rresp_i,
  input logic m_axi_rlast_i,
  input logic m_axi_rvalid_i,
  input logic [8*hws_pkg::WordBytes-1:0] read_data_i
);
  localparam int Bytes = hws_pkg::DramBytes;

  logic start_ready, done, busy, error_valid;
  logic [3:0] error_code;
  logic awvalid, wvalid, wlast, bready, arvalid, rready;
  logic [31:0] awaddr, araddr;
  logic [7:0] awlen, arlen;
  logic [hws_pkg::DramWidth-1:0] wdata;
  logic [Bytes-1:0] wstrb;

  hws_dma u_dma (
    .clk_i,
    .rst_ni,
    .start_valid_i,
    .start_ready_o(start_ready),
    .instruction_i,
    .done_o(done),
    .dram_base_i,
    .dram_bytes_i,
    .error_valid_o(error_valid),
    .error_code_o(error_code),
    .busy_o(busy),
    .m_axi_awaddr_o(awaddr),
    .m_axi_awlen_o(awlen),
    .m_axi_awvalid_o(awvalid),
    .m_axi_awready_i,
    .m_axi_wdata_o(wdata),
    .m_axi_wstrb_o(wstrb),
    .m_axi_wlast_o(wlast),
    .m_axi_wvalid_o(wvalid),
    .m_axi_wready_i,
    .m_axi_bresp_i,
    .m_axi_bvalid_i,
    .m_axi_bready_o(bready),
    .m_axi_araddr_o(araddr),
    .m_axi_arlen_o(arlen),
    .m_axi_arvalid_o(arvalid),
    .m_axi_arready_i,
    .m_axi_rdata_i,
    .m_axi_rresp_i,
    .m_axi_rlast_i,
    .m_axi_rvalid_i,
    .m_axi_rready_o(rready),
    .read_data_i
  );

  function automatic logic legal(input logic [31:0] address, input logic [7:0] length);
    legal = 32'(length) < hws_pkg::BurstBeats && address % 4096 + (32'(length) + 1) * Bytes <= 4096;
  endfunction

  logic reset_q = 1'b0;
  logic busy_q = 1'b0;
  logic aw_held_q = 1'b0, w_held_q = 1'b0, ar_held_q = 1'b0;
  logic [39:0] aw_q, ar_q;
  logic [hws_pkg::DramWidth+Bytes:0] w_q;
  logic [5:0] reads_q = '0, writes_q = '0, answers_q = '0;  // taken and not ended; ended and not answered
  logic [5:0] offered_q = '0, ended_q = '0;  // write bursts of this instruction
  logic [7:0] beat_q = '0, length_q;
  logic [15:0] owed_q = '0;  // beats asked for and not yet read
  logic [7:0] read_q = '0, first_length_q;  // beats read for this instruction; length of its first burst, less one
  logic asked_q = 1'b0;
  logic aw_new;

  assign aw_new = awvalid && !aw_held_q;

  always @(posedge clk_i) begin
    reset_q <= 1'b1;
    assume (rst_ni == reset_q);
    if (rst_ni) begin
      // The memory answers what was asked.
      // Within this depth a burst ends when it is the first one, which may be short, or when nothing more is asked for.
      if (m_axi_rvalid_i) assume (owed_q != '0 && m_axi_rlast_i == (owed_q == 16'd1 || read_q == first_length_q));
      if (m_axi_bvalid_i) assume (answers_q != '0 && writes_q != '0);

      aw_held_q <= awvalid && !m_axi_awready_i;
      w_held_q  <= wvalid && !m_axi_wready_i;
      ar_held_q <= arvalid && !m_axi_arready_i;
      aw_q      <= {awaddr, awlen};
      ar_q      <= {araddr, arlen};
      w_q       <= {wdata, wstrb, wlast};
      if (aw_held_q) assert (awvalid && aw_q == {awaddr, awlen});
      if (ar_held_q) assert (arvalid && ar_q == {araddr, arlen});
      if (w_held_q) assert (wvalid && w_q == {wdata, wstrb, wlast});
      if (awvalid) assert (legal(awaddr, awlen));
      if (arvalid) assert (legal(araddr, arlen));
      if (awvalid || arvalid || wvalid) assert (busy);
      assert (!(awvalid && arvalid));
      assert (bready);

      if (arvalid && m_axi_arready_i && !asked_q) first_length_q <= arlen;
      asked_q <= !done && (asked_q || (arvalid && m_axi_arready_i));
      read_q  <= done ? '0 : read_q + 8'(m_axi_rvalid_i && rready);
      owed_q <= owed_q + ((arvalid && m_axi_arready_i) ? 16'(arlen) + 16'd1 : 16'd0) - 16'(m_axi_rvalid_i && rready);
      reads_q   <= reads_q + 6'(arvalid && m_axi_arready_i) - 6'(m_axi_rvalid_i && rready && m_axi_rlast_i);
      writes_q  <= writes_q + 6'(awvalid && m_axi_awready_i) - 6'(m_axi_bvalid_i);
      answers_q <= answers_q + 6'(wvalid && m_axi_wready_i && wlast) - 6'(m_axi_bvalid_i);
      assert (reads_q <= hws_pkg::DmaOutstanding && writes_q <= hws_pkg::DmaOutstanding);

      // Bursts of a store are as long as their addresses say; the first one is followed.
      if (aw_new && offered_q == '0) length_q <= awlen;
      if (done) {offered_q, ended_q} <= '0;
      else begin
        offered_q <= offered_q + 6'(aw_new);
        ended_q   <= ended_q + 6'(wvalid && m_axi_wready_i && wlast);
      end
      if (wvalid && m_axi_wready_i) beat_q <= wlast ? '0 : beat_q + 1'b1;
      if (wvalid) assert (offered_q + 6'(aw_new) > ended_q);
      if (wvalid && ended_q == '0) assert (wlast == (beat_q == ((offered_q == '0) ? awlen : length_q)));

      // Ready, done and errors.
      busy_q <= busy;
      assert (busy == !start_ready);
      if (done) assert (busy && writes_q == '0 && answers_q == '0);
      if (error_valid) assert (busy && error_code != '0);
      if (!busy) assert (writes_q == '0 && !awvalid && !arvalid && !wvalid);
      if (busy && !busy_q) assert (!awvalid && !arvalid);
    end
  end
endmodule
