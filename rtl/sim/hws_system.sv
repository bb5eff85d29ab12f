// SPDX-License-Identifier: Apache-2.0
// Simulation only: the accelerator with its DRAM, whose contents are u_dram.mem. The host port goes out with the signals
// that hws_harness drives; the rest of AXI4-Lite is tied.
`default_nettype none
module hws_system #(
  parameter int Words = 1 << 22
) (
  input  wire logic        clk_i,
  input  wire logic        rst_ni,
  input  wire logic [15:0] latency_i,
  input  wire logic [7:0]  stall_i,
  input  wire logic [31:0] seed_i,
  input  wire logic [31:0] error_address_i,
  input  wire logic [7:0]  awaddr_i,
  input  wire logic        awvalid_i,
  output      logic        awready_o,
  input  wire logic [31:0] wdata_i,
  output      logic        bvalid_o,
  input  wire logic [7:0]  araddr_i,
  input  wire logic        arvalid_i,
  output      logic        arready_o,
  output      logic [31:0] rdata_o,
  output      logic        rvalid_o,
  output      logic        irq_o
);
  logic unused_wready;
  logic [1:0] unused_bresp, unused_rresp;

  logic [hws_pkg::DramAddressWidth-1:0] aw_addr;
  logic [7:0] aw_len;
  logic [2:0] aw_size;
  logic [1:0] aw_burst;
  logic aw_valid;
  logic aw_ready;
  logic [hws_pkg::DramWidth-1:0] w_data;
  logic [hws_pkg::DramBytes-1:0] w_strb;
  logic w_last;
  logic w_valid;
  logic w_ready;
  logic [1:0] b_resp;
  logic b_valid;
  logic b_ready;
  logic [hws_pkg::DramAddressWidth-1:0] ar_addr;
  logic [7:0] ar_len;
  logic [2:0] ar_size;
  logic [1:0] ar_burst;
  logic ar_valid;
  logic ar_ready;
  logic [hws_pkg::DramWidth-1:0] r_data;
  logic [1:0] r_resp;
  logic r_last;
  logic r_valid;
  logic r_ready;

  logic awid;
  logic [3:0] awcache;
  logic [2:0] awprot;
  logic arid;
  logic [3:0] arcache;
  logic [2:0] arprot;

  hws_top u_top (
    .clk_i,
    .rst_ni,
    .s_axil_awaddr_i(awaddr_i),
    .s_axil_awvalid_i(awvalid_i),
    .s_axil_awready_o(awready_o),
    .s_axil_wdata_i(wdata_i),
    .s_axil_wstrb_i(4'hf),
    .s_axil_wvalid_i(awvalid_i),
    .s_axil_wready_o(unused_wready),
    .s_axil_bresp_o(unused_bresp),
    .s_axil_bvalid_o(bvalid_o),
    .s_axil_bready_i(1'b1),
    .s_axil_araddr_i(araddr_i),
    .s_axil_arvalid_i(arvalid_i),
    .s_axil_arready_o(arready_o),
    .s_axil_rdata_o(rdata_o),
    .s_axil_rresp_o(unused_rresp),
    .s_axil_rvalid_o(rvalid_o),
    .s_axil_rready_i(1'b1),
    .m_axi_awid_o(awid),
    .m_axi_awcache_o(awcache),
    .m_axi_awprot_o(awprot),
    .m_axi_arid_o(arid),
    .m_axi_arcache_o(arcache),
    .m_axi_arprot_o(arprot),
    .m_axi_awaddr_o(aw_addr),
    .m_axi_awlen_o(aw_len),
    .m_axi_awsize_o(aw_size),
    .m_axi_awburst_o(aw_burst),
    .m_axi_awvalid_o(aw_valid),
    .m_axi_awready_i(aw_ready),
    .m_axi_wdata_o(w_data),
    .m_axi_wstrb_o(w_strb),
    .m_axi_wlast_o(w_last),
    .m_axi_wvalid_o(w_valid),
    .m_axi_wready_i(w_ready),
    .m_axi_bresp_i(b_resp),
    .m_axi_bvalid_i(b_valid),
    .m_axi_bready_o(b_ready),
    .m_axi_araddr_o(ar_addr),
    .m_axi_arlen_o(ar_len),
    .m_axi_arsize_o(ar_size),
    .m_axi_arburst_o(ar_burst),
    .m_axi_arvalid_o(ar_valid),
    .m_axi_arready_i(ar_ready),
    .m_axi_rdata_i(r_data),
    .m_axi_rresp_i(r_resp),
    .m_axi_rlast_i(r_last),
    .m_axi_rvalid_i(r_valid),
    .m_axi_rready_o(r_ready),
    .irq_o
  );

  hws_dram_model #(
    .Words(Words)
  ) u_dram (
    .clk_i,
    .rst_ni,
    .latency_i,
    .stall_i,
    .seed_i,
    .error_address_i,
    .s_axi_awid_i(awid),
    .s_axi_awaddr_i(aw_addr),
    .s_axi_awlen_i(aw_len),
    .s_axi_awsize_i(aw_size),
    .s_axi_awburst_i(aw_burst),
    .s_axi_awcache_i(awcache),
    .s_axi_awprot_i(awprot),
    .s_axi_awvalid_i(aw_valid),
    .s_axi_awready_o(aw_ready),
    .s_axi_wdata_i(w_data),
    .s_axi_wstrb_i(w_strb),
    .s_axi_wlast_i(w_last),
    .s_axi_wvalid_i(w_valid),
    .s_axi_wready_o(w_ready),
    .s_axi_bresp_o(b_resp),
    .s_axi_bvalid_o(b_valid),
    .s_axi_bready_i(b_ready),
    .s_axi_arid_i(arid),
    .s_axi_araddr_i(ar_addr),
    .s_axi_arlen_i(ar_len),
    .s_axi_arsize_i(ar_size),
    .s_axi_arburst_i(ar_burst),
    .s_axi_arcache_i(arcache),
    .s_axi_arprot_i(arprot),
    .s_axi_arvalid_i(ar_valid),
    .s_axi_arready_o(ar_ready),
    .s_axi_rdata_o(r_data),
    .s_axi_rresp_o(r_resp),
    .s_axi_rlast_o(r_last),
    .s_axi_rvalid_o(r_valid),
    .s_axi_rready_i(r_ready)
  );

endmodule : hws_system
`default_nettype wire
