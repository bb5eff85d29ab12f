// SPDX-License-Identifier: Apache-2.0
// Store side of the DMA: reads rows of the activation buffer, a beat a read, with the strobes of the bytes that are written.
//
// start_i in cycle t: requests from t + 1 on, one a cycle while the store's buffer (Entries beats) has a place; take_i frees
// one. The beat of a request in cycle t is at out_* in t + 2. Each row begins a beat; the last one of a row is strobed.
// mismatch_o, with the last request: the beats are not those of the rows.
`default_nettype none
module hws_dma_gather #(
  parameter int Entries = 4,
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = hws_pkg::WordBits,
  localparam int DramBytes = hws_pkg::DramBytes
) (
  input  wire logic                                 clk_i,
  input  wire logic                                 rst_ni,
  input  wire logic                                 start_i,
  input  wire logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  input  wire logic [             AddressWidth-1:0] origin_i,        // word of the first row
  output      logic                                 mismatch_o,
  output      logic                                 read_valid_o,
  output      logic [             AddressWidth-1:0] read_address_o,
  output      logic                                 read_skew_o,
  output      logic [                 WordBits-1:0] read_row_o,
  output      logic [                 WordBits-1:0] read_rotate_o,
  output      logic                                 out_valid_o,
  output      logic [                DramBytes-1:0] out_strobe_o,
  input  wire logic                                 take_i
);
  localparam int BeatsWidth = hws_pkg::StoreBeatsWidth;
  localparam int CountWidth = hws_pkg::StoreRowBytesWidth;
  localparam int PlacesWidth = $clog2(Entries + 1);
  localparam int WordBytes = hws_pkg::WordBytes;

  logic [CountWidth-1:0] row_bytes, rows, first_channel, first_byte;
  logic [WordBits-1:0] first_row;  // in its row of blocks
  logic [AddressWidth-1:0] stride, first_word;
  logic halfwords;

  // A row's bytes begin first_byte behind its first word: in this word's sub-bank, that many words on.
  assign row_bytes = instruction_i[hws_pkg::StoreRowBytesLsb+:CountWidth];
  assign rows = instruction_i[hws_pkg::StoreRowsLsb+:CountWidth];
  assign first_row = instruction_i[hws_pkg::StoreFirstRowLsb+:WordBits];
  assign first_channel = instruction_i[hws_pkg::StoreFirstChannelLsb+:CountWidth];
  assign stride = AddressWidth'(instruction_i[hws_pkg::StoreStrideLsb+:hws_pkg::StoreStrideWidth]);
  assign halfwords = instruction_i[hws_pkg::StoreHalfwordsLsb];
  assign first_byte = halfwords ? first_channel << 1 : first_channel;
  assign first_word    = halfwords ? origin_i + AddressWidth'(first_byte[CountWidth-1:WordBits]) :
      origin_i + AddressWidth'({first_byte[CountWidth-1:WordBits], WordBits'(0)});

  logic [ BeatsWidth-1:0] left_q;
  logic [PlacesWidth-1:0] places_q;
  logic [CountWidth-1:0] rows_left_q, row_left_q;
  logic [WordBits-1:0] row_q, position_q;
  logic [AddressWidth-1:0] word_q, row_word_q, next_row_word;  // of this beat, and of the row's first beat
  logic row_end, word_end, last;

  assign row_end       = row_left_q <= CountWidth'(DramBytes);
  assign word_end      = position_q == WordBits'(WordBytes - DramBytes);
  assign next_row_word = (halfwords || row_q == WordBits'(WordBytes - 1)) ? row_word_q + stride : row_word_q;
  assign last          = left_q == BeatsWidth'(1);
  assign mismatch_o    = read_valid_o && last && !(row_end && rows_left_q == CountWidth'(1));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      left_q   <= '0;
      places_q <= PlacesWidth'(Entries);
    end else begin
      places_q <= places_q + PlacesWidth'(take_i) - PlacesWidth'(read_valid_o);
      if (start_i) left_q <= instruction_i[hws_pkg::StoreBeatsLsb+:BeatsWidth];
      else if (read_valid_o) left_q <= left_q - 1'b1;
    end
  end

  // The walk needs no reset: the count of beats guards it.
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      rows_left_q <= rows;
      row_left_q  <= row_bytes;
      row_q       <= first_row;
      position_q  <= first_byte[WordBits-1:0];
      word_q      <= first_word;
      row_word_q  <= first_word;
    end else if (read_valid_o) begin
      if (row_end) begin
        if (rows_left_q != '0) rows_left_q <= rows_left_q - 1'b1;
        row_left_q <= row_bytes;
        row_q      <= row_q + 1'b1;
        position_q <= first_byte[WordBits-1:0];
        word_q     <= next_row_word;
        row_word_q <= next_row_word;
      end else begin
        row_left_q <= row_left_q - CountWidth'(DramBytes);
        position_q <= position_q + WordBits'(DramBytes);
        if (word_end) word_q <= word_q + (halfwords ? AddressWidth'(1) : AddressWidth'(WordBytes));
      end
    end
  end

  assign read_valid_o   = left_q != '0 && places_q != '0;
  assign read_address_o = word_q;
  assign read_skew_o    = !halfwords;
  assign read_row_o     = row_q;
  assign read_rotate_o  = halfwords ? position_q : row_q + position_q;

  // Beside the two stages of the activation buffer.
  logic valid_q, valid_q2;
  logic [DramBytes-1:0] strobe, strobe_q, strobe_q2;

  for (genvar i = 0; i < DramBytes; i++) begin : gen_strobe
    assign strobe[i] = CountWidth'(i) < row_left_q;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q  <= 1'b0;
      valid_q2 <= 1'b0;
    end else begin
      valid_q  <= read_valid_o;
      valid_q2 <= valid_q;
    end
  end

  always_ff @(posedge clk_i) begin
    if (read_valid_o) strobe_q <= strobe;
    if (valid_q) strobe_q2 <= strobe_q;
  end

  assign out_valid_o  = valid_q2;
  assign out_strobe_o = strobe_q2;
endmodule : hws_dma_gather
`default_nettype wire
