// SPDX-License-Identifier: Apache-2.0
// Softmax engine: rows of scores from the activation buffer through hws_softmax, codes of the probabilities back.
//
//   scores r:         halfwords from word in_base + (in_row + r) * in_stride
//   probabilities r:  codes in blocks, row out_row + r of the tensor at out_base
//
// A beat is Lanes scores (2 * Lanes bytes) read, and Lanes codes written; codes beyond the last column are 0.
// The reads run ahead of hws_softmax as far as hws_read_queue has places, so it never waits for a beat of a row.
// Start in cycle s: first read in s + 1, first beat at hws_softmax in s + 3, its beats at the write port a cycle later.
//   done = s + SOFTMAX_ENGINE + softmax_cycles(rows, columns)             hwsim/timing/softmax_engine.py
// One instruction at a time; start_ready_o is high again in the cycle after done_o.
`default_nettype none
module hws_softmax_engine #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                   clk_i,
  input  wire logic                                   rst_ni,
  input  wire logic                                   start_valid_i,
  output      logic                                   start_ready_o,
  input  wire logic [  hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic                                   done_o,
  input  wire logic                                   threshold_write_i,
  input  wire logic [         hws_pkg::CodeWidth-1:0] threshold_index_i,
  input  wire logic [  hws_pkg::ProbabilityWidth-1:0] threshold_i,
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
  output      logic [       hws_pkg::WordBytes*8-1:0] write_data_o
);
  localparam int AddressWidth = hws_pkg::BufferAddressWidth;
  localparam int CountWidth = hws_pkg::SoftmaxColumnsWidth;
  localparam int ScoresWidth = Lanes * hws_pkg::OutWidth;
  localparam int CodesWidth = Lanes * hws_pkg::CodeWidth;

  logic start, busy_q, reading_q;
  logic [CountWidth-1:0] rows, columns;
  logic read_space, read_last, write_last;
  logic score_valid, score_ready, code_valid, unused_row_last, write_valid_q;
  logic [ScoresWidth-1:0] scores;
  logic [CodesWidth-1:0] codes, codes_q;
  logic unused_bits;

  logic [hws_pkg::ColumnCountWidth-1:0] columns_q;
  logic [hws_pkg::SoftmaxEncoderWidth-1:0] encoder_q;
  logic [hws_pkg::SoftmaxBitsWidth-1:0] bits_q;
  logic [hws_pkg::TermShiftWidth-1:0] exponent_q;

  assign start         = start_valid_i && !busy_q;
  assign start_ready_o = !busy_q;
  assign done_o        = write_valid_q && write_last;
  assign rows          = instruction_i[hws_pkg::SoftmaxRowsLsb+:CountWidth];
  assign columns       = instruction_i[hws_pkg::SoftmaxColumnsLsb+:CountWidth];
  assign read_valid_o  = reading_q && read_space;
  assign write_valid_o = write_valid_q;
  assign write_mask_o  = hws_pkg::WordBytes'({Lanes{1'b1}});
  assign write_data_o  = (hws_pkg::WordBytes * 8)'(codes_q);
  assign unused_bits   = ^{instruction_i, read_data_i};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q        <= 1'b0;
      reading_q     <= 1'b0;
      write_valid_q <= 1'b0;
    end else begin
      busy_q        <= start || (busy_q && !done_o);
      reading_q     <= start || (reading_q && !(read_valid_o && read_last));
      write_valid_q <= code_valid;
    end
  end

  // The rest needs no reset: busy_q guards the settings, write_valid_q the codes.
  always_ff @(posedge clk_i) begin
    if (start) begin
      columns_q  <= hws_pkg::ColumnCountWidth'(columns);
      encoder_q  <= instruction_i[hws_pkg::SoftmaxEncoderLsb+:hws_pkg::SoftmaxEncoderWidth];
      bits_q     <= instruction_i[hws_pkg::SoftmaxBitsLsb+:hws_pkg::SoftmaxBitsWidth];
      exponent_q <= instruction_i[hws_pkg::SoftmaxExponentLsb+:hws_pkg::TermShiftWidth];
    end
    codes_q <= codes;
  end

  hws_buffer_cursor #(
    .Lanes(Lanes)
  ) u_read_cursor (
    .clk_i,
    .load_i(start),
    .halfwords_i(1'b1),
    .base_i(instruction_i[hws_pkg::SoftmaxInBaseLsb+:AddressWidth]),
    .stride_i(instruction_i[hws_pkg::SoftmaxInStrideLsb+:16]),
    .first_row_i(instruction_i[hws_pkg::SoftmaxInRowLsb+:16]),
    .rows_i(rows),
    .columns_i(columns),
    .advance_i(read_valid_o),
    .address_o(read_address_o),
    .skew_o(read_skew_o),
    .row_o(read_row_o),
    .rotate_o(read_rotate_o),
    .last_o(read_last)
  );

  hws_read_queue #(
    .Width(ScoresWidth)
  ) u_read_queue (
    .clk_i,
    .rst_ni,
    .space_o(read_space),
    .request_i(read_valid_o),
    .read_data_i(read_data_i[ScoresWidth-1:0]),
    .out_valid_o(score_valid),
    .out_ready_i(score_ready),
    .out_data_o(scores)
  );

  hws_softmax #(
    .Lanes(Lanes)
  ) u_softmax (
    .clk_i,
    .rst_ni,
    .columns_i(columns_q),
    .encoder_i(encoder_q),
    .bits_i(bits_q),
    .exponent_i(exponent_q),
    .threshold_write_i,
    .threshold_index_i,
    .threshold_i,
    .in_valid_i(score_valid),
    .in_ready_o(score_ready),
    .in_score_i(scores),
    .out_valid_o(code_valid),
    .out_ready_i(1'b1),
    .out_code_o(codes),
    .out_last_o(unused_row_last)
  );

  hws_buffer_cursor #(
    .Lanes(Lanes)
  ) u_write_cursor (
    .clk_i,
    .load_i(start),
    .halfwords_i(1'b0),
    .base_i(instruction_i[hws_pkg::SoftmaxOutBaseLsb+:AddressWidth]),
    .stride_i(instruction_i[hws_pkg::SoftmaxOutStrideLsb+:16]),
    .first_row_i(instruction_i[hws_pkg::SoftmaxOutRowLsb+:16]),
    .rows_i(rows),
    .columns_i(columns),
    .advance_i(write_valid_q),
    .address_o(write_address_o),
    .skew_o(write_skew_o),
    .row_o(write_row_o),
    .rotate_o(write_rotate_o),
    .last_o(write_last)
  );
endmodule : hws_softmax_engine
`default_nettype wire
