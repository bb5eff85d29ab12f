// SPDX-License-Identifier: Apache-2.0
// Softmax and LayerNorm engines on an activation buffer for their bench, which loads and reads the buffer through a port
// of its own.
//
// active_o: {LayerNorm writes, reads, softmax writes, reads} in this cycle. Words of the bench: skew 0, no rotation.
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

  logic [Ports-1:0] read_valid, read_skew, write_valid, write_skew;
  logic [Ports*AddressWidth-1:0] read_address, write_address;
  logic [Ports*WordBits-1:0] read_row, read_rotate, write_row, write_rotate;
  logic [Ports*WordBytes-1:0] write_mask;
  logic [Ports*WordBytes*8-1:0] read_data, write_data;

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
    .write_data_o(write_data[WordBytes*8+:WordBytes*8])
  );

  hws_activation_buffer #(
    .ReadPorts (Ports),
    .WritePorts(Ports)
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
