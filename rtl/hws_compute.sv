// SPDX-License-Identifier: Apache-2.0
// The three compute engines with the weight buffer, and the DMA's sink that fills their memories.
//
// Engine q of the queues 1 to Count - 1: start_valid_i[q], start_ready_o[q], done_o[q], its instruction from bit q * Width.
// Ports of the activation buffer: all but the DMA's, on flat buses in the order of hws_pkg::ReadRow and the rest.
`default_nettype none
module hws_compute #(
  localparam int Count = hws_pkg::QueueCount,
  localparam int Width = hws_pkg::InstructionWidth,
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = hws_pkg::WordBits,
  localparam int WordBytes = hws_pkg::WordBytes,
  localparam int WordWidth = WordBytes * 8,
  localparam int Readers = hws_pkg::ReadPorts - 1,
  localparam int Writers = hws_pkg::WritePorts - 1,
  localparam int PartWidth = (hws_pkg::StepBeats > 1) ? $clog2(hws_pkg::StepBeats) : 1
) (
  input wire logic clk_i,
  input wire logic rst_ni,
  input wire logic [Count-1:1] start_valid_i,
  output logic [Count-1:1] start_ready_o,
  input wire logic [Count*Width-1:Width] instruction_i,
  output logic [Count-1:1] done_o,
  input wire logic sink_valid_i,
  input wire logic [3:0] sink_target_i,
  input wire logic sink_bank_i,
  input wire logic [15:0] sink_index_i,
  input wire logic [PartWidth-1:0] sink_part_i,
  input wire logic [hws_pkg::DramWidth-1:0] sink_data_i,
  output logic [Readers-1:0] read_valid_o,
  output logic [Readers*AddressWidth-1:0] read_address_o,
  output logic [Readers-1:0] read_skew_o,
  output logic [Readers*WordBits-1:0] read_row_o,
  output logic [Readers*WordBits-1:0] read_rotate_o,
  input wire logic [Readers*WordWidth-1:0] read_data_i,
  output logic [Writers-1:0] write_valid_o,
  output logic [Writers*AddressWidth-1:0] write_address_o,
  output logic [Writers-1:0] write_skew_o,
  output logic [Writers*WordBits-1:0] write_row_o,
  output logic [Writers*WordBits-1:0] write_rotate_o,
  output logic [Writers*WordBytes-1:0] write_mask_o,
  output logic [Writers*WordWidth-1:0] write_data_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int ColumnWidth = $clog2(hws_pkg::ArrayColumns);
  localparam int Groups = hws_pkg::ArrayColumns / hws_pkg::DrainLanes;
  localparam int GroupWidth = (Groups > 1) ? $clog2(Groups) : 1;
  localparam int RowRead = hws_pkg::ReadRow;
  localparam int ColumnRead = hws_pkg::ReadColumn;
  localparam int SkipRead = hws_pkg::ReadSkip;
  localparam int SoftmaxRead = hws_pkg::ReadSoftmax;
  localparam int LayernormRead = hws_pkg::ReadLayernorm;
  localparam int DrainWrite = hws_pkg::WriteDrain;
  localparam int SoftmaxWrite = hws_pkg::WriteSoftmax;
  localparam int LayernormWrite = hws_pkg::WriteLayernorm;
  localparam int HighWrite = hws_pkg::WriteOutlierHigh;
  localparam int LowWrite = hws_pkg::WriteOutlierLow;
  // Places in an entry of the row table.
  localparam int EncodeLsb = hws_pkg::RowMultiplierWidth;
  localparam int ZeroPointLsb = EncodeLsb + hws_pkg::EncodeMultiplierWidth;

  logic to_weights, to_parameters, to_table, to_layernorm, to_codebook, to_rows;
  logic weight_read, weight_read_bank, parameter_read, parameter_read_bank;
  logic [hws_pkg::WeightStepWidth-1:0] weight_read_step;
  logic [hws_pkg::ArrayColumns*hws_pkg::WeightWidth-1:0] weight_read_data;
  logic [GroupWidth-1:0] parameter_read_group;
  logic [hws_pkg::DrainLanes*hws_pkg::ParameterWidth-1:0] parameter_read_data;

  assign to_weights = sink_valid_i && sink_target_i == 4'(hws_pkg::LoadTargetWeights);
  assign to_parameters = sink_valid_i && sink_target_i == 4'(hws_pkg::SinkParameters);
  assign to_table = sink_valid_i && sink_target_i == 4'(hws_pkg::LoadTargetTable);
  assign to_layernorm = sink_valid_i && sink_target_i == 4'(hws_pkg::LoadTargetLayernorm);
  assign to_codebook = sink_valid_i && sink_target_i == 4'(hws_pkg::LoadTargetCodebook);
  assign to_rows = sink_valid_i && sink_target_i == 4'(hws_pkg::LoadTargetRowMultipliers);

  logic outlier_read, map_next, map_write;
  logic [hws_pkg::RowTileWidth-1:0] outlier_read_tile;
  logic [hws_pkg::BeatWidth-1:0] outlier_read_beat, map_beat;
  logic [hws_pkg::LayernormLanes-1:0] outlier_read_bits, map_bits;
  logic [hws_pkg::RowIndexWidth-1:0] row_index, map_row;
  logic [hws_pkg::RowEntryWidth-1:0] row_entry;

  assign {row_index, row_entry} = {sink_index_i[hws_pkg::RowIndexWidth-1:0], sink_data_i[hws_pkg::RowEntryWidth-1:0]};

  hws_gemm u_gemm (
    .clk_i,
    .rst_ni,
    .start_valid_i(start_valid_i[hws_pkg::QueueArray]),
    .start_ready_o(start_ready_o[hws_pkg::QueueArray]),
    .instruction_i(instruction_i[hws_pkg::QueueArray*Width+:Width]),
    .done_o(done_o[hws_pkg::QueueArray]),
    .row_read_valid_o(read_valid_o[RowRead]),
    .row_read_address_o(read_address_o[RowRead*AddressWidth+:AddressWidth]),
    .row_read_skew_o(read_skew_o[RowRead]),
    .row_read_row_o(read_row_o[RowRead*WordBits+:WordBits]),
    .row_read_rotate_o(read_rotate_o[RowRead*WordBits+:WordBits]),
    .row_read_data_i(read_data_i[RowRead*WordWidth+:WordWidth]),
    .column_read_valid_o(read_valid_o[ColumnRead]),
    .column_read_address_o(read_address_o[ColumnRead*AddressWidth+:AddressWidth]),
    .column_read_skew_o(read_skew_o[ColumnRead]),
    .column_read_row_o(read_row_o[ColumnRead*WordBits+:WordBits]),
    .column_read_rotate_o(read_rotate_o[ColumnRead*WordBits+:WordBits]),
    .column_read_data_i(read_data_i[ColumnRead*WordWidth+:WordWidth]),
    .skip_read_valid_o(read_valid_o[SkipRead]),
    .skip_read_address_o(read_address_o[SkipRead*AddressWidth+:AddressWidth]),
    .skip_read_skew_o(read_skew_o[SkipRead]),
    .skip_read_row_o(read_row_o[SkipRead*WordBits+:WordBits]),
    .skip_read_rotate_o(read_rotate_o[SkipRead*WordBits+:WordBits]),
    .skip_read_data_i(read_data_i[SkipRead*WordWidth+:WordWidth]),
    .write_valid_o(write_valid_o[DrainWrite]),
    .write_address_o(write_address_o[DrainWrite*AddressWidth+:AddressWidth]),
    .write_skew_o(write_skew_o[DrainWrite]),
    .write_row_o(write_row_o[DrainWrite*WordBits+:WordBits]),
    .write_rotate_o(write_rotate_o[DrainWrite*WordBits+:WordBits]),
    .write_mask_o(write_mask_o[DrainWrite*WordBytes+:WordBytes]),
    .write_data_o(write_data_o[DrainWrite*WordWidth+:WordWidth]),
    .weight_read_o(weight_read),
    .weight_read_bank_o(weight_read_bank),
    .weight_read_step_o(weight_read_step),
    .weight_read_data_i(weight_read_data),
    .parameter_read_o(parameter_read),
    .parameter_read_bank_o(parameter_read_bank),
    .parameter_read_group_o(parameter_read_group),
    .parameter_read_data_i(parameter_read_data),
    .outlier_read_o(outlier_read),
    .outlier_read_tile_o(outlier_read_tile),
    .outlier_read_beat_o(outlier_read_beat),
    .outlier_read_bits_i(outlier_read_bits),
    .row_write_i(to_rows),
    .row_index_i(row_index),
    .row_multiplier_i(row_entry[EncodeLsb-1:0]),
    .row_zero_point_i(row_entry[ZeroPointLsb+:hws_pkg::ZeroPointWidth]),
    .table_write_i(to_table),
    .table_address_i(sink_index_i[hws_pkg::TableAddressWidth-1:0]),
    .table_code_i(sink_data_i[CodeWidth-1:0]),
    .codebook_write_i(to_codebook && sink_index_i[CodeWidth+:8] == '0),
    .codebook_code_i(sink_index_i[CodeWidth-1:0]),
    .codebook_mantissa_i(sink_data_i[hws_pkg::MantissaWidth-1:0]),
    .codebook_shift_i(sink_data_i[16+:hws_pkg::TermShiftWidth])
  );

  hws_softmax_engine u_softmax (
    .clk_i,
    .rst_ni,
    .start_valid_i(start_valid_i[hws_pkg::QueueSoftmax]),
    .start_ready_o(start_ready_o[hws_pkg::QueueSoftmax]),
    .instruction_i(instruction_i[hws_pkg::QueueSoftmax*Width+:Width]),
    .done_o(done_o[hws_pkg::QueueSoftmax]),
    .threshold_write_i(to_codebook && sink_index_i[CodeWidth]),
    .threshold_index_i(sink_index_i[CodeWidth-1:0]),
    .threshold_i(sink_data_i[hws_pkg::ProbabilityWidth-1:0]),
    .read_valid_o(read_valid_o[SoftmaxRead]),
    .read_address_o(read_address_o[SoftmaxRead*AddressWidth+:AddressWidth]),
    .read_skew_o(read_skew_o[SoftmaxRead]),
    .read_row_o(read_row_o[SoftmaxRead*WordBits+:WordBits]),
    .read_rotate_o(read_rotate_o[SoftmaxRead*WordBits+:WordBits]),
    .read_data_i(read_data_i[SoftmaxRead*WordWidth+:WordWidth]),
    .write_valid_o(write_valid_o[SoftmaxWrite]),
    .write_address_o(write_address_o[SoftmaxWrite*AddressWidth+:AddressWidth]),
    .write_skew_o(write_skew_o[SoftmaxWrite]),
    .write_row_o(write_row_o[SoftmaxWrite*WordBits+:WordBits]),
    .write_rotate_o(write_rotate_o[SoftmaxWrite*WordBits+:WordBits]),
    .write_mask_o(write_mask_o[SoftmaxWrite*WordBytes+:WordBytes]),
    .write_data_o(write_data_o[SoftmaxWrite*WordWidth+:WordWidth])
  );

  hws_layernorm_engine u_layernorm (
    .clk_i,
    .rst_ni,
    .start_valid_i(start_valid_i[hws_pkg::QueueLayernorm]),
    .start_ready_o(start_ready_o[hws_pkg::QueueLayernorm]),
    .instruction_i(instruction_i[hws_pkg::QueueLayernorm*Width+:Width]),
    .done_o(done_o[hws_pkg::QueueLayernorm]),
    .row_write_i(to_rows),
    .row_index_i(row_index),
    .row_multiplier_i(row_entry[EncodeLsb+:hws_pkg::EncodeMultiplierWidth]),
    .row_zero_point_i(row_entry[ZeroPointLsb+:hws_pkg::ZeroPointWidth]),
    .param_write_i(to_layernorm),
    .param_channel_i(sink_index_i[hws_pkg::ChannelBits-1:0]),
    .param_data_i(sink_data_i[63:0]),
    .read_valid_o(read_valid_o[LayernormRead]),
    .read_address_o(read_address_o[LayernormRead*AddressWidth+:AddressWidth]),
    .read_skew_o(read_skew_o[LayernormRead]),
    .read_row_o(read_row_o[LayernormRead*WordBits+:WordBits]),
    .read_rotate_o(read_rotate_o[LayernormRead*WordBits+:WordBits]),
    .read_data_i(read_data_i[LayernormRead*WordWidth+:WordWidth]),
    .write_valid_o(write_valid_o[LayernormWrite]),
    .write_address_o(write_address_o[LayernormWrite*AddressWidth+:AddressWidth]),
    .write_skew_o(write_skew_o[LayernormWrite]),
    .write_row_o(write_row_o[LayernormWrite*WordBits+:WordBits]),
    .write_rotate_o(write_rotate_o[LayernormWrite*WordBits+:WordBits]),
    .write_mask_o(write_mask_o[LayernormWrite*WordBytes+:WordBytes]),
    .write_data_o(write_data_o[LayernormWrite*WordWidth+:WordWidth]),
    .plane_write_valid_o(write_valid_o[HighWrite]),
    .high_write_address_o(write_address_o[HighWrite*AddressWidth+:AddressWidth]),
    .high_write_data_o(write_data_o[HighWrite*WordWidth+:WordWidth]),
    .low_write_address_o(write_address_o[LowWrite*AddressWidth+:AddressWidth]),
    .low_write_data_o(write_data_o[LowWrite*WordWidth+:WordWidth]),
    .map_next_o(map_next),
    .map_row_o(map_row),
    .map_beat_o(map_beat),
    .map_write_o(map_write),
    .map_bits_o(map_bits)
  );

  // The planes lie as the codes do.
  assign write_valid_o[LowWrite] = write_valid_o[HighWrite];
  for (genvar port = HighWrite; port <= LowWrite; port++) begin : gen_planes
    assign write_skew_o[port] = write_skew_o[LayernormWrite];
    assign write_row_o[port*WordBits+:WordBits] = write_row_o[LayernormWrite*WordBits+:WordBits];
    assign write_rotate_o[port*WordBits+:WordBits] = write_rotate_o[LayernormWrite*WordBits+:WordBits];
    assign write_mask_o[port*WordBytes+:WordBytes] = write_mask_o[LayernormWrite*WordBytes+:WordBytes];
  end

  hws_outlier_map u_outliers (
    .clk_i,
    .next_i(map_next),
    .next_row_i(map_row),
    .next_beat_i(map_beat),
    .write_i(map_write),
    .write_bits_i(map_bits),
    .read_i(outlier_read),
    .read_tile_i(outlier_read_tile),
    .read_beat_i(outlier_read_beat),
    .read_bits_o(outlier_read_bits)
  );

  hws_weight_buffer u_weights (
    .clk_i,
    .rst_ni,
    .weight_write_i(to_weights),
    .weight_write_bank_i(sink_bank_i),
    .weight_write_step_i(sink_index_i[hws_pkg::WeightStepWidth-1:0]),
    .weight_write_part_i(sink_part_i),
    .weight_write_data_i(sink_data_i),
    .parameter_write_i(to_parameters),
    .parameter_write_bank_i(sink_bank_i),
    .parameter_write_entry_i(sink_index_i[ColumnWidth-1:0]),
    .parameter_write_data_i(sink_data_i[hws_pkg::ParameterWidth-1:0]),
    .weight_read_i(weight_read),
    .weight_read_bank_i(weight_read_bank),
    .weight_read_step_i(weight_read_step),
    .weight_read_data_o(weight_read_data),
    .parameter_read_i(parameter_read),
    .parameter_read_bank_i(parameter_read_bank),
    .parameter_read_group_i(parameter_read_group),
    .parameter_read_data_o(parameter_read_data)
  );
endmodule : hws_compute
`default_nettype wire
