// SPDX-License-Identifier: Apache-2.0
// hws_dma between the memory model and the activation buffer; simulation only.
//
// elapsed_o: cycles since the start. DRAM begins with a hash of each word's number, so that nobody needs to load it; peek_*
// reads it. errors_o counts cycles with error_valid_o, last_error_o is the code of the last one (this cycle's too), addresses_o
// counts bursts on AXI.
`default_nettype none
module hws_dma_system #(
  parameter int Words = 4096,
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = hws_pkg::WordBits,
  localparam int WordBytes = hws_pkg::WordBytes,
  localparam int DramWidth = hws_pkg::DramWidth,
  localparam int DramAddressWidth = hws_pkg::DramAddressWidth
) (
  input  wire logic clk_i,
  input  wire logic rst_ni,
  input  wire logic start_valid_i,
  output      logic start_ready_o,
  input  wire logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic done_o,
  output      logic busy_o,
  input  wire logic [DramAddressWidth-1:0] dram_base_i,
  input  wire logic [DramAddressWidth-1:0] dram_bytes_i,
  output      logic error_valid_o,
  output      logic [3:0] error_code_o,
  input  wire logic [15:0] latency_i,
  input  wire logic [7:0] stall_i,
  input  wire logic [31:0] seed_i,
  input  wire logic [DramAddressWidth-1:0] error_address_i,
  output      logic [31:0] elapsed_o,
  output      logic [31:0] errors_o,
  output      logic [31:0] addresses_o,
  output      logic [3:0] last_error_o,
  output      logic conflict_o,
  output      logic [8:0] broken_o,
  input  wire logic [$clog2(Words)-1:0] peek_address_i,
  output      logic [DramWidth-1:0] peek_data_o
);
  localparam int WordWidth = 8 * WordBytes;

  logic awid, awvalid, awready, wlast, wvalid, wready, bvalid, bready, arid, arvalid, arready, rlast, rvalid;
  logic rready, read_valid, read_skew, write_valid, write_skew, unused_sink_valid, unused_sink_bank;
  logic [DramAddressWidth-1:0] awaddr, araddr;
  logic [7:0] awlen, arlen;
  logic [2:0] awsize, awprot, arsize, arprot;
  logic [1:0] awburst, bresp, arburst, rresp;
  logic [3:0] awcache, arcache, unused_sink_target;
  logic [DramWidth-1:0] wdata, rdata, unused_sink_data;
  logic [DramWidth/8-1:0] wstrb;
  logic [AddressWidth-1:0] read_address, write_address;
  logic [WordBits-1:0] read_row, read_rotate, write_row, write_rotate;
  logic [WordBytes-1:0] write_mask;
  logic [WordWidth-1:0] write_data, read_data;
  logic [15:0] unused_sink_index;
  logic [ 5:0] unused_sink_part;
  logic [31:0] elapsed_q, errors_q, addresses_q;
  logic [3:0] last_error_q;

  assign elapsed_o   = elapsed_q;
  assign errors_o    = errors_q;
  assign addresses_o = addresses_q;
  assign last_error_o = error_valid_o ? error_code_o : last_error_q;
  assign peek_data_o = u_dram.mem[peek_address_i];

  function automatic logic [31:0] content(input logic [31:0] number);
    logic [31:0] x;
    x = (number + 32'd1) * 32'h9e37_79b9;
    x = (x ^ (x >> 15)) * 32'h85eb_ca6b;
    content = x ^ (x >> 13);
  endfunction

  initial begin
    for (int i = 0; i < Words; i++) begin
      for (int j = 0; j < DramWidth / 32; j++) u_dram.mem[i][32*j+:32] = content(i * (DramWidth / 32) + j);
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      elapsed_q   <= '0;
      errors_q    <= '0;
      addresses_q <= '0;
      last_error_q <= '0;
    end else begin
      elapsed_q   <= (start_valid_i && start_ready_o) ? 32'd1 : elapsed_q + 1'b1;
      errors_q    <= errors_q + 32'(error_valid_o);
      addresses_q <= addresses_q + 32'(arvalid && arready) + 32'(awvalid && awready);
      last_error_q <= last_error_o;
    end
  end

  hws_dma u_dma (
    .clk_i,
    .rst_ni,
    .start_valid_i,
    .start_ready_o,
    .instruction_i,
    .done_o,
    .dram_base_i,
    .dram_bytes_i,
    .error_valid_o,
    .error_code_o,
    .busy_o,
    .m_axi_awid_o(awid),
    .m_axi_awaddr_o(awaddr),
    .m_axi_awlen_o(awlen),
    .m_axi_awsize_o(awsize),
    .m_axi_awburst_o(awburst),
    .m_axi_awcache_o(awcache),
    .m_axi_awprot_o(awprot),
    .m_axi_awvalid_o(awvalid),
    .m_axi_awready_i(awready),
    .m_axi_wdata_o(wdata),
    .m_axi_wstrb_o(wstrb),
    .m_axi_wlast_o(wlast),
    .m_axi_wvalid_o(wvalid),
    .m_axi_wready_i(wready),
    .m_axi_bresp_i(bresp),
    .m_axi_bvalid_i(bvalid),
    .m_axi_bready_o(bready),
    .m_axi_arid_o(arid),
    .m_axi_araddr_o(araddr),
    .m_axi_arlen_o(arlen),
    .m_axi_arsize_o(arsize),
    .m_axi_arburst_o(arburst),
    .m_axi_arcache_o(arcache),
    .m_axi_arprot_o(arprot),
    .m_axi_arvalid_o(arvalid),
    .m_axi_arready_i(arready),
    .m_axi_rdata_i(rdata),
    .m_axi_rresp_i(rresp),
    .m_axi_rlast_i(rlast),
    .m_axi_rvalid_i(rvalid),
    .m_axi_rready_o(rready),
    .read_valid_o(read_valid),
    .read_address_o(read_address),
    .read_skew_o(read_skew),
    .read_row_o(read_row),
    .read_rotate_o(read_rotate),
    .read_data_i(read_data),
    .write_valid_o(write_valid),
    .write_address_o(write_address),
    .write_skew_o(write_skew),
    .write_row_o(write_row),
    .write_rotate_o(write_rotate),
    .write_mask_o(write_mask),
    .write_data_o(write_data),
    .sink_valid_o(unused_sink_valid),
    .sink_target_o(unused_sink_target),
    .sink_bank_o(unused_sink_bank),
    .sink_index_o(unused_sink_index),
    .sink_part_o(unused_sink_part),
    .sink_data_o(unused_sink_data)
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
    .s_axi_awaddr_i(awaddr),
    .s_axi_awlen_i(awlen),
    .s_axi_awsize_i(awsize),
    .s_axi_awburst_i(awburst),
    .s_axi_awcache_i(awcache),
    .s_axi_awprot_i(awprot),
    .s_axi_awvalid_i(awvalid),
    .s_axi_awready_o(awready),
    .s_axi_wdata_i(wdata),
    .s_axi_wstrb_i(wstrb),
    .s_axi_wlast_i(wlast),
    .s_axi_wvalid_i(wvalid),
    .s_axi_wready_o(wready),
    .s_axi_bresp_o(bresp),
    .s_axi_bvalid_o(bvalid),
    .s_axi_bready_i(bready),
    .s_axi_arid_i(arid),
    .s_axi_araddr_i(araddr),
    .s_axi_arlen_i(arlen),
    .s_axi_arsize_i(arsize),
    .s_axi_arburst_i(arburst),
    .s_axi_arcache_i(arcache),
    .s_axi_arprot_i(arprot),
    .s_axi_arvalid_i(arvalid),
    .s_axi_arready_o(arready),
    .s_axi_rdata_o(rdata),
    .s_axi_rresp_o(rresp),
    .s_axi_rlast_o(rlast),
    .s_axi_rvalid_o(rvalid),
    .s_axi_rready_i(rready)
  );

  hws_activation_buffer #(
    .ReadPorts (1),
    .WritePorts(1)
  ) u_buffer (
    .clk_i,
    .rst_ni,
    .read_valid_i(read_valid),
    .read_address_i(read_address),
    .read_skew_i(read_skew),
    .read_row_i(read_row),
    .read_rotate_i(read_rotate),
    .write_valid_i(write_valid),
    .write_address_i(write_address),
    .write_skew_i(write_skew),
    .write_row_i(write_row),
    .write_rotate_i(write_rotate),
    .write_mask_i(write_mask),
    .write_data_i(write_data),
    .read_data_o(read_data),
    .conflict_o
  );

  hws_axi_rules u_rules (
    .clk_i,
    .rst_ni,
    .awaddr_i (awaddr),
    .awlen_i  (awlen),
    .awvalid_i(awvalid),
    .awready_i(awready),
    .wdata_i  (wdata),
    .wstrb_i  (wstrb),
    .wlast_i  (wlast),
    .wvalid_i (wvalid),
    .wready_i (wready),
    .bvalid_i (bvalid),
    .bready_i (bready),
    .araddr_i (araddr),
    .arlen_i  (arlen),
    .arvalid_i(arvalid),
    .arready_i(arready),
    .rlast_i  (rlast),
    .rvalid_i (rvalid),
    .rready_i (rready),
    .broken_o
  );

endmodule : hws_dma_system
`default_nettype wire
