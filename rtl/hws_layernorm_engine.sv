// SPDX-License-Identifier: Apache-2.0
// LayerNorm engine: residual rows from the activation buffer through hws_layernorm and hws_encoder_row, codes back.
//
//   residual r:  codes in blocks, or with in_halfwords 16-bit elements in rows, row in_row + r of the tensor at in_base
//   result r:    codes in blocks, row out_row + r of the tensor at out_base
//
// A beat is Lanes codes or elements, read and written; of the unit's 16-bit result the low 8 bits are written, so lo and hi are those of
// an 8-bit code; codes beyond the last channel are 0. With row_encode, lo and hi are those of hws_encoder_row, and row r has
// the entry out_row + r of the row table; with outliers, limbs go to two planes in the cycle of the codes, bits to the map.
// Parameters: one channel a cycle, gamma 16, beta 32, channel shift 3, from bit 0 of param_data_i, while no instruction runs.
// The reads run ahead of hws_layernorm as far as hws_read_queue has places, so it never waits for a beat of a row.
// Start in cycle s: first read in s + 1, first beat at hws_layernorm in s + 3, its beats at the write port 2 cycles later.
//   done = s + LAYERNORM_ENGINE + layernorm_cycles(rows, channels)        hwsim/timing/layernorm_engine.py
// One instruction at a time; start_ready_o is high again in the cycle after done_o.
`default_nettype none
module hws_layernorm_engine #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                   clk_i,
  input  wire logic                                   rst_ni,
  input  wire logic                                   start_valid_i,
  output      logic                                   start_ready_o,
  input  wire logic [  hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic                                   done_o,
  input  wire logic                                   row_write_i,
  input  wire logic [     hws_pkg::RowIndexWidth-1:0] row_index_i,
  input  wire logic [hws_pkg::EncodeMultiplierWidth-1:0] row_multiplier_i,
  input  wire logic [    hws_pkg::ZeroPointWidth-1:0] row_zero_point_i,
  input  wire logic                                   param_write_i,
  input  wire logic [       hws_pkg::ChannelBits-1:0] param_channel_i,
  input  wire logic [                           63:0] param_data_i,
  output      logic                                   read_valid_o,
  output      logic [hws_pkg::BufferAddressWidth-1:0] read_address_o,
  output      logic                                   read_skew_o,
  output      logic [          hws_pkg::WordBits-1:0] read_row_o,
  output      logic [          hws_pkg::WordBits-1:0] read_rotate_o,
  input  wire logic [       hws_pkg::WordBytes*8-1:0] read_data_i,
  output      logic                                   write_valid_o,
  output      logic [hws_pkg::BufferAddressWidth-1:0] write_address_o,
  output      logic                                   write_skew_o,
  output      logic [          hws_pkg::WordBits-1:0] write_row_o,
  output      logic [          hws_pkg::WordBits-1:0] write_rotate_o,
  output      logic [         hws_pkg::WordBytes-1:0] write_mask_o,
  output      logic [       hws_pkg::WordBytes*8-1:0] write_data_o,
  output      logic                                   plane_write_valid_o,
  output      logic [hws_pkg::BufferAddressWidth-1:0] high_write_address_o,
  output      logic [       hws_pkg::WordBytes*8-1:0] high_write_data_o,
  output      logic [hws_pkg::BufferAddressWidth-1:0] low_write_address_o,
  output      logic [       hws_pkg::WordBytes*8-1:0] low_write_data_o,
  output      logic                                   map_next_o,
  output      logic [     hws_pkg::RowIndexWidth-1:0] map_row_o,
  output      logic [         hws_pkg::BeatWidth-1:0] map_beat_o,
  output      logic                                   map_write_o,
  output      logic [                      Lanes-1:0] map_bits_o
);
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int CountWidth = hws_pkg::LayernormChannelsWidth;
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int OutWidth = hws_pkg::OutWidth;
  localparam int CodesWidth = Lanes * CodeWidth;
  localparam int GammaWidth = hws_pkg::GammaWidth;
  localparam logic [OutWidth-1:0] LOWEST = {1'b1, {(OutWidth - 1) {1'b0}}};
  localparam int ChannelShiftLsb = GammaWidth + hws_pkg::BetaWidth;

  logic start, busy_q, reading_q, halfwords, halfwords_q;
  logic [CountWidth-1:0] rows, channels;
  logic read_space, read_last, write_last;
  logic residual_valid, residual_ready, result_valid, unused_row_last, write_valid, encode;
  logic [Lanes*hws_pkg::StreamWidth-1:0] residuals;
  logic [CodesWidth-1:0] codes;
  logic [Lanes*OutWidth-1:0] results;
  logic [Lanes-1:0] param_write;
  logic unused_bits;

  logic [hws_pkg::ChannelCountWidth-1:0] channels_q;
  logic [hws_pkg::LayernormShiftWidth-1:0] shift_q;
  logic [hws_pkg::LayernormLoWidth-1:0] lo_q, hi_q;
  logic [hws_pkg::LayernormEpsilonWidth-1:0] epsilon_q;

  assign start         = start_valid_i && !busy_q;
  assign start_ready_o = !busy_q;
  assign done_o        = write_valid && write_last;
  assign rows          = instruction_i[hws_pkg::LayernormRowsLsb+:CountWidth];
  assign channels      = instruction_i[hws_pkg::LayernormChannelsLsb+:CountWidth];
  assign halfwords     = instruction_i[hws_pkg::LayernormInHalfwordsLsb];
  assign read_valid_o  = reading_q && read_space;
  assign write_valid_o = write_valid;
  assign write_mask_o  = hws_pkg::WordBytes'({Lanes{1'b1}});
  assign write_data_o  = (hws_pkg::WordBytes * 8)'(codes);
  assign unused_bits   = ^{instruction_i, read_data_i, param_data_i};

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    assign param_write[lane] = param_write_i && param_channel_i % hws_pkg::ChannelBits'(Lanes) == lane;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q    <= 1'b0;
      reading_q <= 1'b0;
    end else begin
      busy_q    <= start || (busy_q && !done_o);
      reading_q <= start || (reading_q && !(read_valid_o && read_last));
    end
  end

  // The rest needs no reset: busy_q guards the settings.
  always_ff @(posedge clk_i) begin
    if (start) begin
      channels_q  <= hws_pkg::ChannelCountWidth'(channels);
      halfwords_q <= halfwords;
      shift_q     <= instruction_i[hws_pkg::LayernormShiftLsb+:hws_pkg::LayernormShiftWidth];
      lo_q        <= instruction_i[hws_pkg::LayernormLoLsb+:hws_pkg::LayernormLoWidth];
      hi_q        <= instruction_i[hws_pkg::LayernormHiLsb+:hws_pkg::LayernormHiWidth];
      epsilon_q   <= instruction_i[hws_pkg::LayernormEpsilonLsb+:hws_pkg::LayernormEpsilonWidth];
    end
  end

  hws_buffer_cursor #(
    .Lanes(Lanes)
  ) u_read_cursor (
    .clk_i,
    .load_i(start),
    .halfwords_i(halfwords),
    .base_i(instruction_i[hws_pkg::LayernormInBaseLsb+:AddressWidth]),
    .stride_i(instruction_i[hws_pkg::LayernormInStrideLsb+:16]),
    .first_row_i(instruction_i[hws_pkg::LayernormInRowLsb+:16]),
    .rows_i(rows),
    .columns_i(channels),
    .advance_i(read_valid_o),
    .address_o(read_address_o),
    .skew_o(read_skew_o),
    .row_o(read_row_o),
    .rotate_o(read_rotate_o),
    .last_o(read_last)
  );

  hws_read_queue #(
    .Width(Lanes * hws_pkg::StreamWidth)
  ) u_read_queue (
    .clk_i,
    .rst_ni,
    .space_o(read_space),
    .request_i(read_valid_o),
    .read_data_i(read_data_i[Lanes*hws_pkg::StreamWidth-1:0]),
    .out_valid_o(residual_valid),
    .out_ready_i(residual_ready),
    .out_data_o(residuals)
  );

  hws_layernorm #(
    .Lanes(Lanes)
  ) u_layernorm (
    .clk_i,
    .rst_ni,
    .channels_i(channels_q),
    .wide_i(halfwords_q),
    .epsilon_i(epsilon_q),
    .shift_i(shift_q),
    .lo_i(encode ? LOWEST : lo_q),
    .hi_i(encode ? ~LOWEST : hi_q),
    .param_write_i(param_write),
    .param_beat_i(hws_pkg::BeatWidth'(param_channel_i / hws_pkg::ChannelBits'(Lanes))),
    .param_gamma_i(param_data_i[GammaWidth-1:0]),
    .param_beta_i(param_data_i[GammaWidth+:hws_pkg::BetaWidth]),
    .param_shift_i(param_data_i[ChannelShiftLsb+:hws_pkg::ChannelShiftWidth]),
    .in_valid_i(residual_valid),
    .in_ready_o(residual_ready),
    .in_code_i(residuals),
    .out_valid_o(result_valid),
    .out_ready_i(1'b1),
    .out_data_o(results),
    .out_last_o(unused_row_last)
  );

  hws_layernorm_encode #(
    .Lanes(Lanes)
  ) u_encode (
    .clk_i,
    .rst_ni,
    .start_i(start),
    .instruction_i,
    .row_write_i,
    .row_index_i,
    .row_multiplier_i,
    .row_zero_point_i,
    .encode_o(encode),
    .in_valid_i(result_valid),
    .in_value_i(results),
    .out_valid_o(write_valid),
    .out_code_o(codes),
    .out_address_i(write_address_o),
    .plane_write_valid_o,
    .high_write_address_o,
    .high_write_data_o,
    .low_write_address_o,
    .low_write_data_o,
    .map_next_o,
    .map_row_o,
    .map_beat_o,
    .map_write_o,
    .map_bits_o
  );

  hws_buffer_cursor #(
    .Lanes(Lanes)
  ) u_write_cursor (
    .clk_i,
    .load_i(start),
    .halfwords_i(1'b0),
    .base_i(instruction_i[hws_pkg::LayernormOutBaseLsb+:AddressWidth]),
    .stride_i(instruction_i[hws_pkg::LayernormOutStrideLsb+:16]),
    .first_row_i(instruction_i[hws_pkg::LayernormOutRowLsb+:16]),
    .rows_i(rows),
    .columns_i(channels),
    .advance_i(write_valid),
    .address_o(write_address_o),
    .skew_o(write_skew_o),
    .row_o(write_row_o),
    .rotate_o(write_rotate_o),
    .last_o(write_last)
  );
endmodule : hws_layernorm_engine
`default_nettype wire
