// SPDX-License-Identifier: Apache-2.0
// Operand side of the GEMM engine: the loops over column tiles, row tiles and steps, and the reads of each step.
//
//   row operand            rows row_first + i of channel k
//   outliers               of each channel of hws_outlier_list, behind the last k: the high limb's plane, then the low one's
//   column operand         weights: step k; channels: rows column_first + n of channel k; rows: channels column_first + n of row k
//
// A step a cycle. Only a tile's last step waits: DrainWords cycles after that of the tile before, Gap cycles where that was
// another instruction's, so the array never stalls and the drain is empty when its descriptor changes (take_o).
// Addresses grow by increments; the one product of each is formed while the instruction is taken over.
// Latency: the reads of step 0 are at the ports in the cycle after the start.
`default_nettype none
module hws_gemm_operands #(
  parameter int DrainWords = 8,
  parameter int Gap = 22
) (
  input  wire logic                                         clk_i,
  input  wire logic                                         rst_ni,
  input  wire logic                                         start_valid_i,
  output      logic                                         start_ready_o,
  input  wire logic [        hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic [        hws_pkg::InstructionWidth-1:0] instruction_o,
  output      logic                                         step_valid_o,
  output      logic                                         step_last_o,
  output      logic [$clog2(hws_pkg::ArrayRows+1)-1:0]      step_rows_o,
  output      logic [$clog2(hws_pkg::ArrayColumns+1)-1:0]   step_columns_o,
  output      logic                                         step_outlier_o,
  output      logic                                         step_low_o,
  output      logic [            hws_pkg::RowTileWidth-1:0] step_tile_o,
  output      logic                                         take_o,
  output      logic                                         outlier_read_o,
  output      logic [            hws_pkg::RowTileWidth-1:0] outlier_read_tile_o,
  output      logic [               hws_pkg::BeatWidth-1:0] outlier_read_beat_o,
  input  wire logic [          hws_pkg::LayernormLanes-1:0] outlier_read_bits_i,
  output      logic                                         row_read_valid_o,
  output      logic [      hws_pkg::BufferAddressWidth-1:0] row_read_address_o,
  output      logic [                hws_pkg::WordBits-1:0] row_read_rotate_o,
  output      logic                                         column_read_valid_o,
  output      logic [      hws_pkg::BufferAddressWidth-1:0] column_read_address_o,
  output      logic                                         column_read_skew_o,
  output      logic [                hws_pkg::WordBits-1:0] column_read_row_o,
  output      logic [                hws_pkg::WordBits-1:0] column_read_rotate_o,
  output      logic                                         weight_read_o,
  output      logic                                         weight_read_bank_o,
  output      logic [         hws_pkg::WeightStepWidth-1:0] weight_read_step_o
);
  localparam int CountWidth = 16;
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int WordBits = hws_pkg::WordBits;
  localparam int SourceWidth = hws_pkg::GemmColumnSourceWidth;
  localparam int GapWidth = $clog2(Gap + 1);
  localparam int RowsWidth = $clog2(hws_pkg::ArrayRows + 1);
  localparam int TileBits = $clog2(hws_pkg::ArrayRows);
  localparam int ColumnsWidth = $clog2(hws_pkg::ArrayColumns + 1);
  localparam logic [CountWidth-1:0] ArrayRows = CountWidth'(hws_pkg::ArrayRows);
  localparam logic [CountWidth-1:0] ArrayColumns = CountWidth'(hws_pkg::ArrayColumns);

  logic [hws_pkg::InstructionWidth-1:0] instruction_q;
  logic busy_q, first_tile_q, start, issue, step_last, may_end, tile_end, last_row_tile, last_column_tile;
  logic [GapWidth-1:0] gap_q;
  logic [CountWidth-1:0] step_q, rows_left_q, columns_left_q;
  logic [AddressWidth-1:0] row_first_address_q, row_address_q, column_address_q, block_offset_q;
  logic [WordBits-1:0] row_first_low_q, row_low_q, column_low_q;
  logic [hws_pkg::RowTileWidth-1:0] first_row_tile_q, row_tile_q, next_row_tile;

  // Fields of the instruction that runs.
  logic [CountWidth-1:0] rows, steps;
  logic [AddressWidth-1:0] row_stride, column_stride;
  logic [SourceWidth-1:0] source;
  logic from_channels, from_rows;

  assign rows          = instruction_q[hws_pkg::GemmRowsLsb+:CountWidth];
  assign steps         = instruction_q[hws_pkg::GemmStepsLsb+:CountWidth];
  assign row_stride    = AddressWidth'(instruction_q[hws_pkg::GemmRowStrideLsb+:hws_pkg::GemmRowStrideWidth]);
  assign column_stride = AddressWidth'(instruction_q[hws_pkg::GemmColumnStrideLsb+:hws_pkg::GemmColumnStrideWidth]);
  assign source        = instruction_q[hws_pkg::GemmColumnSourceLsb+:SourceWidth];
  assign from_channels = source == SourceWidth'(hws_pkg::GemmColumnSourceChannels);
  assign from_rows     = source == SourceWidth'(hws_pkg::GemmColumnSourceRows);

  // Fields of the instruction that starts: where its first tile begins.
  logic [CountWidth-1:0] next_row_first, next_column_first, next_rows, next_columns;
  logic [AddressWidth-1:0] next_base, next_high, next_low;
  logic [AddressWidth-1:0] next_row_address, next_column_address, next_column_offset;
  logic next_from_channels;

  assign next_row_first = instruction_i[hws_pkg::GemmRowFirstLsb+:CountWidth];
  assign next_column_first = instruction_i[hws_pkg::GemmColumnFirstLsb+:CountWidth];
  assign next_rows = instruction_i[hws_pkg::GemmRowsLsb+:CountWidth];
  assign next_columns = instruction_i[hws_pkg::GemmColumnsLsb+:CountWidth];
  assign next_from_channels  =
      instruction_i[hws_pkg::GemmColumnSourceLsb+:SourceWidth] == SourceWidth'(hws_pkg::GemmColumnSourceChannels);
  assign next_row_address = next_base + AddressWidth'(next_row_first >> WordBits) *
      AddressWidth'(instruction_i[hws_pkg::GemmRowStrideLsb+:hws_pkg::GemmRowStrideWidth]);
  assign next_column_offset  = next_from_channels
      ? AddressWidth'(next_column_first >> WordBits) *
        AddressWidth'(instruction_i[hws_pkg::GemmColumnStrideLsb+:hws_pkg::GemmColumnStrideWidth])
      : AddressWidth'(next_column_first);
  assign next_column_address =
      AddressWidth'(instruction_i[hws_pkg::GemmColumnBaseLsb+:hws_pkg::GemmColumnBaseWidth]) + next_column_offset;

  // Loops. A tile's outliers follow its steps; their list begins with its first step.
  logic outlier_q, low_q, outlier_any, outlier_found, outlier_last, list_start, list_next;
  logic [CountWidth-1:0] outlier_channel;
  logic [AddressWidth-1:0] channel, high_offset_q, low_offset_q, plane_offset;

  assign start = start_valid_i && start_ready_o;
  assign step_last = outlier_q ? low_q && outlier_last : step_q == steps - 1'b1 && !outlier_any;
  assign may_end = first_tile_q ? gap_q == '0 : gap_q <= GapWidth'(Gap - DrainWords);
  assign issue = busy_q && (!step_last || may_end);
  assign tile_end = issue && step_last;
  assign last_row_tile = rows_left_q <= ArrayRows;
  assign last_column_tile = columns_left_q <= ArrayColumns;
  assign start_ready_o = !busy_q || (tile_end && last_row_tile && last_column_tile);

  assign next_base = AddressWidth'(instruction_i[hws_pkg::GemmRowBaseLsb+:hws_pkg::GemmRowBaseWidth]);
  assign next_high = AddressWidth'(instruction_i[hws_pkg::GemmOutlierHighLsb+:hws_pkg::GemmOutlierHighWidth]);
  assign next_low = AddressWidth'(instruction_i[hws_pkg::GemmOutlierLowLsb+:hws_pkg::GemmOutlierLowWidth]);
  assign next_row_tile = start ? hws_pkg::RowTileWidth'(next_row_first >> TileBits) :
                                 last_row_tile ? first_row_tile_q : row_tile_q + 1'b1;
  assign list_start = start ? instruction_i[hws_pkg::GemmOutliersLsb]
                            : tile_end && !start_ready_o && instruction_q[hws_pkg::GemmOutliersLsb];
  assign list_next = issue && outlier_q && low_q;
  assign outlier_any = instruction_q[hws_pkg::GemmOutliersLsb] && outlier_found;
  assign channel = AddressWidth'(outlier_q ? outlier_channel : step_q);

  hws_outlier_list u_outliers (
    .clk_i,
    .rst_ni,
    .start_i(list_start),
    .tile_i(next_row_tile),
    .steps_i(start ? instruction_i[hws_pkg::GemmStepsLsb+:CountWidth] : steps),
    .read_o(outlier_read_o),
    .read_tile_o(outlier_read_tile_o),
    .read_beat_o(outlier_read_beat_o),
    .read_bits_i(outlier_read_bits_i),
    .any_o(outlier_found),
    .next_i(list_next),
    .last_o(outlier_last),
    .channel_o(outlier_channel)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q       <= 1'b0;
      first_tile_q <= 1'b0;
      gap_q        <= '0;
      outlier_q    <= 1'b0;
      low_q        <= 1'b0;
    end else begin
      if (issue) outlier_q <= !tile_end && (outlier_q || step_q == steps - 1'b1);
      if (issue) low_q <= outlier_q && !low_q;
      busy_q <= start || !start_ready_o;
      if (start) first_tile_q <= 1'b1;
      else if (tile_end) first_tile_q <= 1'b0;
      if (tile_end) gap_q <= GapWidth'(Gap - 1);
      else if (gap_q != '0) gap_q <= gap_q - 1'b1;
    end
  end

  // A tile's first row crosses into the next row of blocks when its number's low bits come round to 0.
  logic [WordBits-1:0] next_row_low, next_column_low;
  logic [AddressWidth-1:0] row_advance, column_advance;

  assign next_row_low    = row_low_q + WordBits'(hws_pkg::ArrayRows);
  assign next_column_low = column_low_q + WordBits'(hws_pkg::ArrayColumns);
  assign row_advance     = (next_row_low == '0) ? row_stride : '0;
  assign column_advance  = (next_column_low == '0) ? column_stride : '0;

  // None of these needs a reset: busy_q guards them.
  always_ff @(posedge clk_i) begin
    if (start) begin
      instruction_q <= instruction_i;
      step_q <= '0;
      block_offset_q <= '0;
      rows_left_q <= next_rows;
      columns_left_q <= next_columns;
      row_first_address_q <= next_row_address;
      row_address_q <= next_row_address;
      column_address_q <= next_column_address;
      row_first_low_q <= WordBits'(next_row_first);
      row_low_q <= WordBits'(next_row_first);
      column_low_q <= WordBits'(next_column_first);
      row_tile_q <= next_row_tile;
      first_row_tile_q <= next_row_tile;
      high_offset_q <= next_high - next_base;
      low_offset_q <= next_low - next_base;
    end else if (tile_end) begin
      step_q         <= '0;
      block_offset_q <= '0;
      row_tile_q     <= next_row_tile;
      if (!last_row_tile) begin
        rows_left_q   <= rows_left_q - ArrayRows;
        row_address_q <= row_address_q + row_advance;
        row_low_q     <= next_row_low;
      end else begin
        rows_left_q      <= rows;
        row_address_q    <= row_first_address_q;
        row_low_q        <= row_first_low_q;
        columns_left_q   <= columns_left_q - ArrayColumns;
        column_address_q <= column_address_q + column_advance;
        column_low_q     <= next_column_low;
      end
    end else if (issue && !outlier_q) begin
      step_q <= step_q + 1'b1;
      if (WordBits'(step_q) == '1) block_offset_q <= block_offset_q + column_stride;
    end
  end

  assign instruction_o         = instruction_q;
  assign step_valid_o          = issue;
  assign step_last_o           = step_last;
  assign step_rows_o           = RowsWidth'(last_row_tile ? rows_left_q : ArrayRows);
  assign step_columns_o        = ColumnsWidth'(last_column_tile ? columns_left_q : ArrayColumns);
  assign step_outlier_o        = outlier_q;
  assign step_low_o            = low_q;
  assign step_tile_o           = row_tile_q;
  assign take_o                = tile_end && first_tile_q;

  assign row_read_valid_o      = issue;
  assign row_read_address_o    = row_address_q + channel + plane_offset;
  assign row_read_rotate_o     = row_low_q + WordBits'(channel);
  assign plane_offset          = !outlier_q ? '0 : low_q ? low_offset_q : high_offset_q;

  assign column_read_valid_o   = issue && (from_channels || from_rows);
  assign column_read_address_o = column_address_q + (from_rows ? block_offset_q : AddressWidth'(step_q));
  assign column_read_skew_o    = from_rows;
  assign column_read_row_o     = WordBits'(step_q);
  assign column_read_rotate_o  = column_low_q + WordBits'(step_q);

  assign weight_read_o         = issue && !from_channels && !from_rows;
  assign weight_read_bank_o    = instruction_q[hws_pkg::GemmBankLsb];
  assign weight_read_step_o    = hws_pkg::WeightStepWidth'(channel);

  initial begin
    if (2 ** WordBits != hws_pkg::WordBytes) $fatal(1, "WordBytes must be a power of two");
    if (hws_pkg::WordBytes % hws_pkg::ArrayRows != 0) $fatal(1, "ArrayRows must divide WordBytes");
    if (hws_pkg::WordBytes % hws_pkg::ArrayColumns != 0) $fatal(1, "ArrayColumns must divide WordBytes");
  end
endmodule : hws_gemm_operands
`default_nettype wire
