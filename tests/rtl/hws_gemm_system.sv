// SPDX-License-Identifier: Apache-2.0
// The GEMM engine with its memories for a bench, which loads and reads the memories through ports of its own.
//
// Activation buffer: load_* writes the bytes of a word that the mask names, look_* reads a word (data two cycles later).
// Outlier map: map_* writes it as LayerNorm does. write_valid_o, write_address_o: the engine's write port.
`default_nettype none
module hws_gemm_system #(
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int Columns = hws_pkg::ArrayColumns,
  localparam int WordBytes = hws_pkg::WordBytes,
  localparam int WordWidth = WordBytes * 8,
  localparam int EntryWidth = (Columns > 1) ? $clog2(Columns) : 1,
  localparam int PartWidth = (hws_pkg::StepBeats > 1) ? $clog2(hws_pkg::StepBeats) : 1
) (
  input  wire logic                                  clk_i,
  input  wire logic                                  rst_ni,
  input  wire logic                                  start_valid_i,
  output      logic                                  start_ready_o,
  input  wire logic [ hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic                                  done_o,
  output      logic                                  write_valid_o,
  output      logic [              AddressWidth-1:0] write_address_o,
  output      logic                                  conflict_o,
  input  wire logic                                  load_valid_i,
  input  wire logic [              AddressWidth-1:0] load_address_i,
  input  wire logic [                 WordBytes-1:0] load_mask_i,
  input  wire logic [                 WordWidth-1:0] load_data_i,
  input  wire logic                                  look_valid_i,
  input  wire logic [              AddressWidth-1:0] look_address_i,
  output      logic [                 WordWidth-1:0] look_data_o,
  input  wire logic                                  weight_write_i,
  input  wire logic                                  weight_write_bank_i,
  input  wire logic [  hws_pkg::WeightStepWidth-1:0] weight_write_step_i,
  input  wire logic [                 PartWidth-1:0] weight_write_part_i,
  input  wire logic [        hws_pkg::DramWidth-1:0] weight_write_data_i,
  input  wire logic                                  parameter_write_i,
  input  wire logic                                  parameter_write_bank_i,
  input  wire logic [                EntryWidth-1:0] parameter_write_entry_i,
  input  wire logic [   hws_pkg::ParameterWidth-1:0] parameter_write_data_i,
  input  wire logic                                  row_write_i,
  input  wire logic [    hws_pkg::RowIndexWidth-1:0] row_index_i,
  input  wire logic [    hws_pkg::RowEntryWidth-1:0] row_entry_i,
  input  wire logic                                  map_write_i,
  input  wire logic [    hws_pkg::RowIndexWidth-1:0] map_row_i,
  input  wire logic [        hws_pkg::BeatWidth-1:0] map_beat_i,
  input  wire logic [   hws_pkg::LayernormLanes-1:0] map_bits_i,
  input  wire logic                                  table_write_i,
  input  wire logic [hws_pkg::TableAddressWidth-1:0] table_address_i,
  input  wire logic [        hws_pkg::CodeWidth-1:0] table_code_i,
  input  wire logic                                  codebook_write_i,
  input  wire logic [        hws_pkg::CodeWidth-1:0] codebook_code_i,
  input  wire logic [    hws_pkg::MantissaWidth-1:0] codebook_mantissa_i,
  input  wire logic [   hws_pkg::TermShiftWidth-1:0] codebook_shift_i
);
  localparam int WordBits = hws_pkg::WordBits;
  localparam int Lanes = hws_pkg::DrainLanes;
  localparam int GroupWidth = (Columns > Lanes) ? $clog2(Columns / Lanes) : 1;

  logic row_valid, row_skew, column_valid, column_skew, skip_valid, skip_skew, write_skew;
  logic [AddressWidth-1:0] row_address, column_address, skip_address;
  logic [WordBits-1:0] row_row, row_rotate, column_row, column_rotate, skip_row, skip_rotate, write_row, write_rotate;
  logic [WordWidth-1:0] row_data, column_data, skip_data, write_data;
  logic [WordBytes-1:0] write_mask;
  logic weight_read, weight_read_bank, parameter_read, parameter_read_bank;
  logic [hws_pkg::WeightStepWidth-1:0] weight_read_step;
  logic [Columns*hws_pkg::WeightWidth-1:0] weight_read_data;
  logic [GroupWidth-1:0] parameter_read_group;
  logic [Lanes*hws_pkg::ParameterWidth-1:0] parameter_read_data;

  logic outlier_read, unused_entry;
  logic [hws_pkg::RowTileWidth-1:0] outlier_read_tile;
  logic [hws_pkg::BeatWidth-1:0] outlier_read_beat;
  logic [hws_pkg::LayernormLanes-1:0] outlier_read_bits;

  assign unused_entry = ^row_entry_i;  // LayerNorm's part

  // The bits follow their place by a cycle.
  logic map_write_q;
  logic [hws_pkg::LayernormLanes-1:0] map_bits_q;
  always_ff @(posedge clk_i) {map_write_q, map_bits_q} <= {map_write_i, map_bits_i};

  hws_outlier_map u_outliers (
    .clk_i,
    .next_i(map_write_i),
    .next_row_i(map_row_i),
    .next_beat_i(map_beat_i),
    .write_i(map_write_q),
    .write_bits_i(map_bits_q),
    .read_i(outlier_read),
    .read_tile_i(outlier_read_tile),
    .read_beat_i(outlier_read_beat),
    .read_bits_o(outlier_read_bits)
  );

  hws_gemm u_gemm (
    .clk_i,
    .rst_ni,
    .start_valid_i,
    .start_ready_o,
    .instruction_i,
    .done_o,
    .row_read_valid_o(row_valid),
    .row_read_address_o(row_address),
    .row_read_skew_o(row_skew),
    .row_read_row_o(row_row),
    .row_read_rotate_o(row_rotate),
    .row_read_data_i(row_data),
    .column_read_valid_o(column_valid),
    .column_read_address_o(column_address),
    .column_read_skew_o(column_skew),
    .column_read_row_o(column_row),
    .column_read_rotate_o(column_rotate),
    .column_read_data_i(column_data),
    .skip_read_valid_o(skip_valid),
    .skip_read_address_o(skip_address),
    .skip_read_skew_o(skip_skew),
    .skip_read_row_o(skip_row),
    .skip_read_rotate_o(skip_rotate),
    .skip_read_data_i(skip_data),
    .write_valid_o,
    .write_address_o,
    .write_skew_o(write_skew),
    .write_row_o(write_row),
    .write_rotate_o(write_rotate),
    .write_mask_o(write_mask),
    .write_data_o(write_data),
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
    .row_write_i,
    .row_index_i,
    .row_multiplier_i(row_entry_i[hws_pkg::RowMultiplierWidth-1:0]),
    .row_zero_point_i(row_entry_i[hws_pkg::RowEntryWidth-1-:hws_pkg::ZeroPointWidth]),
    .table_write_i,
    .table_address_i,
    .table_code_i,
    .codebook_write_i,
    .codebook_code_i,
    .codebook_mantissa_i,
    .codebook_shift_i
  );

  hws_activation_buffer #(
    .ReadPorts (4),
    .WritePorts(2)
  ) u_activation_buffer (
    .clk_i,
    .rst_ni,
    .read_valid_i({look_valid_i, skip_valid, column_valid, row_valid}),
    .read_address_i({look_address_i, skip_address, column_address, row_address}),
    .read_skew_i({1'b0, skip_skew, column_skew, row_skew}),
    .read_row_i({WordBits'(0), skip_row, column_row, row_row}),
    .read_rotate_i({WordBits'(0), skip_rotate, column_rotate, row_rotate}),
    .read_data_o({look_data_o, skip_data, column_data, row_data}),
    .write_valid_i({load_valid_i, write_valid_o}),
    .write_address_i({load_address_i, write_address_o}),
    .write_skew_i({1'b0, write_skew}),
    .write_row_i({WordBits'(0), write_row}),
    .write_rotate_i({WordBits'(0), write_rotate}),
    .write_mask_i({load_mask_i, write_mask}),
    .write_data_i({load_data_i, write_data}),
    .conflict_o
  );

  hws_weight_buffer u_weight_buffer (
    .clk_i,
    .rst_ni,
    .weight_write_i,
    .weight_write_bank_i,
    .weight_write_step_i,
    .weight_write_part_i,
    .weight_write_data_i,
    .parameter_write_i,
    .parameter_write_bank_i,
    .parameter_write_entry_i,
    .parameter_write_data_i,
    .weight_read_i(weight_read),
    .weight_read_bank_i(weight_read_bank),
    .weight_read_step_i(weight_read_step),
    .weight_read_data_o(weight_read_data),
    .parameter_read_i(parameter_read),
    .parameter_read_bank_i(parameter_read_bank),
    .parameter_read_group_i(parameter_read_group),
    .parameter_read_data_o(parameter_read_data)
  );
endmodule : hws_gemm_system
`default_nettype wire
