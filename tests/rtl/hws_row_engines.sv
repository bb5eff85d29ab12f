// SPDX-License-Identifier: Apache-2.0
// Softmax and LayerNorm engines on an activation buffer for their bench, which loads and reads the buffer through a port
// of its own.
//
// map_*: a read of the outlier map, its bits a cycle later. active_o: {LayerNorm writes, reads, softmax writes, reads} in this cycle. Words of the bench: skew 0, no rotation.
`default_nettype none
module hws_row_engines (
  input  wire logic                                   clk_i,
  input  wire logic                                   rst_ni,
  input  wire logic                                   softmax_valid_i,
  output      logic                                   softmax_ready_o,
  input  wire logic [  hws_pkg::InstructionWidth-1:0] softmax_instruction_i,
  output      logic                                   softmax_done_o,
  input  wire logic                                   layernorm_valid_i,
  output      logic                                   layernorm_ready_o,
  input  wire logic [  hws_pkg::InstructionWidth-1:0] layernorm_instruction_i,
  output      logic                                   layernorm_done_o,
  input  wire logic                                   threshold_write_i,
  input  wire logic [         hws_pkg::CodeWidth-1:0] threshold_index_i,
  input  wire logic [  hws_pkg::ProbabilityWidth-1:0] threshold_i,
  input  wire logic                                   row_write_i,
  input  wire logic [     hws_pkg::RowIndexWidth-1:0] row_index_i,
  input  wire logic [     hws_pkg::RowEntryWidth-1:0] row_entry_i,
  input  wire logic                                   map_read_i,
  input  wire logic [      hws_pkg::RowTileWidth-1:0] map_tile_i,
  input  wire logic [         hws_pkg::BeatWidth-1:0] map_beat_i,
  output      logic [    hws_pkg::LayernormLanes-1:0] map_bits_o,
  input  wire logic                                   param_write_i,
  input  wire logic [       hws_pkg::ChannelBits-1:0] param_channel_i,
  input  wire logic [                           63:0] param_data_i,
  input  wire logic                                   read_valid_i,
  input  wire logic [hws_pkg::BufferAddressWidth-1:0] read_address_i,
  output      logic [       hws_pkg::WordBytes*8-1:0] read_data_o,
  input  wire logic                                   write_valid_i,
  input  wire logic [hws_pkg::BufferAddressWidth-1:0] write_address_i,
  input  wire logic [       hws_pkg::WordBytes*8-1:0] write_data_i,
  output      logic [                            3:0] active_o,
  output      logic                                   conflict_o
);
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int WordBits = hws_pkg::WordBits;
  localparam int WordBytes = hws_pkg::WordBytes;
  localparam int Ports = 3;  // softmax, LayerNorm, bench
  localparam int Writers = Ports + 2;  // and LayerNorm's planes
  localparam int EncodeLsb = hws_pkg::RowMultiplierWidth;

  logic [Ports-1:0] read_valid, read_skew;
  logic [Ports*AddressWidth-1:0] read_address;
  logic [Ports*WordBits-1:0] read_row, read_rotate;
  logic [Ports*WordBytes*8-1:0] read_data;
  logic [Writers-1:0] write_valid, write_skew;
  logic [Writers*AddressWidth-1:0] write_address;
  logic [Writers*WordBits-1:0] write_row, write_rotate;
  logic [  Writers*WordBytes-1:0] write_mask;
  logic [Writers*WordBytes*8-1:0] write_data;
  logic map_next, map_write, unused_entry;
  logic [hws_pkg::RowIndexWidth-1:0] map_row;
  logic [hws_pkg::BeatWidth-1:0] map_beat;
  logic [hws_pkg::LayernormLanes-1:0] map_bits;

  assign unused_entry = ^row_entry_i;  // the requantiser's part

  for (genvar port = Ports; port < Writers; port++) begin : gen_planes
    assign write_skew[port]                      = write_skew[1];
    assign write_row[port*WordBits+:WordBits]    = write_row[WordBits+:WordBits];
    assign write_rotate[port*WordBits+:WordBits] = write_rotate[WordBits+:WordBits];
    assign write_mask[port*WordBytes+:WordBytes] = write_mask[WordBytes+:WordBytes];
  end

  assign write_valid[Ports+1] = write_valid[Ports];

  hws_outlier_map u_map (
    .clk_i,
    .next_i(map_next),
    .next_row_i(map_row),
    .next_beat_i(map_beat),
    .write_i(map_write),
    .write_bits_i(map_bits),
    .read_i(map_read_i),
    .read_tile_i(map_tile_i),
    .read_beat_i(map_beat_i),
    .read_bits_o(map_bits_o)
  );

  assign read_valid[2]                               = read_valid_i;
  assign read_address[2*AddressWidth+:AddressWidth]  = read_address_i;
  assign read_skew[2]                                = 1'b0;
  assign read_row[2*WordBits+:WordBits]              = '0;
  assign read_rotate[2*WordBits+:WordBits]           = '0;
  assign read_data_o                                 = read_data[2*WordBytes*8+:WordBytes*8];
  assign write_valid[2]                              = write_valid_i;
  assign write_address[2*AddressWidth+:AddressWidth] = write_address_i;
  assign write_skew[2]                               = 1'b0;
  assign write_row[2*WordBits+:WordBits]             = '0;
  assign write_rotate[2*WordBits+:WordBits]          = '0;
  assign write_mask[2*WordBytes+:WordBytes]          = '1;
  assign write_data[2*WordBytes*8+:WordBytes*8]      = write_data_i;
  assign active_o                                    = {write_valid[1], read_valid[1], write_valid[0], read_valid[0]};

  hws_softmax_engine u_softmax (
    .clk_i,
    .rst_ni,
    .start_valid_i(softmax_valid_i),
    .start_ready_o(softmax_ready_o),
    .instruction_i(softmax_instruction_i),
    .done_o(softmax_done_o),
    .threshold_write_i,
    .threshold_index_i,
    .threshold_i,
    .read_valid_o(read_valid[0]),
    .read_address_o(read_address[0+:AddressWidth]),
    .read_skew_o(read_skew[0]),
    .read_row_o(read_row[0+:WordBits]),
    .read_rotate_o(read_rotate[0+:WordBits]),
    .read_data_i(read_data[0+:WordBytes*8]),
    .write_valid_o(write_valid[0]),
    .write_address_o(write_address[0+:AddressWidth]),
    .write_skew_o(write_skew[0]),
    .write_row_o(write_row[0+:WordBits]),
    .write_rotate_o(write_rotate[0+:WordBits]),
    .write_mask_o(write_mask[0+:WordBytes]),
    .write_data_o(write_data[0+:WordBytes*8])
  );

  hws_layernorm_engine u_layernorm (
    .clk_i,
    .rst_ni,
    .start_valid_i(layernorm_valid_i),
    .start_ready_o(layernorm_ready_o),
    .instruction_i(layernorm_instruction_i),
    .done_o(layernorm_done_o),
    .row_write_i,
    .row_index_i,
    .row_multiplier_i(row_entry_i[EncodeLsb+:hws_pkg::EncodeMultiplierWidth]),
    .row_zero_point_i(row_entry_i[hws_pkg::RowEntryWidth-1-:hws_pkg::ZeroPointWidth]),
    .param_write_i,
    .param_channel_i,
    .param_data_i,
    .read_valid_o(read_valid[1]),
    .read_address_o(read_address[AddressWidth+:AddressWidth]),
    .read_skew_o(read_skew[1]),
    .read_row_o(read_row[WordBits+:WordBits]),
    .read_rotate_o(read_rotate[WordBits+:WordBits]),
    .read_data_i(read_data[WordBytes*8+:WordBytes*8]),
    .write_valid_o(write_valid[1]),
    .write_address_o(write_address[AddressWidth+:AddressWidth]),
    .write_skew_o(write_skew[1]),
    .write_row_o(write_row[WordBits+:WordBits]),
    .write_rotate_o(write_rotate[WordBits+:WordBits]),
    .write_mask_o(write_mask[WordBytes+:WordBytes]),
    .write_data_o(write_data[WordBytes*8+:WordBytes*8]),
    .plane_write_valid_o(write_valid[Ports]),
    .high_write_address_o(write_address[Ports*AddressWidth+:AddressWidth]),
    .high_write_data_o(write_data[Ports*WordBytes*8+:WordBytes*8]),
    .low_write_address_o(write_address[(Ports+1)*AddressWidth+:AddressWidth]),
    .low_write_data_o(write_data[(Ports+1)*WordBytes*8+:WordBytes*8]),
    .map_next_o(map_next),
    .map_row_o(map_row),
    .map_beat_o(map_beat),
    .map_write_o(map_write),
    .map_bits_o(map_bits)
  );

  hws_activation_buffer #(
    .ReadPorts (Ports),
    .WritePorts(Writers)
  ) u_activations (
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
    .conflict_o
  );
endmodule : hws_row_engines
`default_nettype wire
