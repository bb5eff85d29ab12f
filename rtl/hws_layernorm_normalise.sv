// SPDX-License-Identifier: Apache-2.0
// Normaliser of hws_layernorm: reads a row from the buffer and delivers its output codes, Lanes a cycle.
//
//   n_c = clamp(round_shift((D * y_c - S1) * R, z + 5), -2**15, 2**15 - 1)
//   out = clamp(round_shift(n_c * G_c + B_c, t), lo, hi)
//
// A row's S1, R and z are taken at in_valid && in_ready, also in the cycle of the row before's last read; they follow
// the beats down the pipe, and so does the beat's number, so that G and B are read when n is there.
// Stages: the read, then _q y, _q2 centred, _q3 times R, _q4 n, _q5 affine, _q6 code. All of them stall together.
`default_nettype none
module hws_layernorm_normalise #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic [    hws_pkg::ChannelCountWidth-1:0] channels_i,
  input  wire logic [     hws_pkg::AffineShiftWidth-1:0] shift_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic [                         Lanes-1:0] param_write_i,
  input  wire logic [            hws_pkg::BeatWidth-1:0] param_beat_i,
  input  wire logic [           hws_pkg::GammaWidth-1:0] param_gamma_i,
  input  wire logic [            hws_pkg::BetaWidth-1:0] param_beta_i,
  input  wire logic                                      in_valid_i,
  output      logic                                      in_ready_o,
  input  wire logic [             hws_pkg::SumWidth-1:0] in_sum_i,
  input  wire logic [      hws_pkg::ReciprocalWidth-1:0] in_reciprocal_i,
  input  wire logic [       hws_pkg::BitLengthWidth-1:0] in_length_i,
  output      logic                                      release_o,
  output      logic                                      buffer_read_o,
  output      logic [hws_pkg::LayernormRowBits+hws_pkg::BeatWidth-1:0] buffer_address_o,
  input  wire logic [     Lanes*hws_pkg::ValueWidth-1:0] buffer_data_i,
  output      logic                                      out_valid_o,
  input  wire logic                                      out_ready_i,
  output      logic [       Lanes*hws_pkg::OutWidth-1:0] out_data_o,
  output      logic                                      out_last_o
);
  localparam int BeatWidth = hws_pkg::BeatWidth;
  localparam int AffineRamWidth = hws_pkg::GammaWidth + hws_pkg::BetaWidth;
  localparam int ValueWidth = hws_pkg::ValueWidth;
  localparam int OutWidth = hws_pkg::OutWidth;

  logic active_q, advance, start, last;
  logic [hws_pkg::LayernormRowBits-1:0] bank;
  logic [BeatWidth-1:0] beat, beat_q, beat_q2, beat_q3;
  logic [Lanes-1:0] keep, keep_q, keep_q2, keep_q3, keep_q4, keep_q5;
  logic valid_q, valid_q2, valid_q3, valid_q4, valid_q5, valid_q6;
  logic last_q, last_q2, last_q3, last_q4, last_q5, last_q6;
  logic [hws_pkg::SumWidth-1:0] row_sum_q, sum_q;
  logic [hws_pkg::ReciprocalWidth-1:0] row_reciprocal_q, reciprocal_q, reciprocal_q2;
  logic [hws_pkg::BitLengthWidth-1:0] row_length_q, length_q, length_q2, length_q3;

  assign advance          = !valid_q6 || out_ready_i;
  assign buffer_read_o    = active_q && advance;
  assign buffer_address_o = {bank, beat};
  assign release_o        = buffer_read_o && last;
  assign in_ready_o       = !active_q || release_o;
  assign start            = in_valid_i && in_ready_o;
  assign out_valid_o      = valid_q6;
  assign out_last_o       = last_q6;

  hws_row_beats #(
    .Lanes(Lanes),
    .ColumnsMax(hws_pkg::LayernormChannelsMax),
    .BankBits(hws_pkg::LayernormRowBits)
  ) u_beats (
    .clk_i,
    .rst_ni,
    .columns_i(channels_i),
    .next_i(buffer_read_o),
    .bank_o(bank),
    .beat_o(beat),
    .keep_o(keep),
    .last_o(last)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      active_q                                                    <= 1'b0;
      {valid_q, valid_q2, valid_q3, valid_q4, valid_q5, valid_q6} <= '0;
      {last_q, last_q2, last_q3, last_q4, last_q5, last_q6}       <= '0;
    end else begin
      active_q <= start || (active_q && !release_o);
      if (advance) begin
        {valid_q, valid_q2, valid_q3} <= {active_q, valid_q, valid_q2};
        {valid_q4, valid_q5, valid_q6} <= {valid_q3, valid_q4, valid_q5};
        {last_q, last_q2, last_q3}    <= {last, last_q, last_q2};
        {last_q4, last_q5, last_q6}    <= {last_q3, last_q4, last_q5};
      end
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    if (start) begin
      row_sum_q        <= in_sum_i;
      row_reciprocal_q <= in_reciprocal_i;
      row_length_q     <= in_length_i;
    end
    if (advance) begin
      sum_q                                        <= row_sum_q;
      {reciprocal_q, reciprocal_q2}                <= {row_reciprocal_q, reciprocal_q};
      {length_q, length_q2, length_q3}             <= {row_length_q, length_q, length_q2};
      {beat_q, beat_q2, beat_q3}                   <= {beat, beat_q, beat_q2};
      {keep_q, keep_q2, keep_q3, keep_q4, keep_q5} <= {keep, keep_q, keep_q2, keep_q3, keep_q4};
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic [AffineRamWidth-1:0] affine_q4;

    hws_ram_1r1w #(
      .Width(AffineRamWidth),
      .Depth(hws_pkg::BeatsMax)
    ) u_affine (
      .clk_i,
      .write_i(param_write_i[lane]),
      .write_address_i(param_beat_i),
      .write_data_i({param_gamma_i, param_beta_i}),
      .read_i(advance && valid_q3),
      .read_address_i(beat_q3),
      .read_data_o(affine_q4)
    );

    hws_layernorm_lane u_lane (
      .clk_i,
      .advance_i(advance),
      .channels_i,
      .shift_i,
      .lo_i,
      .hi_i,
      .value_i(buffer_data_i[lane*ValueWidth+:ValueWidth]),
      .sum_i(sum_q),
      .reciprocal_i(reciprocal_q2),
      .length_i(length_q3),
      .gamma_i(affine_q4[AffineRamWidth-1-:hws_pkg::GammaWidth]),
      .beta_i(affine_q4[hws_pkg::BetaWidth-1:0]),
      .keep_i(keep_q5[lane]),
      .out_o(out_data_o[lane*OutWidth+:OutWidth])
    );
  end
endmodule : hws_layernorm_normalise
`default_nettype wire
