// SPDX-License-Identifier: Apache-2.0
// LayerNorm of residual rows, 8-bit codes with a shift for each channel or 16 bits of one scale, Lanes channels a cycle.
//
//   y_c = q_c << sh_c, or with wide_i q_c;  S1 = sum y_c,  S2 = sum y_c**2
//   V   = max(1, D * S2 - S1**2 + epsilon),  sd = isqrt(V),  z = bit_length(sd),  R = floor(2**(z + 15) / sd)
//   n_c = clamp(round_shift((D * y_c - S1) * R, z + 5), -2**15, 2**15 - 1)
//   out = clamp(round_shift(n_c * G_c + B_c, t), lo, hi)
//
// q: int8, side by side at the bottom of in_code_i, or with wide_i int16. sh: 0 to 7, D: 1 to LayernormChannelsMax,
// V: below 2**48, G: int16, B: int32, t: 0 to 31, out: int16.
// A row is ceil(D / Lanes) beats, channel 0 in the low bits of the first one. Lanes beyond D are ignored at the input and
// 0 at the output; out_last marks a row's last beat.
// G, B and sh are written before the first row, each lane of a beat on its own: param_write_i has a bit a lane.
// Parameters and configuration hold while a row is inside.
//
// Loader, square root, reciprocal and normaliser each work on a row of their own, over four row buffers; a row adds its
// beats, or the 25 cycles of its root where that is more; exactly: hwsim/units/timing.py. The equation follows I-BERT's form
// (arXiv 2101.01321) with an exact variance.
`default_nettype none
module hws_layernorm #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic [    hws_pkg::ChannelCountWidth-1:0] channels_i,
  input  wire logic                                      wide_i,
  input  wire logic [         hws_pkg::EpsilonWidth-1:0] epsilon_i,
  input  wire logic [     hws_pkg::AffineShiftWidth-1:0] shift_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic [                         Lanes-1:0] param_write_i,
  input  wire logic [            hws_pkg::BeatWidth-1:0] param_beat_i,
  input  wire logic [           hws_pkg::GammaWidth-1:0] param_gamma_i,
  input  wire logic [            hws_pkg::BetaWidth-1:0] param_beta_i,
  input  wire logic [    hws_pkg::ChannelShiftWidth-1:0] param_shift_i,
  input  wire logic                                      in_valid_i,
  output      logic                                      in_ready_o,
  input  wire logic [    Lanes*hws_pkg::StreamWidth-1:0] in_code_i,
  output      logic                                      out_valid_o,
  input  wire logic                                      out_ready_i,
  output      logic [       Lanes*hws_pkg::OutWidth-1:0] out_data_o,
  output      logic                                      out_last_o
);
  localparam int BeatWidth = hws_pkg::BeatWidth;
  localparam int ValueWidth = hws_pkg::ValueWidth;
  localparam int ChannelShiftWidth = hws_pkg::ChannelShiftWidth;
  localparam int RowBits = hws_pkg::LayernormRowBits;
  localparam int BufferDepth = 2 ** (RowBits + BeatWidth);  // addressed {bank, beat}

  logic load_last, release_row;
  logic buffer_write, buffer_read;
  logic [RowBits+BeatWidth-1:0] buffer_write_address, buffer_read_address;
  logic [Lanes*ValueWidth-1:0] buffer_write_data, buffer_read_data;
  logic load_beat_valid;
  logic [BeatWidth-1:0] load_beat;
  logic [Lanes*ChannelShiftWidth-1:0] channel_shifts;

  logic sums_valid, scale_valid, scale_ready;
  logic [hws_pkg::SumWidth-1:0] sum, scale_sum;
  logic [hws_pkg::SquareSumWidth-1:0] square_sum;
  logic [hws_pkg::ReciprocalWidth-1:0] scale_reciprocal;
  logic [hws_pkg::BitLengthWidth-1:0] scale_length;

  // A row holds its buffer from its last beat's arrival until it has been read for normalising. The row after those waits outside.
  logic [RowBits:0] rows_held_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) rows_held_q <= '0;
    else rows_held_q <= rows_held_q + (RowBits + 1)'(load_last) - (RowBits + 1)'(release_row);
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    hws_ram_1r1w #(
      .Width(ChannelShiftWidth),
      .Depth(hws_pkg::BeatsMax)
    ) u_shifts (
      .clk_i,
      .write_i(param_write_i[lane]),
      .write_address_i(param_beat_i),
      .write_data_i(param_shift_i),
      .read_i(load_beat_valid),
      .read_address_i(load_beat),
      .read_data_o(channel_shifts[lane*ChannelShiftWidth+:ChannelShiftWidth])
    );
  end

  hws_layernorm_load #(
    .Lanes(Lanes)
  ) u_load (
    .clk_i,
    .rst_ni,
    .channels_i,
    .wide_i,
    .beat_valid_o(load_beat_valid),
    .beat_o(load_beat),
    .shifts_i(channel_shifts),
    .space_i(!rows_held_q[RowBits]),
    .load_last_o(load_last),
    .in_valid_i,
    .in_ready_o,
    .in_code_i,
    .buffer_write_o(buffer_write),
    .buffer_address_o(buffer_write_address),
    .buffer_data_o(buffer_write_data),
    .out_valid_o(sums_valid),
    .out_sum_o(sum),
    .out_square_sum_o(square_sum)
  );

  hws_ram_1r1w #(
    .Width(Lanes * ValueWidth),
    .Depth(BufferDepth)
  ) u_row_buffer (
    .clk_i,
    .write_i(buffer_write),
    .write_address_i(buffer_write_address),
    .write_data_i(buffer_write_data),
    .read_i(buffer_read),
    .read_address_i(buffer_read_address),
    .read_data_o(buffer_read_data)
  );

  hws_layernorm_scale u_scale (
    .clk_i,
    .rst_ni,
    .channels_i,
    .epsilon_i,
    .in_valid_i(sums_valid),
    .in_sum_i(sum),
    .in_square_sum_i(square_sum),
    .out_valid_o(scale_valid),
    .out_ready_i(scale_ready),
    .out_sum_o(scale_sum),
    .out_reciprocal_o(scale_reciprocal),
    .out_length_o(scale_length)
  );

  hws_layernorm_normalise #(
    .Lanes(Lanes)
  ) u_normalise (
    .clk_i,
    .rst_ni,
    .channels_i,
    .shift_i,
    .lo_i,
    .hi_i,
    .param_write_i,
    .param_beat_i,
    .param_gamma_i,
    .param_beta_i,
    .in_valid_i(scale_valid),
    .in_ready_o(scale_ready),
    .in_sum_i(scale_sum),
    .in_reciprocal_i(scale_reciprocal),
    .in_length_i(scale_length),
    .release_o(release_row),
    .buffer_read_o(buffer_read),
    .buffer_address_o(buffer_read_address),
    .buffer_data_i(buffer_read_data),
    .out_valid_o,
    .out_ready_i,
    .out_data_o,
    .out_last_o
  );
endmodule : hws_layernorm
`default_nettype wire
