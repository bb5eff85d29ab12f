// SPDX-License-Identifier: Apache-2.0
// Load side of the DMA: beats of DRAM to pieces, each with its destination.
//
//   codes      byte n: run = n / run_bytes, row = first_row + run / (runs * lines) * runs + run mod runs,
//              channel = first_channel + run / runs mod lines * run_bytes + n mod run_bytes      (counters, no dividers)
//   halfwords  a row of run_bytes begins a beat and a word
//   others     a beat a sink word; table: a code a sink word; packed weights: half a beat a sink word (hws_dma_sink)
//
// A piece: bytes of one beat that go to the same row and the same block of the activation buffer, or a sink word's, moved
// so that the first one is byte 0. One piece a cycle, and at least one cycle a beat. A beat taken in cycle t is at the ports from t + 2 on,
// one cycle for each of its pieces; done_o is high with the last piece of the last beat. start_i comes before the first beat.
`default_nettype none
module hws_dma_scatter #(
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = hws_pkg::WordBits,
  localparam int WordBytes = hws_pkg::WordBytes,
  localparam int DramWidth = hws_pkg::DramWidth,
  localparam int TargetWidth = hws_pkg::LoadTargetWidth
) (
  input  wire logic                                 clk_i,
  input  wire logic                                 rst_ni,
  input  wire logic                                 start_i,
  input  wire logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  input  wire logic [             AddressWidth-1:0] origin_i,         // word of the first row
  output      logic                                 done_o,
  input  wire logic                                 in_valid_i,
  output      logic                                 in_ready_o,
  input  wire logic [                DramWidth-1:0] in_data_i,
  output      logic                                 write_valid_o,
  output      logic [             AddressWidth-1:0] write_address_o,
  output      logic                                 write_skew_o,
  output      logic [                 WordBits-1:0] write_row_o,
  output      logic [                 WordBits-1:0] write_rotate_o,
  output      logic [                WordBytes-1:0] write_mask_o,
  output      logic [              WordBytes*8-1:0] write_data_o,
  output      logic                                 sink_valid_o,
  output      logic [              TargetWidth-1:0] sink_target_o,
  output      logic                                 sink_bank_o,
  output      logic [                         15:0] sink_index_o,
  output      logic [                          5:0] sink_part_o,
  output      logic [                DramWidth-1:0] sink_data_o
);
  localparam int DramBytes = hws_pkg::DramBytes;
  localparam int ByteBits = $clog2(DramBytes);
  localparam int BeatsWidth = hws_pkg::LoadBeatsWidth;
  localparam int CountWidth = hws_pkg::LoadRunBytesWidth;  // of rows, runs, lines, channels and bytes of a run
  localparam int BytesWidth = hws_pkg::LoadBytesWidth;

  logic [CountWidth-1:0] run_bytes, runs, lines, first_channel;
  logic [WordBits-1:0] first_row;  // in its row of blocks
  logic [AddressWidth-1:0] stride;
  logic [TargetWidth-1:0] target;
  logic codes, halfwords, table_codes, to_buffer;

  assign run_bytes     = instruction_i[hws_pkg::LoadRunBytesLsb+:CountWidth];
  assign runs          = instruction_i[hws_pkg::LoadRunsLsb+:CountWidth];
  assign lines         = instruction_i[hws_pkg::LoadLinesLsb+:CountWidth];
  assign first_channel = codes ? instruction_i[hws_pkg::LoadFirstChannelLsb+:CountWidth] : '0;
  assign first_row     = instruction_i[hws_pkg::LoadFirstRowLsb+:WordBits];
  assign stride        = AddressWidth'(instruction_i[hws_pkg::LoadStrideLsb+:hws_pkg::LoadStrideWidth]);
  assign target        = instruction_i[hws_pkg::LoadTargetLsb+:TargetWidth];
  assign codes         = target == TargetWidth'(hws_pkg::LoadTargetCodes);
  assign halfwords     = target == TargetWidth'(hws_pkg::LoadTargetHalfwords);
  assign table_codes   = target == TargetWidth'(hws_pkg::LoadTargetTable);
  assign to_buffer     = codes || halfwords;

  // The beat, and the piece of it.
  logic beat_valid_q, finish, last, dropped, run_end, halves, weights_end;
  logic [DramWidth-1:0] beat_q, moved;
  logic [BeatsWidth-1:0] beats_left_q;
  logic [  ByteBits-1:0] offset_q;
  logic [BytesWidth-1:0] bytes_left_q;
  logic [CountWidth-1:0] run_left_q, position_q, length;
  logic [CountWidth-1:0] in_beat, in_run, in_block, count;

  // Lengths up to a beat; of codes also up to the block's end and to the last byte that counts.
  assign in_beat    = CountWidth'(DramBytes) - CountWidth'(offset_q);
  assign in_run     = (run_left_q < in_beat) ? run_left_q : in_beat;
  assign in_block   = CountWidth'(WordBytes) - CountWidth'(position_q[WordBits-1:0]);
  assign count      = (bytes_left_q < BytesWidth'(DramBytes)) ? CountWidth'(bytes_left_q) : CountWidth'(DramBytes);
  assign dropped    = codes && bytes_left_q == '0;
  assign run_end    = length == run_left_q;
  assign moved      = beat_q >> {offset_q, 3'b000};
  assign last       = finish && beats_left_q == BeatsWidth'(1);
  assign in_ready_o = !beat_valid_q || finish;

  always_comb begin
    length = in_run;
    if (codes && in_block < length) length = in_block;
    if (codes && count < length) length = count;
    finish = 1'b1;
    if (codes) finish = length == in_beat || count == length;
    if (table_codes) finish = offset_q == ByteBits'(DramBytes - 1);
    if (halves) finish = offset_q != '0 || weights_end;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) beat_valid_q <= 1'b0;
    else if (in_ready_o) beat_valid_q <= in_valid_i;
  end

  always_ff @(posedge clk_i) if (in_ready_o && in_valid_i) beat_q <= in_data_i;

  // Place of the piece in the tensor. Row and word of a row of blocks: of this run, and of the group's first run.
  logic [CountWidth-1:0] runs_left_q, lines_left_q, line_position_q;
  logic [WordBits-1:0] row_q, group_row_q, next_row;
  logic [AddressWidth-1:0] row_word_q, group_word_q, next_row_word;
  logic next_block;

  assign next_row      = row_q + 1'b1;
  assign next_block    = halfwords || row_q == WordBits'(WordBytes - 1);
  assign next_row_word = next_block ? row_word_q + stride : row_word_q;

  always_ff @(posedge clk_i) begin
    if (start_i) begin
      beats_left_q    <= instruction_i[hws_pkg::LoadBeatsLsb+:BeatsWidth];
      bytes_left_q    <= instruction_i[hws_pkg::LoadBytesLsb+:BytesWidth];
      offset_q        <= '0;
      run_left_q      <= run_bytes;
      runs_left_q     <= runs;
      lines_left_q    <= lines;
      position_q      <= first_channel;
      line_position_q <= first_channel;
      row_q           <= first_row;
      group_row_q     <= first_row;
      row_word_q      <= origin_i;
      group_word_q    <= origin_i;
    end else if (beat_valid_q) begin
      if (finish) beats_left_q <= beats_left_q - 1'b1;
      if (finish) offset_q <= '0;
      else if (halves) offset_q <= ByteBits'(DramBytes / 2);
      else offset_q <= table_codes ? offset_q + 1'b1 : offset_q + length[ByteBits-1:0];
      bytes_left_q <= bytes_left_q - BytesWidth'(length);
      if (!run_end) begin
        run_left_q <= run_left_q - length;
        position_q <= position_q + length;
      end else begin
        run_left_q <= run_bytes;
        if (halfwords || runs_left_q != CountWidth'(1)) begin
          runs_left_q <= runs_left_q - 1'b1;
          position_q  <= line_position_q;
          row_q       <= next_row;
          row_word_q  <= next_row_word;
        end else begin
          runs_left_q <= runs;
          if (lines_left_q != CountWidth'(1)) begin
            lines_left_q    <= lines_left_q - 1'b1;
            position_q      <= line_position_q + run_bytes;
            line_position_q <= line_position_q + run_bytes;
            row_q           <= group_row_q;
            row_word_q      <= group_word_q;
          end else begin
            lines_left_q    <= lines;
            position_q      <= first_channel;
            line_position_q <= first_channel;
            row_q           <= next_row;
            group_row_q     <= next_row;
            row_word_q      <= next_row_word;
            group_word_q    <= next_row_word;
          end
        end
      end
    end
  end

  // Place of the piece in a sink.
  logic [TargetWidth-1:0] sink_target;
  logic [15:0] sink_index;
  logic [5:0] sink_part;
  logic [DramWidth-1:0] sink_data;

  hws_dma_sink u_sink (
    .clk_i,
    .start_i,
    .instruction_i,
    .step_i  (beat_valid_q),
    .data_i  (moved),
    .halves_o(halves),
    .end_o   (weights_end),
    .target_o(sink_target),
    .index_o (sink_index),
    .part_o  (sink_part),
    .data_o  (sink_data)
  );

  // Output registers. Only the valid bits are reset.
  logic [DramWidth-1:0] data_q;
  logic [DramBytes-1:0] mask;

  for (genvar i = 0; i < DramBytes; i++) begin : gen_mask
    assign mask[i] = CountWidth'(i) < length;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      write_valid_o <= 1'b0;
      sink_valid_o  <= 1'b0;
      done_o        <= 1'b0;
    end else begin
      write_valid_o <= beat_valid_q && to_buffer && !dropped;
      sink_valid_o  <= beat_valid_q && !to_buffer;
      done_o        <= beat_valid_q && last;
    end
  end

  always_ff @(posedge clk_i) begin
    if (beat_valid_q) begin
      data_q <= sink_data;
      write_address_o <= codes ? row_word_q + AddressWidth'({position_q[CountWidth-1:WordBits], WordBits'(0)}) :
          row_word_q + AddressWidth'(position_q[CountWidth-1:WordBits]);
      write_rotate_o <= codes ? row_q + position_q[WordBits-1:0] : position_q[WordBits-1:0];
      write_row_o <= row_q;
      write_mask_o <= WordBytes'(mask);
      sink_target_o <= sink_target;
      sink_index_o <= sink_index;
      sink_part_o <= sink_part;
    end
  end

  assign write_skew_o = codes;
  assign write_data_o = (WordBytes * 8)'(data_q);
  assign sink_bank_o  = instruction_i[hws_pkg::LoadBankLsb];
  assign sink_data_o  = data_q;

  initial begin
    if (WordBytes % DramBytes != 0) $fatal(1, "WordBytes is %0d, expected a multiple of a beat", WordBytes);
  end
endmodule : hws_dma_scatter
`default_nettype wire
