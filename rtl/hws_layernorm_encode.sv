// SPDX-License-Identifier: Apache-2.0
// Output side of the LayerNorm engine: results of 16 bits through hws_encoder_row, with the row table's entry of each row.
//
// start_i takes an instruction. A result of row r, counted from 0, has the entry out_row + r. out_valid_o: codes, and with
// outliers the limbs, are at the write ports, the limbs' planes as far from out_address_i as their bases from the result's;
// map_*: which lanes of it are outliers; its row and its number in the row a cycle before, with map_next_o.
// Latency: 2 cycles, those of the encoder, with or without row_encode. The row table's memory is read when the row before ends.
`default_nettype none
module hws_layernorm_encode #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                      clk_i,
  input  wire logic                                      rst_ni,
  input  wire logic                                      start_i,
  input  wire logic [     hws_pkg::InstructionWidth-1:0] instruction_i,
  input  wire logic                                      row_write_i,
  input  wire logic [        hws_pkg::RowIndexWidth-1:0] row_index_i,
  input  wire logic [hws_pkg::EncodeMultiplierWidth-1:0] row_multiplier_i,
  input  wire logic [       hws_pkg::ZeroPointWidth-1:0] row_zero_point_i,
  output      logic                                      encode_o,
  input  wire logic                                      in_valid_i,
  input  wire logic [       Lanes*hws_pkg::OutWidth-1:0] in_value_i,
  output      logic                                      out_valid_o,
  output      logic [      Lanes*hws_pkg::CodeWidth-1:0] out_code_o,
  input  wire logic [   hws_pkg::BufferAddressWidth-1:0] out_address_i,
  output      logic                                      plane_write_valid_o,
  output      logic [   hws_pkg::BufferAddressWidth-1:0] high_write_address_o,
  output      logic [          hws_pkg::WordBytes*8-1:0] high_write_data_o,
  output      logic [   hws_pkg::BufferAddressWidth-1:0] low_write_address_o,
  output      logic [          hws_pkg::WordBytes*8-1:0] low_write_data_o,
  output      logic                                      map_next_o,
  output      logic [        hws_pkg::RowIndexWidth-1:0] map_row_o,
  output      logic [            hws_pkg::BeatWidth-1:0] map_beat_o,
  output      logic                                      map_write_o,
  output      logic [                         Lanes-1:0] map_bits_o
);
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int CodesWidth = Lanes * hws_pkg::CodeWidth;
  localparam int WordWidth = hws_pkg::WordBytes * 8;
  localparam int RowIndexWidth = hws_pkg::RowIndexWidth;
  localparam int EntryWidth = hws_pkg::EncodeMultiplierWidth + hws_pkg::ZeroPointWidth;

  logic
      start_q,
      valid_q,
      encode_q,
      outliers_q,
      row_last,
      row_end,
      unused_bank,
      unused_ready,
      unused_last,
      unused_instruction;
  logic [hws_pkg::ChannelCountWidth-1:0] channels_q;
  logic [hws_pkg::LayernormEncodeShiftWidth-1:0] shift_q;
  logic [hws_pkg::LayernormOutlierExponentWidth-1:0] exponent_q;
  logic [hws_pkg::LayernormThresholdWidth-1:0] threshold_q;
  logic [hws_pkg::LayernormLoWidth-1:0] lo_q, hi_q;
  logic [AddressWidth-1:0] out_base, high_offset_q, low_offset_q;
  logic [Lanes-1:0] keep;
  logic [hws_pkg::BeatWidth-1:0] beat, beat_q;
  logic [RowIndexWidth-1:0] next_row, row_q, row_q2;  // _q of the result, _q2 in the encoder
  logic [EntryWidth-1:0] entry;
  logic [CodesWidth-1:0] high, low;

  assign unused_instruction = ^instruction_i;
  assign encode_o           = encode_q;
  assign out_base           = instruction_i[hws_pkg::LayernormOutBaseLsb+:AddressWidth];
  assign row_end            = in_valid_i && row_last;
  assign next_row           = start_q ? row_q : row_q + 1'b1;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) {start_q, valid_q} <= '0;
    else {start_q, valid_q} <= {start_i, in_valid_i};
  end

  // The rest needs no reset: nothing comes in before a start.
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      channels_q <=
          hws_pkg::ChannelCountWidth'(instruction_i[hws_pkg::LayernormChannelsLsb+:hws_pkg::LayernormChannelsWidth]);
      encode_q <= instruction_i[hws_pkg::LayernormRowEncodeLsb];
      outliers_q <= instruction_i[hws_pkg::LayernormRowEncodeLsb] && instruction_i[hws_pkg::LayernormOutliersLsb];
      shift_q <= instruction_i[hws_pkg::LayernormEncodeShiftLsb+:hws_pkg::LayernormEncodeShiftWidth];
      exponent_q <= instruction_i[hws_pkg::LayernormOutlierExponentLsb+:hws_pkg::LayernormOutlierExponentWidth];
      threshold_q <= instruction_i[hws_pkg::LayernormThresholdLsb+:hws_pkg::LayernormThresholdWidth];
      lo_q <= instruction_i[hws_pkg::LayernormLoLsb+:hws_pkg::LayernormLoWidth];
      hi_q <= instruction_i[hws_pkg::LayernormHiLsb+:hws_pkg::LayernormHiWidth];
      high_offset_q <= instruction_i[hws_pkg::LayernormOutlierHighLsb+:AddressWidth] - out_base;
      low_offset_q <= instruction_i[hws_pkg::LayernormOutlierLowLsb+:AddressWidth] - out_base;
    end
    if (start_i) row_q <= instruction_i[hws_pkg::LayernormOutRowLsb+:RowIndexWidth];
    else if (row_end) row_q <= next_row;
    {row_q2, beat_q} <= {row_q, beat};
  end

  hws_row_beats #(
    .Lanes(Lanes),
    .ColumnsMax(hws_pkg::LayernormChannelsMax)
  ) u_beats (
    .clk_i,
    .rst_ni,
    .columns_i(channels_q),
    .next_i(in_valid_i),
    .bank_o(unused_bank),
    .beat_o(beat),
    .keep_o(keep),
    .last_o(row_last)
  );

  hws_ram_1r1w #(
    .Width(EntryWidth),
    .Depth(hws_pkg::RowsMax)
  ) u_rows (
    .clk_i,
    .write_i(row_write_i),
    .write_address_i(row_index_i),
    .write_data_i({row_zero_point_i, row_multiplier_i}),
    .read_i(start_q || row_end),
    .read_address_i(next_row),
    .read_data_o(entry)
  );

  hws_encoder_row #(
    .Lanes(Lanes)
  ) u_encoder (
    .clk_i,
    .rst_ni,
    .encode_i(encode_q),
    .outliers_i(outliers_q),
    .shift_i(shift_q),
    .exponent_i(exponent_q),
    .threshold_i(threshold_q),
    .lo_i(lo_q),
    .hi_i(hi_q),
    .in_valid_i,
    .in_ready_o(unused_ready),
    .in_value_i,
    .in_keep_i(keep),
    .in_multiplier_i(entry[hws_pkg::EncodeMultiplierWidth-1:0]),
    .in_zero_point_i(entry[EntryWidth-1-:hws_pkg::ZeroPointWidth]),
    .in_last_i(1'b0),
    .out_valid_o,
    .out_ready_i(1'b1),
    .out_code_o,
    .out_high_o(high),
    .out_low_o(low),
    .out_outlier_o(map_bits_o),
    .out_last_o(unused_last)
  );

  assign plane_write_valid_o  = out_valid_o && outliers_q;
  assign high_write_address_o = out_address_i + high_offset_q;
  assign high_write_data_o    = WordWidth'(high);
  assign low_write_address_o  = out_address_i + low_offset_q;
  assign low_write_data_o     = WordWidth'(low);
  assign map_write_o          = plane_write_valid_o;
  assign map_next_o           = valid_q && outliers_q;
  assign map_row_o            = row_q2;
  assign map_beat_o           = beat_q;
endmodule : hws_layernorm_encode
`default_nettype wire
