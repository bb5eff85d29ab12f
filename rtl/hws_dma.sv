// SPDX-License-Identifier: Apache-2.0
// DMA: loads from DRAM to the activation buffer and to the sinks, stores from the activation buffer; one at a time.
//
// Started in cycle s: checked in s + 1, first address on AXI in s + 2, first read of the activation buffer in s + 3;
// hwsim/timing/dma.py has the rest. done_o: last piece of a load at its port, or one cycle after the last response to a
// store. An instruction that hws_dma_check refuses ends in s + 2 with its error and without AXI traffic; one that DRAM
// answers with an error runs to its end. error_valid_o is high for one cycle, up to done_o, at most once an instruction.
// AXI4: 32-bit addresses, bursts of incrementing whole beats, one identifier, responses always taken.
`default_nettype none
module hws_dma #(
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = hws_pkg::WordBits,
  localparam int WordBytes = hws_pkg::WordBytes,
  localparam int DramWidth = hws_pkg::DramWidth,
  localparam int DramAddressWidth = hws_pkg::DramAddressWidth
) (
  input  wire logic                                 clk_i,
  input  wire logic                                 rst_ni,
  input  wire logic                                 start_valid_i,
  output      logic                                 start_ready_o,
  input  wire logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic                                 done_o,
  input  wire logic [         DramAddressWidth-1:0] dram_base_i,
  input  wire logic [         DramAddressWidth-1:0] dram_bytes_i,
  output      logic                                 error_valid_o,
  output      logic [                          3:0] error_code_o,
  output      logic                                 busy_o,
  output      logic                                 m_axi_awid_o,
  output      logic [         DramAddressWidth-1:0] m_axi_awaddr_o,
  output      logic [                          7:0] m_axi_awlen_o,
  output      logic [                          2:0] m_axi_awsize_o,
  output      logic [                          1:0] m_axi_awburst_o,
  output      logic [                          3:0] m_axi_awcache_o,
  output      logic [                          2:0] m_axi_awprot_o,
  output      logic                                 m_axi_awvalid_o,
  input  wire logic                                 m_axi_awready_i,
  output      logic [                DramWidth-1:0] m_axi_wdata_o,
  output      logic [              DramWidth/8-1:0] m_axi_wstrb_o,
  output      logic                                 m_axi_wlast_o,
  output      logic                                 m_axi_wvalid_o,
  input  wire logic                                 m_axi_wready_i,
  input  wire logic [                          1:0] m_axi_bresp_i,
  input  wire logic                                 m_axi_bvalid_i,
  output      logic                                 m_axi_bready_o,
  output      logic                                 m_axi_arid_o,
  output      logic [         DramAddressWidth-1:0] m_axi_araddr_o,
  output      logic [                          7:0] m_axi_arlen_o,
  output      logic [                          2:0] m_axi_arsize_o,
  output      logic [                          1:0] m_axi_arburst_o,
  output      logic [                          3:0] m_axi_arcache_o,
  output      logic [                          2:0] m_axi_arprot_o,
  output      logic                                 m_axi_arvalid_o,
  input  wire logic                                 m_axi_arready_i,
  input  wire logic [                DramWidth-1:0] m_axi_rdata_i,
  input  wire logic [                          1:0] m_axi_rresp_i,
  input  wire logic                                 m_axi_rlast_i,
  input  wire logic                                 m_axi_rvalid_i,
  output      logic                                 m_axi_rready_o,
  output      logic                                 read_valid_o,
  output      logic [             AddressWidth-1:0] read_address_o,
  output      logic                                 read_skew_o,
  output      logic [                 WordBits-1:0] read_row_o,
  output      logic [                 WordBits-1:0] read_rotate_o,
  input  wire logic [              WordBytes*8-1:0] read_data_i,
  output      logic                                 write_valid_o,
  output      logic [             AddressWidth-1:0] write_address_o,
  output      logic                                 write_skew_o,
  output      logic [                 WordBits-1:0] write_row_o,
  output      logic [                 WordBits-1:0] write_rotate_o,
  output      logic [                WordBytes-1:0] write_mask_o,
  output      logic [              WordBytes*8-1:0] write_data_o,
  output      logic                                 sink_valid_o,
  output      logic [                          3:0] sink_target_o,
  output      logic                                 sink_bank_o,
  output      logic [                         15:0] sink_index_o,
  output      logic [                          5:0] sink_part_o,
  output      logic [                DramWidth-1:0] sink_data_o
);
  localparam int Entries = 4;  // beats between the activation buffer and AXI: a read takes so many cycles to come back
  localparam int BeatsWidth = hws_pkg::LoadBeatsWidth;
  localparam logic [1:0] INCREMENTING = 2'b01;
  localparam logic [3:0] BUFFERABLE = 4'b0011;  // and modifiable: plain memory
  localparam logic [1:0] OKAY = 2'b00;

  logic [hws_pkg::InstructionWidth-1:0] instruction;
  logic [DramAddressWidth-1:0] address;
  logic [BeatsWidth-1:0] beats;
  logic [AddressWidth-1:0] origin;
  logic address_load, address_store, begin_load, begin_store, load_done, unused_load_final, r_taken;
  logic store_final, gathered, take, mismatch;
  logic [DramWidth/8-1:0] gathered_strobe;

  assign address = instruction[hws_pkg::LoadAddressLsb+:DramAddressWidth];
  assign beats = instruction[hws_pkg::LoadBeatsLsb+:BeatsWidth];
  assign r_taken = m_axi_rvalid_i && m_axi_rready_o;

  assign {m_axi_awid_o, m_axi_awprot_o, m_axi_arid_o, m_axi_arprot_o} = '0;
  assign m_axi_awsize_o = 3'($clog2(hws_pkg::DramBytes));
  assign m_axi_arsize_o = 3'($clog2(hws_pkg::DramBytes));
  assign m_axi_awburst_o = INCREMENTING;
  assign m_axi_arburst_o = INCREMENTING;
  assign m_axi_awcache_o = BUFFERABLE;
  assign m_axi_arcache_o = BUFFERABLE;
  assign m_axi_bready_o = 1'b1;

  hws_dma_control u_control (
    .clk_i,
    .rst_ni,
    .start_valid_i,
    .start_ready_o,
    .instruction_i,
    .done_o,
    .busy_o,
    .error_valid_o,
    .error_code_o,
    .dram_base_i,
    .dram_bytes_i,
    .instruction_o(instruction),
    .origin_o(origin),
    .address_load_o(address_load),
    .address_store_o(address_store),
    .begin_load_o(begin_load),
    .begin_store_o(begin_store),
    .load_done_i(load_done),
    .store_end_i(m_axi_bvalid_i && store_final),
    .read_error_i(r_taken && m_axi_rresp_i != OKAY),
    .write_error_i(m_axi_bvalid_i && m_axi_bresp_i != OKAY),
    .mismatch_i(mismatch)
  );

  hws_dma_bursts u_read_bursts (
    .clk_i,
    .rst_ni,
    .start_i  (address_load),
    .address_i(address),
    .beats_i  (beats),
    .valid_o  (m_axi_arvalid_o),
    .ready_i  (m_axi_arready_i),
    .address_o(m_axi_araddr_o),
    .length_o (m_axi_arlen_o),
    .retire_i (r_taken && m_axi_rlast_i),
    .final_o  (unused_load_final)
  );

  hws_dma_scatter u_scatter (
    .clk_i,
    .rst_ni,
    .start_i      (begin_load),
    .instruction_i(instruction),
    .origin_i     (origin),
    .done_o       (load_done),
    .in_valid_i   (m_axi_rvalid_i),
    .in_ready_o   (m_axi_rready_o),
    .in_data_i    (m_axi_rdata_i),
    .write_valid_o,
    .write_address_o,
    .write_skew_o,
    .write_row_o,
    .write_rotate_o,
    .write_mask_o,
    .write_data_o,
    .sink_valid_o,
    .sink_target_o,
    .sink_bank_o,
    .sink_index_o,
    .sink_part_o,
    .sink_data_o
  );

  hws_dma_bursts u_write_bursts (
    .clk_i,
    .rst_ni,
    .start_i  (address_store),
    .address_i(address),
    .beats_i  (beats),
    .valid_o  (m_axi_awvalid_o),
    .ready_i  (m_axi_awready_i),
    .address_o(m_axi_awaddr_o),
    .length_o (m_axi_awlen_o),
    .retire_i (m_axi_bvalid_i),
    .final_o  (store_final)
  );

  hws_dma_gather #(
    .Entries(Entries)
  ) u_gather (
    .clk_i,
    .rst_ni,
    .start_i      (begin_store),
    .instruction_i(instruction),
    .origin_i     (origin),
    .mismatch_o   (mismatch),
    .read_valid_o,
    .read_address_o,
    .read_skew_o,
    .read_row_o,
    .read_rotate_o,
    .out_valid_o  (gathered),
    .out_strobe_o (gathered_strobe),
    .take_i       (take)
  );

  hws_dma_write #(
    .Entries(Entries)
  ) u_write (
    .clk_i,
    .rst_ni,
    .start_i        (begin_store),
    .beats_i        (beats),
    .place_i        (address[$clog2(hws_pkg::DramBytes)+:$clog2(hws_pkg::BurstBeats)]),
    .address_valid_i(m_axi_awvalid_o),
    .address_ready_i(m_axi_awready_i),
    .in_valid_i     (gathered),
    .in_strobe_i    (gathered_strobe),
    .in_data_i      (read_data_i[DramWidth-1:0]),
    .take_o         (take),
    .valid_o        (m_axi_wvalid_o),
    .ready_i        (m_axi_wready_i),
    .data_o         (m_axi_wdata_o),
    .strobe_o       (m_axi_wstrb_o),
    .last_o         (m_axi_wlast_o)
  );
endmodule : hws_dma
`default_nettype wire
