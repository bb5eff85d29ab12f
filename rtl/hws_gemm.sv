// SPDX-License-Identifier: Apache-2.0
// GEMM engine: out[r][c] = drain(sum over k of row[r][k] * column[c][k]), tile by tile, between the memories.
//
//   operand side: hws_gemm_operands -> memories -> hws_row_decoder -> hws_pe_array -> drain side: hws_gemm_drain
//
// Formats: docs/numerics.md; instruction: docs/isa.md; ports and cycles: docs/microarchitecture.md.
// A step's reads at t, operands at the decoder in t + 2, at the array in t + 3, its tile's sums out from t + 6, written from
// t + 16. Last write of an instruction: GEMM_DONE = rows * columns / lanes + 15 cycles after the last step of its last
// tile. Rigid: nothing stalls, and the spacing of last steps keeps the array ready.
// Lanes of rows and columns that do not exist are 0, whatever the memories hold there.
`default_nettype none
module hws_gemm #(
  localparam int Rows = hws_pkg::ArrayRows,
  localparam int Columns = hws_pkg::ArrayColumns,
  localparam int Lanes = hws_pkg::DrainLanes,
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = hws_pkg::WordBits,
  localparam int WordBytes = hws_pkg::WordBytes,
  localparam int GroupWidth = (Columns > Lanes) ? $clog2(Columns / Lanes) : 1
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic                                     start_valid_i,
  output      logic                                     start_ready_o,
  input  wire logic [    hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic                                     done_o,
  output      logic                                     row_read_valid_o,
  output      logic [                 AddressWidth-1:0] row_read_address_o,
  output      logic                                     row_read_skew_o,
  output      logic [                     WordBits-1:0] row_read_row_o,
  output      logic [                     WordBits-1:0] row_read_rotate_o,
  input  wire logic [                  WordBytes*8-1:0] row_read_data_i,
  output      logic                                     column_read_valid_o,
  output      logic [                 AddressWidth-1:0] column_read_address_o,
  output      logic                                     column_read_skew_o,
  output      logic [                     WordBits-1:0] column_read_row_o,
  output      logic [                     WordBits-1:0] column_read_rotate_o,
  input  wire logic [                  WordBytes*8-1:0] column_read_data_i,
  output      logic                                     skip_read_valid_o,
  output      logic [                 AddressWidth-1:0] skip_read_address_o,
  output      logic                                     skip_read_skew_o,
  output      logic [                     WordBits-1:0] skip_read_row_o,
  output      logic [                     WordBits-1:0] skip_read_rotate_o,
  input  wire logic [                  WordBytes*8-1:0] skip_read_data_i,
  output      logic                                     write_valid_o,
  output      logic [                 AddressWidth-1:0] write_address_o,
  output      logic                                     write_skew_o,
  output      logic [                     WordBits-1:0] write_row_o,
  output      logic [                     WordBits-1:0] write_rotate_o,
  output      logic [                    WordBytes-1:0] write_mask_o,
  output      logic [                  WordBytes*8-1:0] write_data_o,
  output      logic                                     weight_read_o,
  output      logic                                     weight_read_bank_o,
  output      logic [     hws_pkg::WeightStepWidth-1:0] weight_read_step_o,
  input  wire logic [ Columns*hws_pkg::WeightWidth-1:0] weight_read_data_i,
  output      logic                                     parameter_read_o,
  output      logic                                     parameter_read_bank_o,
  output      logic [                   GroupWidth-1:0] parameter_read_group_o,
  input  wire logic [Lanes*hws_pkg::ParameterWidth-1:0] parameter_read_data_i,
  output      logic                                     outlier_read_o,
  output      logic [        hws_pkg::RowTileWidth-1:0] outlier_read_tile_o,
  output      logic [           hws_pkg::BeatWidth-1:0] outlier_read_beat_o,
  input  wire logic [      hws_pkg::LayernormLanes-1:0] outlier_read_bits_i,
  input  wire logic                                     row_write_i,
  input  wire logic [       hws_pkg::RowIndexWidth-1:0] row_index_i,
  input  wire logic [  hws_pkg::RowMultiplierWidth-1:0] row_multiplier_i,
  input  wire logic [      hws_pkg::ZeroPointWidth-1:0] row_zero_point_i,
  input  wire logic                                     table_write_i,
  input  wire logic [   hws_pkg::TableAddressWidth-1:0] table_address_i,
  input  wire logic [           hws_pkg::CodeWidth-1:0] table_code_i,
  input  wire logic                                     codebook_write_i,
  input  wire logic [           hws_pkg::CodeWidth-1:0] codebook_code_i,
  input  wire logic [       hws_pkg::MantissaWidth-1:0] codebook_mantissa_i,
  input  wire logic [      hws_pkg::TermShiftWidth-1:0] codebook_shift_i
);
  localparam int DrainWords = Rows * Columns / Lanes;
  localparam int Gap = DrainWords + 15;  // GEMM_GAP = GEMM_DONE
  localparam int RowsWidth = $clog2(Rows + 1);
  localparam int ColumnsWidth = $clog2(Columns + 1);

  logic [hws_pkg::InstructionWidth-1:0] instruction;
  logic step_valid, step_last, step_outlier, step_low, take;
  logic [hws_pkg::RowTileWidth-1:0] step_tile;
  logic [RowsWidth-1:0] step_rows;
  logic [ColumnsWidth-1:0] step_columns;
  logic array_valid, array_last, sum_valid, unused_array_ready, unused_sum_last;
  logic [Rows*hws_pkg::MantissaWidth-1:0] mantissa;
  logic [Rows*hws_pkg::TermShiftWidth-1:0] shift;
  logic [Columns*hws_pkg::WeightWidth-1:0] weight;
  logic [Lanes*hws_pkg::AccWidth-1:0] sum;

  assign row_read_skew_o = 1'b0;
  assign row_read_row_o  = '0;

  hws_gemm_operands #(
    .DrainWords(DrainWords),
    .Gap(Gap)
  ) u_operands (
    .clk_i,
    .rst_ni,
    .start_valid_i,
    .start_ready_o,
    .instruction_i,
    .instruction_o(instruction),
    .step_valid_o(step_valid),
    .step_last_o(step_last),
    .step_rows_o(step_rows),
    .step_columns_o(step_columns),
    .step_outlier_o(step_outlier),
    .step_low_o(step_low),
    .step_tile_o(step_tile),
    .take_o(take),
    .outlier_read_o,
    .outlier_read_tile_o,
    .outlier_read_beat_o,
    .outlier_read_bits_i,
    .row_read_valid_o,
    .row_read_address_o,
    .row_read_rotate_o,
    .column_read_valid_o,
    .column_read_address_o,
    .column_read_skew_o,
    .column_read_row_o,
    .column_read_rotate_o,
    .weight_read_o,
    .weight_read_bank_o,
    .weight_read_step_o
  );

  hws_gemm_terms u_terms (
    .clk_i,
    .rst_ni,
    .codebook_write_i,
    .codebook_code_i,
    .codebook_mantissa_i,
    .codebook_shift_i,
    .row_write_i,
    .row_index_i,
    .row_zero_point_i,
    .instruction_i(instruction),
    .step_valid_i(step_valid),
    .step_last_i(step_last),
    .step_weights_i(weight_read_o),
    .step_outlier_i(step_outlier),
    .step_low_i(step_low),
    .step_tile_i(step_tile),
    .step_rows_i(step_rows),
    .step_columns_i(step_columns),
    .row_data_i(row_read_data_i[Rows*hws_pkg::CodeWidth-1:0]),
    .column_data_i(column_read_data_i[Columns*hws_pkg::CodeWidth-1:0]),
    .weight_data_i(weight_read_data_i),
    .out_valid_o(array_valid),
    .out_last_o(array_last),
    .out_mantissa_o(mantissa),
    .out_shift_o(shift),
    .out_weight_o(weight)
  );

  hws_pe_array u_array (
    .clk_i,
    .rst_ni,
    .in_valid_i(array_valid),
    .in_ready_o(unused_array_ready),
    .in_mantissa_i(mantissa),
    .in_shift_i(shift),
    .in_weight_i(weight),
    .in_last_i(array_last),
    .out_valid_o(sum_valid),
    .out_ready_i(1'b1),
    .out_data_o(sum),
    .out_last_o(unused_sum_last)
  );

  hws_gemm_drain u_drain (
    .clk_i,
    .rst_ni,
    .take_i(take),
    .instruction_i(instruction),
    .done_o,
    .in_valid_i(sum_valid),
    .in_acc_i(sum),
    .parameter_read_o,
    .parameter_read_bank_o,
    .parameter_read_group_o,
    .parameter_read_data_i,
    .skip_read_valid_o,
    .skip_read_address_o,
    .skip_read_skew_o,
    .skip_read_row_o,
    .skip_read_rotate_o,
    .skip_read_data_i(skip_read_data_i[Lanes*hws_pkg::OutWidth-1:0]),
    .write_valid_o,
    .write_address_o,
    .write_skew_o,
    .write_row_o,
    .write_rotate_o,
    .write_mask_o,
    .write_data_o,
    .row_write_i,
    .row_index_i,
    .row_multiplier_i,
    .table_write_i,
    .table_address_i,
    .table_code_i
  );

  // Narrower operands than the word leave bytes of it unread.
  logic unused_bytes;
  assign unused_bytes = ^{row_read_data_i, column_read_data_i, skip_read_data_i};
endmodule : hws_gemm
`default_nettype wire
