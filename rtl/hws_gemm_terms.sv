// SPDX-License-Identifier: Apache-2.0
// From a step's data to the array's operands: decoded rows, the selected columns, 0 where the product has neither.
//
//   mantissa[i], shift[i] = decode(row code i), 0 for i >= rows;   weight[n] = column code n, 0 for n >= columns
//
// What belongs to a step (format, source, bounds) arrives with its reads and waits here for the data, because the next
// instruction may be read meanwhile. Zero points of the rows of step_tile_i, with row_scales, come from memories of their
// own, a row lane each. Limbs of outliers (step_outlier_i) are plain codes: the high one signed, shift 8, the low one not, 0. The memory of lanes that do not exist may never have been written; the AND keeps
// that away from the array.
// Latency: 2 cycles for the data (step at t, its data in t + 2), 1 in the decoders and the register beside them.
`default_nettype none
module hws_gemm_terms #(
  parameter int Rows = hws_pkg::ArrayRows,
  parameter int Columns = hws_pkg::ArrayColumns,
  localparam int RowsWidth = $clog2(Rows + 1),
  localparam int ColumnsWidth = $clog2(Columns + 1)
) (
  input  wire logic                                    clk_i,
  input  wire logic                                    rst_ni,
  input  wire logic                                    codebook_write_i,
  input  wire logic [          hws_pkg::CodeWidth-1:0] codebook_code_i,
  input  wire logic [      hws_pkg::MantissaWidth-1:0] codebook_mantissa_i,
  input  wire logic [     hws_pkg::TermShiftWidth-1:0] codebook_shift_i,
  input  wire logic                                    row_write_i,
  input  wire logic [      hws_pkg::RowIndexWidth-1:0] row_index_i,
  input  wire logic [     hws_pkg::ZeroPointWidth-1:0] row_zero_point_i,
  input  wire logic [   hws_pkg::InstructionWidth-1:0] instruction_i,
  input  wire logic                                    step_valid_i,
  input  wire logic                                    step_last_i,
  input  wire logic                                    step_weights_i,
  input  wire logic                                    step_outlier_i,
  input  wire logic                                    step_low_i,
  input  wire logic [       hws_pkg::RowTileWidth-1:0] step_tile_i,
  input  wire logic [                   RowsWidth-1:0] step_rows_i,
  input  wire logic [                ColumnsWidth-1:0] step_columns_i,
  input  wire logic [     Rows*hws_pkg::CodeWidth-1:0] row_data_i,
  input  wire logic [  Columns*hws_pkg::CodeWidth-1:0] column_data_i,
  input  wire logic [Columns*hws_pkg::WeightWidth-1:0] weight_data_i,
  output      logic                                    out_valid_o,
  output      logic                                    out_last_o,
  output      logic [ Rows*hws_pkg::MantissaWidth-1:0] out_mantissa_o,
  output      logic [Rows*hws_pkg::TermShiftWidth-1:0] out_shift_o,
  output      logic [Columns*hws_pkg::WeightWidth-1:0] out_weight_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int MantissaWidth = hws_pkg::MantissaWidth;
  localparam int ShiftWidth = hws_pkg::TermShiftWidth;
  localparam int WeightWidth = hws_pkg::WeightWidth;
  localparam int ZeroPointWidth = hws_pkg::ZeroPointWidth;
  localparam int KindWidth = hws_pkg::GemmOperandKindWidth;
  localparam int BitsWidth = hws_pkg::GemmOperandBitsWidth;
  localparam int FormatWidth = KindWidth + BitsWidth + ShiftWidth + 2 + ZeroPointWidth;
  localparam int TileBits = $clog2(Rows);
  localparam int LimbShift = 8;

  logic unused_instruction, unused_column_bits;
  logic valid_q, valid_q2, last_q, last_q2, last_q3, weights_q, weights_q2, code_signed;
  logic [RowsWidth-1:0] rows_q, rows_q2, rows_q3;
  logic [ColumnsWidth-1:0] columns_q, columns_q2, columns_q3;
  logic [FormatWidth-1:0] format, own_format, limb_format, format_q, format_q2;
  logic [hws_pkg::RowTileWidth-1:0] tile_q;
  logic row_zeros;
  logic [Rows*ZeroPointWidth-1:0] zero_points;
  logic [KindWidth-1:0] kind;
  logic [BitsWidth-1:0] bits;
  logic [ShiftWidth-1:0] exponent;
  logic [ZeroPointWidth-1:0] zero_point;
  logic [Rows*MantissaWidth-1:0] mantissa;
  logic [Rows*ShiftWidth-1:0] shift;

  assign unused_instruction = ^instruction_i;
  assign unused_column_bits = ^column_data_i;  // where weights have fewer bits than a code

  assign own_format = {
    instruction_i[hws_pkg::GemmOperandKindLsb+:KindWidth],
    instruction_i[hws_pkg::GemmOperandBitsLsb+:BitsWidth],
    ShiftWidth'(instruction_i[hws_pkg::GemmOperandExponentLsb+:hws_pkg::GemmOperandExponentWidth]),
    instruction_i[hws_pkg::GemmOperandSignedLsb],
    instruction_i[hws_pkg::GemmRowScalesLsb],
    instruction_i[hws_pkg::GemmOperandZeroLsb+:ZeroPointWidth]
  };
  assign limb_format = {
    KindWidth'(hws_pkg::GemmOperandKindUniform),
    BitsWidth'(CodeWidth),
    step_low_i ? '0 : ShiftWidth'(LimbShift),
    !step_low_i,
    1'b0,
    ZeroPointWidth'(0)
  };
  assign format = step_outlier_i ? limb_format : own_format;
  assign {kind, bits, exponent, code_signed, row_zeros, zero_point} = format_q2;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) {valid_q, valid_q2} <= '0;
    else {valid_q, valid_q2} <= {step_valid_i, valid_q};
  end

  // No data register needs a reset: the valid bits guard them. _q2 is beside the data, _q3 behind the decoder.
  always_ff @(posedge clk_i) begin
    {last_q, last_q2, last_q3}          <= {step_last_i, last_q, last_q2};
    {weights_q, weights_q2}             <= {step_weights_i, weights_q};
    {rows_q, rows_q2, rows_q3}          <= {step_rows_i, rows_q, rows_q2};
    {columns_q, columns_q2, columns_q3} <= {step_columns_i, columns_q, columns_q2};
    {format_q, format_q2}               <= {format, format_q};
    tile_q                              <= step_tile_i;
  end

  hws_row_decoder #(
    .Lanes(Rows)
  ) u_decoder (
    .clk_i,
    .rst_ni,
    .codebook_write_i,
    .codebook_code_i,
    .codebook_mantissa_i,
    .codebook_shift_i,
    .kind_i(kind),
    .bits_i(bits),
    .exponent_i(exponent),
    .signed_i(code_signed),
    .zero_points_i(zero_points),
    .in_valid_i(valid_q2),
    .in_code_i(row_data_i),
    .out_valid_o,
    .out_mantissa_o(mantissa),
    .out_shift_o(shift)
  );

  assign out_last_o = last_q3;

  for (genvar row = 0; row < Rows; row++) begin : gen_rows
    logic exists;
    logic [ZeroPointWidth-1:0] row_zero_point;

    // Read beside the operand's memory: the tile arrives with the step, a cycle before its data.
    hws_ram_1r1w #(
      .Width(ZeroPointWidth),
      .Depth(hws_pkg::RowTiles)
    ) u_zero_points (
      .clk_i,
      .write_i(row_write_i && (row_index_i & hws_pkg::RowIndexWidth'(Rows - 1)) == hws_pkg::RowIndexWidth'(row)),
      .write_address_i(hws_pkg::RowTileWidth'(row_index_i >> TileBits)),
      .write_data_i(row_zero_point_i),
      .read_i(valid_q),
      .read_address_i(tile_q),
      .read_data_o(row_zero_point)
    );

    assign zero_points[row*ZeroPointWidth+:ZeroPointWidth] = row_zeros ? row_zero_point : zero_point;
    assign exists = RowsWidth'(row) < rows_q3;
    assign out_mantissa_o[row*MantissaWidth+:MantissaWidth] =
        mantissa[row*MantissaWidth+:MantissaWidth] & {MantissaWidth{exists}};
    assign out_shift_o[row*ShiftWidth+:ShiftWidth] = shift[row*ShiftWidth+:ShiftWidth] & {ShiftWidth{exists}};
  end

  for (genvar column = 0; column < Columns; column++) begin : gen_columns
    logic [WeightWidth-1:0] weight_q3;
    logic exists;
    assign exists = ColumnsWidth'(column) < columns_q3;
    always_ff @(posedge clk_i) begin
      if (weights_q2) weight_q3 <= weight_data_i[column*WeightWidth+:WeightWidth];
      else weight_q3 <= column_data_i[column*CodeWidth+:WeightWidth];
    end
    assign out_weight_o[column*WeightWidth+:WeightWidth] = weight_q3 & {WeightWidth{exists}};
  end
endmodule : hws_gemm_terms
`default_nettype wire
