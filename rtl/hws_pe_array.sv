// SPDX-License-Identifier: Apache-2.0
// Output-stationary array of Rows x Columns processing elements; tiles run back to back while the last one drains.
//
//   acc[t][n] = sum over the steps k of a tile of (mantissa[t] * weight[n]) << shift[t]
//
// A step carries one mantissa and shift a row and one weight a column, broadcast (no skew, so no fill). in_last marks
// a tile's last step. The sums leave DrainLanes a word, row-major: word w holds row w / WordsPerRow, columns
// (w % WordsPerRow) * DrainLanes and up, the first column in the low bits. out_last marks a tile's last word.
// Style PeTwoAccumulator: all nonzero shifts of a tile are equal.
//
// Pipeline: operands _q, product _q2, sum and shadow _q3. First word: 3 cycles after the last step was accepted.
// A tile costs max(steps, DrainWords) cycles. in_ready falls only while a last step waits for the shadow to empty;
// it is then combinational from out_ready.
`default_nettype none
module hws_pe_array #(
  parameter int Rows = hws_pkg::ArrayRows,
  parameter int Columns = hws_pkg::ArrayColumns,
  parameter int DrainLanes = hws_pkg::DrainLanes,
  parameter int Style = hws_pkg::PeStyle
) (
  input  wire logic                                    clk_i,
  input  wire logic                                    rst_ni,
  input  wire logic                                    in_valid_i,
  output      logic                                    in_ready_o,
  input  wire logic [ Rows*hws_pkg::MantissaWidth-1:0] in_mantissa_i,
  input  wire logic [Rows*hws_pkg::TermShiftWidth-1:0] in_shift_i,
  input  wire logic [Columns*hws_pkg::WeightWidth-1:0] in_weight_i,
  input  wire logic                                    in_last_i,
  output      logic                                    out_valid_o,
  input  wire logic                                    out_ready_i,
  output      logic [DrainLanes*hws_pkg::AccWidth-1:0] out_data_o,
  output      logic                                    out_last_o
);
  localparam int MantissaWidth = hws_pkg::MantissaWidth;
  localparam int ShiftWidth = hws_pkg::TermShiftWidth;
  localparam int WeightWidth = hws_pkg::WeightWidth;
  localparam int AccWidth = hws_pkg::AccWidth;
  localparam int SumWidth = (Style == hws_pkg::PeShift) ? AccWidth : 2 * AccWidth;

  logic [MantissaWidth-1:0] mantissa_q[Rows];
  logic [ShiftWidth-1:0] shift_q[Rows];
  logic [WeightWidth-1:0] weight_q[Columns];
  // Row-major; the words after the last PE are 0, which a drained shadow shifts in.
  wire [SumWidth-1:0] shadow[Rows*Columns+DrainLanes];

  logic load, multiply, accumulate, first, capture, drain;

  hws_pe_array_control #(
    .DrainWords(Rows * Columns / DrainLanes)
  ) u_control (
    .clk_i,
    .rst_ni,
    .in_valid_i,
    .in_ready_o,
    .in_last_i,
    .load_o(load),
    .multiply_o(multiply),
    .accumulate_o(accumulate),
    .first_o(first),
    .capture_o(capture),
    .drain_o(drain),
    .out_valid_o,
    .out_ready_i,
    .out_last_o
  );

  // Operand registers need no reset: the control guards them.
  for (genvar row = 0; row < Rows; row++) begin : gen_row_operands
    always_ff @(posedge clk_i) begin
      if (load) begin
        mantissa_q[row] <= in_mantissa_i[row*MantissaWidth+:MantissaWidth];
        shift_q[row]    <= in_shift_i[row*ShiftWidth+:ShiftWidth];
      end
    end
  end

  for (genvar column = 0; column < Columns; column++) begin : gen_column_operands
    always_ff @(posedge clk_i) begin
      if (load) weight_q[column] <= in_weight_i[column*WeightWidth+:WeightWidth];
    end
  end

  for (genvar row = 0; row < Rows; row++) begin : gen_rows
    for (genvar column = 0; column < Columns; column++) begin : gen_columns
      hws_pe #(
        .Style(Style)
      ) u_pe (
        .clk_i,
        .multiply_i(multiply),
        .accumulate_i(accumulate),
        .first_i(first),
        .capture_i(capture),
        .drain_i(drain),
        .mantissa_i(mantissa_q[row]),
        .shift_i(shift_q[row]),
        .weight_i(weight_q[column]),
        .shadow_i(shadow[row*Columns+column+DrainLanes]),
        .shadow_o(shadow[row*Columns+column])
      );
    end
  end

  for (genvar lane = 0; lane < DrainLanes; lane++) begin : gen_chain_ends
    assign shadow[Rows*Columns+lane] = '0;
  end

  if (Style == hws_pkg::PeShift) begin : gen_shift
    for (genvar lane = 0; lane < DrainLanes; lane++) begin : gen_lanes
      assign out_data_o[lane*AccWidth+:AccWidth] = shadow[lane];
    end
  end else begin : gen_two_accumulator
    logic [ShiftWidth-1:0] any_shift, coarse_shift;

    always_comb begin
      any_shift = '0;
      for (int row = 0; row < Rows; row++) any_shift = any_shift | shift_q[row];
    end

    hws_coarse_shift u_coarse_shift (
      .clk_i,
      .rst_ni,
      .multiply_i(multiply),
      .capture_i(capture),
      .any_shift_i(any_shift),
      .coarse_shift_o(coarse_shift)
    );

    for (genvar lane = 0; lane < DrainLanes; lane++) begin : gen_lanes
      assign out_data_o[lane*AccWidth+:AccWidth] =
          shadow[lane][AccWidth-1:0] + (shadow[lane][SumWidth-1:AccWidth] << coarse_shift);
    end
  end

  initial begin
    if (Columns % DrainLanes != 0) $fatal(1, "DrainLanes must divide Columns");
  end
endmodule : hws_pe_array
`default_nettype wire
