// SPDX-License-Identifier: Apache-2.0
// Drain side of the GEMM engine: the array's words of sums to words of codes in the activation buffer.
//
//   equation: hws_drain_path; places: hws_gemm_cursor, one for the old codes or constants, one for the result
//
// Cycles from the array's output to the write port: 1 the word waits for the parameters of its columns, 8 hws_drain_path,
// 1 register, together 10. A word a cycle, never a stall. done_o: the product's last word is at the write port.
// take_i copies the instruction in the cycle of its first tile's last step, when nothing of the one before is left here.
// The result has 16 bits with out_halfwords (zeros above codes of a table), else 8. A word without row or first column is neither read nor written; one whose columns end inside it is, whole.
`default_nettype none
module hws_gemm_drain #(
  parameter int Lanes = hws_pkg::DrainLanes,
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = hws_pkg::WordBits,
  localparam int WordBytes = hws_pkg::WordBytes,
  localparam int Groups = hws_pkg::ArrayColumns / Lanes,
  localparam int GroupWidth = (Groups > 1) ? $clog2(Groups) : 1
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic                                     take_i,
  input  wire logic [    hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic                                     done_o,
  input  wire logic                                     in_valid_i,
  input  wire logic [      Lanes*hws_pkg::AccWidth-1:0] in_acc_i,
  output      logic                                     parameter_read_o,
  output      logic                                     parameter_read_bank_o,
  output      logic [                   GroupWidth-1:0] parameter_read_group_o,
  input  wire logic [Lanes*hws_pkg::ParameterWidth-1:0] parameter_read_data_i,
  output      logic                                     skip_read_valid_o,
  output      logic [                 AddressWidth-1:0] skip_read_address_o,
  output      logic                                     skip_read_skew_o,
  output      logic [                     WordBits-1:0] skip_read_row_o,
  output      logic [                     WordBits-1:0] skip_read_rotate_o,
  input  wire logic [      Lanes*hws_pkg::OutWidth-1:0] skip_read_data_i,
  output      logic                                     write_valid_o,
  output      logic [                 AddressWidth-1:0] write_address_o,
  output      logic                                     write_skew_o,
  output      logic [                     WordBits-1:0] write_row_o,
  output      logic [                     WordBits-1:0] write_rotate_o,
  output      logic [                    WordBytes-1:0] write_mask_o,
  output      logic [                  WordBytes*8-1:0] write_data_o,
  input  wire logic                                     row_write_i,
  input  wire logic [       hws_pkg::RowIndexWidth-1:0] row_index_i,
  input  wire logic [  hws_pkg::RowMultiplierWidth-1:0] row_multiplier_i,
  input  wire logic                                     table_write_i,
  input  wire logic [   hws_pkg::TableAddressWidth-1:0] table_address_i,
  input  wire logic [           hws_pkg::CodeWidth-1:0] table_code_i
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int OutWidth = hws_pkg::OutWidth;
  localparam int OperationWidth = hws_pkg::GemmDrainWidth;
  localparam int WriteStage = 10;
  localparam int SkipStage = 3;  // two cycles before the requantiser's result

  logic [hws_pkg::InstructionWidth-1:0] descriptor_q;
  logic unused_descriptor, unused_skip_last, take_q, constant, skip, halfwords;
  logic [WriteStage:1] valid_q;  // by cycles behind the array's output
  logic [OperationWidth-1:0] operation;

  // No data register here needs a reset: take_q and the valid bits guard them.
  always_ff @(posedge clk_i) if (take_i) descriptor_q <= instruction_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      take_q  <= 1'b0;
      valid_q <= '0;
    end else begin
      take_q  <= take_i;
      valid_q <= {valid_q[WriteStage-1:1], in_valid_i};
    end
  end

  assign unused_descriptor = ^descriptor_q;  // the operand side's fields
  assign operation         = descriptor_q[hws_pkg::GemmDrainLsb+:OperationWidth];
  assign constant          = operation == OperationWidth'(hws_pkg::GemmDrainConstant);
  assign skip              = constant || operation == OperationWidth'(hws_pkg::GemmDrainResidual);
  assign halfwords         = descriptor_q[hws_pkg::GemmOutHalfwordsLsb];

  // Parameters of the word's columns. Words are row-major and tiles whole, so the groups of columns come round and round.
  logic group_end;
  logic [GroupWidth-1:0] group_q;
  logic [hws_pkg::RowMultiplierWidth-1:0] row_multiplier;
  logic [15:0] rows;
  logic [Lanes*hws_pkg::AccWidth-1:0] acc_q;
  logic [Lanes*OutWidth-1:0] result, result_q;

  assign group_end              = group_q == GroupWidth'(Groups - 1);
  assign parameter_read_o       = in_valid_i;
  assign parameter_read_bank_o  = descriptor_q[hws_pkg::GemmBankLsb];
  assign parameter_read_group_o = group_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) group_q <= '0;
    else if (in_valid_i) group_q <= group_end ? '0 : group_q + 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (in_valid_i) acc_q <= in_acc_i;
    if (valid_q[WriteStage-1]) result_q <= result;
  end

  hws_row_multipliers u_row_multipliers (
    .clk_i,
    .write_i(row_write_i),
    .write_row_i(row_index_i),
    .write_multiplier_i(row_multiplier_i),
    .load_i(take_q),
    .first_row_i(descriptor_q[hws_pkg::GemmRowFirstLsb+:16]),
    .rows_i(rows),
    .read_i(in_valid_i),
    .row_end_i(group_end),
    .multiplier_o(row_multiplier)
  );

  hws_drain_path #(
    .Lanes(Lanes)
  ) u_path (
    .clk_i,
    .rst_ni,
    .operation_i(operation),
    .row_scales_i(descriptor_q[hws_pkg::GemmRowScalesLsb]),
    .zero_point_i(descriptor_q[hws_pkg::GemmZeroPointLsb+:OutWidth]),
    .lo_i(descriptor_q[hws_pkg::GemmLoLsb+:OutWidth]),
    .hi_i(descriptor_q[hws_pkg::GemmHiLsb+:OutWidth]),
    .multiplier_i(hws_pkg::MultiplierWidth'(descriptor_q[hws_pkg::GemmMultiplierLsb+:hws_pkg::GemmMultiplierWidth])),
    .shift_i(hws_pkg::MultiplierShiftWidth'(descriptor_q[hws_pkg::GemmShiftLsb+:hws_pkg::GemmShiftWidth])),
    .guard_i(descriptor_q[hws_pkg::GemmGuardLsb+:hws_pkg::GemmGuardWidth]),
    .code_lo_i(descriptor_q[hws_pkg::GemmCodeLoLsb+:OutWidth]),
    .code_hi_i(descriptor_q[hws_pkg::GemmCodeHiLsb+:OutWidth]),
    .table_write_i,
    .table_address_i,
    .table_code_i,
    .in_valid_i(valid_q[1]),
    .in_acc_i(acc_q),
    .in_row_multiplier_i(row_multiplier),
    .in_parameters_i(parameter_read_data_i),
    .in_skip_i(skip_read_data_i),
    .out_data_o(result)
  );

  // Places.
  logic [15:0] columns, out_row, out_channel;
  logic skip_inside, write_inside, last;

  assign rows        = descriptor_q[hws_pkg::GemmRowsLsb+:16];
  assign columns     = descriptor_q[hws_pkg::GemmColumnsLsb+:16];
  assign out_row     = descriptor_q[hws_pkg::GemmOutRowLsb+:16];
  assign out_channel = descriptor_q[hws_pkg::GemmOutChannelLsb+:16];

  hws_gemm_cursor #(
    .Lanes(Lanes)
  ) u_skip (
    .clk_i,
    .load_i(take_q),
    .halfwords_i(constant),
    .base_i(AddressWidth'(descriptor_q[hws_pkg::GemmSkipBaseLsb+:hws_pkg::GemmSkipBaseWidth])),
    .stride_i(AddressWidth'(descriptor_q[hws_pkg::GemmSkipStrideLsb+:hws_pkg::GemmSkipStrideWidth])),
    .first_row_i(out_row),
    .first_channel_i(out_channel),
    .rows_i(rows),
    .columns_i(columns),
    .advance_i(valid_q[SkipStage]),
    .address_o(skip_read_address_o),
    .skew_o(skip_read_skew_o),
    .row_o(skip_read_row_o),
    .rotate_o(skip_read_rotate_o),
    .inside_o(skip_inside),
    .last_o(unused_skip_last)
  );

  hws_gemm_cursor #(
    .Lanes(Lanes)
  ) u_result (
    .clk_i,
    .load_i(take_q),
    .halfwords_i(halfwords),
    .base_i(AddressWidth'(descriptor_q[hws_pkg::GemmOutBaseLsb+:hws_pkg::GemmOutBaseWidth])),
    .stride_i(AddressWidth'(descriptor_q[hws_pkg::GemmOutStrideLsb+:hws_pkg::GemmOutStrideWidth])),
    .first_row_i(out_row),
    .first_channel_i(out_channel),
    .rows_i(rows),
    .columns_i(columns),
    .advance_i(valid_q[WriteStage]),
    .address_o(write_address_o),
    .skew_o(write_skew_o),
    .row_o(write_row_o),
    .rotate_o(write_rotate_o),
    .inside_o(write_inside),
    .last_o(last)
  );

  assign skip_read_valid_o = valid_q[SkipStage] && skip && skip_inside;
  assign write_valid_o     = valid_q[WriteStage] && write_inside;
  assign write_mask_o      = halfwords ? WordBytes'((2 * Lanes)'('1)) : WordBytes'(Lanes'('1));
  assign done_o            = valid_q[WriteStage] && last;

  // Bytes of the word from its first one on.
  logic [Lanes*CodeWidth-1:0] codes;

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_codes
    assign codes[lane*CodeWidth+:CodeWidth] = result_q[lane*OutWidth+:CodeWidth];
  end

  assign write_data_o = halfwords ? (WordBytes * 8)'(result_q) : (WordBytes * 8)'(codes);
endmodule : hws_gemm_drain
`default_nettype wire
