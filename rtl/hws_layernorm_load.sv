// SPDX-License-Identifier: Apache-2.0
// Loader of hws_layernorm: values of the residual codes to the row buffer, and the row's sums.
//
//   y_c = q_c << sh_c,  S1 = sum y_c,  S2 = sum y_c**2
//
// q: 8 bits, side by side at the bottom of in_code_i, or with wide_i 16 bits, and then y_c = q_c. y: 16 bits, S1: 26 bits,
// S2: 41 bits for 1,024 channels. y**2 of 8-bit codes is q**2 << 2 * sh.
// shifts_i: those of beat_o's channels, one cycle after beat_valid_o.
// Stages: _q code, shift (buffer write); _q2 value, square; _q3 sums. out_valid is high for one cycle, 3 cycles after the
// last beat; there is no ready, because hws_layernorm_scale has a place for each row that is inside.
`default_nettype none
module hws_layernorm_load #(
  parameter int Lanes = hws_pkg::LayernormLanes
) (
  input  wire logic                                            clk_i,
  input  wire logic                                            rst_ni,
  input  wire logic [          hws_pkg::ChannelCountWidth-1:0] channels_i,
  input  wire logic                                            wide_i,
  output      logic                                            beat_valid_o,
  output      logic [                  hws_pkg::BeatWidth-1:0] beat_o,
  input  wire logic [    Lanes*hws_pkg::ChannelShiftWidth-1:0] shifts_i,
  input  wire logic                                            space_i,
  output      logic                                            load_last_o,
  input  wire logic                                            in_valid_i,
  output      logic                                            in_ready_o,
  input  wire logic [          Lanes*hws_pkg::StreamWidth-1:0] in_code_i,
  output      logic                                            buffer_write_o,
  output      logic [hws_pkg::LayernormRowBits+hws_pkg::BeatWidth-1:0] buffer_address_o,
  output      logic [           Lanes*hws_pkg::ValueWidth-1:0] buffer_data_o,
  output      logic                                            out_valid_o,
  output      logic [                   hws_pkg::SumWidth-1:0] out_sum_o,
  output      logic [             hws_pkg::SquareSumWidth-1:0] out_square_sum_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int StreamWidth = hws_pkg::StreamWidth;
  localparam int CodeSquareWidth = hws_pkg::CodeSquareWidth;
  localparam int ChannelShiftWidth = hws_pkg::ChannelShiftWidth;
  localparam int BeatWidth = hws_pkg::BeatWidth;
  localparam int ValueWidth = hws_pkg::ValueWidth;
  localparam int SquareWidth = hws_pkg::SquareWidth;
  localparam int SumWidth = hws_pkg::SumWidth;
  localparam int SquareSumWidth = hws_pkg::SquareSumWidth;

  logic accept, last;
  logic [hws_pkg::LayernormRowBits-1:0] bank, bank_q;
  logic [Lanes-1:0] keep, keep_q;
  logic [BeatWidth-1:0] beat, beat_q;
  logic valid_q, valid_q2, valid_q3, first_q, first_q2, last_q, last_q2;
  logic [SumWidth-1:0] sum_q3, beat_sum;
  logic [SquareSumWidth-1:0] square_sum_q3, beat_square_sum;
  logic [ ValueWidth-1:0] value_q2 [Lanes];
  logic [SquareWidth-1:0] square_q2[Lanes];

  assign in_ready_o       = space_i;
  assign accept           = in_valid_i && space_i;
  assign load_last_o      = accept && last;
  assign beat_valid_o     = accept;
  assign beat_o           = beat;
  assign buffer_write_o   = valid_q;
  assign buffer_address_o = {bank_q, beat_q};
  assign out_valid_o      = valid_q3;
  assign out_sum_o        = sum_q3;
  assign out_square_sum_o = square_sum_q3;

  hws_row_beats #(
    .Lanes(Lanes),
    .ColumnsMax(hws_pkg::LayernormChannelsMax),
    .BankBits(hws_pkg::LayernormRowBits)
  ) u_beats (
    .clk_i,
    .rst_ni,
    .columns_i(channels_i),
    .next_i(accept),
    .bank_o(bank),
    .beat_o(beat),
    .keep_o(keep),
    .last_o(last)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {valid_q, valid_q2, valid_q3} <= '0;
    end else begin
      valid_q  <= accept;
      valid_q2 <= valid_q;
      valid_q3 <= valid_q2 && last_q2;
    end
  end

  // The data path needs no reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    if (accept) begin
      keep_q  <= keep;
      beat_q  <= beat;
      bank_q  <= bank;
      first_q <= beat == '0;
      last_q  <= last;
    end
    first_q2 <= first_q;
    last_q2  <= last_q;
    if (valid_q2) begin
      sum_q3        <= (first_q2 ? '0 : sum_q3) + beat_sum;
      square_sum_q3 <= (first_q2 ? '0 : square_sum_q3) + beat_square_sum;
    end
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    logic signed [StreamWidth-1:0] code, code_q;
    logic [SquareWidth-1:0] code_square, small_square;
    logic [ValueWidth-1:0] value;
    logic [ChannelShiftWidth-1:0] shift;

    assign code = wide_i ? in_code_i[lane*StreamWidth+:StreamWidth] : StreamWidth'($signed(
        in_code_i[lane*CodeWidth+:CodeWidth]
    ));
    assign shift = wide_i ? '0 : shifts_i[lane*ChannelShiftWidth+:ChannelShiftWidth];
    assign value = ValueWidth'(code_q) << shift;
    assign buffer_data_o[lane*ValueWidth+:ValueWidth] = value;
    assign code_square = SquareWidth'(code_q) * SquareWidth'(code_q);
    assign small_square = SquareWidth'(code_square[CodeSquareWidth-1:0]) << {shift, 1'b0};

    always_ff @(posedge clk_i) begin
      if (accept) code_q <= code;
      value_q2[lane]  <= keep_q[lane] ? value : '0;
      square_q2[lane] <= !keep_q[lane] ? '0 : wide_i ? code_square : small_square;
    end
  end

  always_comb begin
    beat_sum        = '0;
    beat_square_sum = '0;
    for (int lane = 0; lane < Lanes; lane++) begin
      beat_sum        = beat_sum + SumWidth'($signed(value_q2[lane]));
      beat_square_sum = beat_square_sum + SquareSumWidth'(square_q2[lane]);
    end
  end
endmodule : hws_layernorm_load
`default_nettype wire
