// SPDX-License-Identifier: Apache-2.0
// The accelerator without its host port: controller, DMA, compute engines, activation buffer.
`default_nettype none
module hws_core #(
  localparam int Count = hws_pkg::QueueCount,
  localparam int Width = hws_pkg::InstructionWidth
) (
  input wire logic clk_i,
  input wire logic rst_ni,
  input wire logic begin_i,
  input wire logic [hws_pkg::DramAddressWidth-1:0] program_i,
  input wire logic [31:0] dram_base_i,
  input wire logic [31:0] dram_bytes_i,
  input wire logic [31:0] watchdog_i,
  output logic [Count-1:0] busy_o,
  output logic dma_busy_o,
  output logic finished_o,
  output logic error_o,
  output logic [3:0] error_code_o,
  output logic [3:0] error_queue_o,
  output logic [15:0] error_tag_o,
  output logic m_axi_awid_o,
  output logic [3:0] m_axi_awcache_o,
  output logic [2:0] m_axi_awprot_o,
  output logic m_axi_arid_o,
  output logic [3:0] m_axi_arcache_o,
  output logic [2:0] m_axi_arprot_o,
  output      logic [hws_pkg::DramAddressWidth-1:0] m_axi_awaddr_o,
  output      logic [7:0] m_axi_awlen_o,
  output      logic [2:0] m_axi_awsize_o,
  output      logic [1:0] m_axi_awburst_o,
  output      logic  m_axi_awvalid_o,
  input  wire logic  m_axi_awready_i,
  output      logic [hws_pkg::DramWidth-1:0] m_axi_wdata_o,
  output      logic [hws_pkg::DramBytes-1:0] m_axi_wstrb_o,
  output      logic  m_axi_wlast_o,
  output      logic  m_axi_wvalid_o,
  input  wire logic  m_axi_wready_i,
  input  wire logic [1:0] m_axi_bresp_i,
  input  wire logic  m_axi_bvalid_i,
  output      logic  m_axi_bready_o,
  output      logic [hws_pkg::DramAddressWidth-1:0] m_axi_araddr_o,
  output      logic [7:0] m_axi_arlen_o,
  output      logic [2:0] m_axi_arsize_o,
  output      logic [1:0] m_axi_arburst_o,
  output      logic  m_axi_arvalid_o,
  input  wire logic  m_axi_arready_i,
  input  wire logic [hws_pkg::DramWidth-1:0] m_axi_rdata_i,
  input  wire logic [1:0] m_axi_rresp_i,
  input  wire logic  m_axi_rlast_i,
  input  wire logic  m_axi_rvalid_i,
  output      logic  m_axi_rready_o
);
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int WordBits = hws_pkg::WordBits;
  localparam int WordBytes = hws_pkg::WordBytes;
  localparam int WordWidth = WordBytes * 8;
  localparam int Readers = hws_pkg::ReadPorts;
  localparam int Writers = hws_pkg::WritePorts;
  localparam int DmaRead = hws_pkg::ReadDma;  // the last port of its kind, as WriteDma
  localparam int DmaWrite = hws_pkg::WriteDma;
  localparam int Dma = hws_pkg::QueueDma;  // the first queue
  localparam int IndexWidth = $clog2(hws_pkg::SegmentInstructions);
  localparam int PartWidth = $clog2(Width / hws_pkg::DramWidth);
  localparam int StepPartWidth = (hws_pkg::StepBeats > 1) ? $clog2(hws_pkg::StepBeats) : 1;

  logic [Count-1:0] start_valid, start_ready, done;
  logic [Count*Width-1:0] instruction;
  logic [Readers-1:0] read_valid, read_skew;
  logic [Readers*AddressWidth-1:0] read_address;
  logic [Readers*WordBits-1:0] read_row, read_rotate;
  logic [Readers*WordWidth-1:0] read_data;
  logic [Writers-1:0] write_valid, write_skew;
  logic [Writers*AddressWidth-1:0] write_address;
  logic [Writers*WordBits-1:0] write_row, write_rotate;
  logic [Writers*WordBytes-1:0] write_mask;
  logic [Writers*WordWidth-1:0] write_data;
  logic conflict, dma_error;
  logic [3:0] dma_error_code;
  logic sink_valid, sink_bank;
  logic [3:0] sink_target;
  logic [15:0] sink_index;
  logic [5:0] sink_part;
  logic [hws_pkg::DramWidth-1:0] sink_data;

  hws_controller u_controller (
    .clk_i,
    .rst_ni,
    .begin_i,
    .program_address_i(program_i),
    .watchdog_i,
    .write_i(sink_valid && sink_target == 4'(hws_pkg::LoadTargetProgram)),
    .write_half_i(sink_bank),
    .write_index_i(sink_index[IndexWidth-1:0]),
    .write_part_i(sink_part[PartWidth-1:0]),
    .write_data_i(sink_data),
    .start_valid_o(start_valid),
    .start_ready_i(start_ready),
    .instruction_o(instruction),
    .done_i(done),
    .busy_o,
    .conflict_i(conflict),
    .dma_error_i(dma_error),
    .dma_error_code_i(dma_error_code),
    .finished_o,
    .error_o,
    .error_code_o,
    .error_queue_o,
    .error_tag_o
  );

  hws_dma u_dma (
    .clk_i,
    .rst_ni,
    .start_valid_i(start_valid[Dma]),
    .start_ready_o(start_ready[Dma]),
    .instruction_i(instruction[Dma*Width+:Width]),
    .done_o(done[Dma]),
    .dram_base_i,
    .dram_bytes_i,
    .error_valid_o(dma_error),
    .error_code_o(dma_error_code),
    .busy_o(dma_busy_o),
    .m_axi_awid_o,
    .m_axi_awcache_o,
    .m_axi_awprot_o,
    .m_axi_arid_o,
    .m_axi_arcache_o,
    .m_axi_arprot_o,
    .m_axi_awaddr_o,
    .m_axi_awlen_o,
    .m_axi_awsize_o,
    .m_axi_awburst_o,
    .m_axi_awvalid_o,
    .m_axi_awready_i,
    .m_axi_wdata_o,
    .m_axi_wstrb_o,
    .m_axi_wlast_o,
    .m_axi_wvalid_o,
    .m_axi_wready_i,
    .m_axi_bresp_i,
    .m_axi_bvalid_i,
    .m_axi_bready_o,
    .m_axi_araddr_o,
    .m_axi_arlen_o,
    .m_axi_arsize_o,
    .m_axi_arburst_o,
    .m_axi_arvalid_o,
    .m_axi_arready_i,
    .m_axi_rdata_i,
    .m_axi_rresp_i,
    .m_axi_rlast_i,
    .m_axi_rvalid_i,
    .m_axi_rready_o,
    .read_valid_o(read_valid[DmaRead]),
    .read_address_o(read_address[DmaRead*AddressWidth+:AddressWidth]),
    .read_skew_o(read_skew[DmaRead]),
    .read_row_o(read_row[DmaRead*WordBits+:WordBits]),
    .read_rotate_o(read_rotate[DmaRead*WordBits+:WordBits]),
    .read_data_i(read_data[DmaRead*WordWidth+:WordWidth]),
    .write_valid_o(write_valid[DmaWrite]),
    .write_address_o(write_address[DmaWrite*AddressWidth+:AddressWidth]),
    .write_skew_o(write_skew[DmaWrite]),
    .write_row_o(write_row[DmaWrite*WordBits+:WordBits]),
    .write_rotate_o(write_rotate[DmaWrite*WordBits+:WordBits]),
    .write_mask_o(write_mask[DmaWrite*WordBytes+:WordBytes]),
    .write_data_o(write_data[DmaWrite*WordWidth+:WordWidth]),
    .sink_valid_o(sink_valid),
    .sink_target_o(sink_target),
    .sink_bank_o(sink_bank),
    .sink_index_o(sink_index),
    .sink_part_o(sink_part),
    .sink_data_o(sink_data)
  );

  hws_compute u_compute (
    .clk_i,
    .rst_ni,
    .start_valid_i(start_valid[Count-1:1]),
    .start_ready_o(start_ready[Count-1:1]),
    .instruction_i(instruction[Count*Width-1:Width]),
    .done_o(done[Count-1:1]),
    .sink_valid_i(sink_valid),
    .sink_target_i(sink_target),
    .sink_bank_i(sink_bank),
    .sink_index_i(sink_index),
    .sink_part_i(sink_part[StepPartWidth-1:0]),
    .sink_data_i(sink_data),
    .read_valid_o(read_valid[DmaRead-1:0]),
    .read_address_o(read_address[DmaRead*AddressWidth-1:0]),
    .read_skew_o(read_skew[DmaRead-1:0]),
    .read_row_o(read_row[DmaRead*WordBits-1:0]),
    .read_rotate_o(read_rotate[DmaRead*WordBits-1:0]),
    .read_data_i(read_data[DmaRead*WordWidth-1:0]),
    .write_valid_o(write_valid[DmaWrite-1:0]),
    .write_address_o(write_address[DmaWrite*AddressWidth-1:0]),
    .write_skew_o(write_skew[DmaWrite-1:0]),
    .write_row_o(write_row[DmaWrite*WordBits-1:0]),
    .write_rotate_o(write_rotate[DmaWrite*WordBits-1:0]),
    .write_mask_o(write_mask[DmaWrite*WordBytes-1:0]),
    .write_data_o(write_data[DmaWrite*WordWidth-1:0])
  );

  hws_activation_buffer u_activations (
    .clk_i,
    .rst_ni,
    .read_valid_i(read_valid),
    .read_address_i(read_address),
    .read_skew_i(read_skew),
    .read_row_i(read_row),
    .read_rotate_i(read_rotate),
    .read_data_o(read_data),
    .write_valid_i(write_valid),
    .write_address_i(write_address),
    .write_skew_i(write_skew),
    .write_row_i(write_row),
    .write_rotate_i(write_rotate),
    .write_mask_i(write_mask),
    .write_data_i(write_data),
    .conflict_o(conflict)
  );
endmodule : hws_core
`default_nettype wire
