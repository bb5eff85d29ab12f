// SPDX-License-Identifier: Apache-2.0
// Memory of two rows, written and read beat by beat in order; row i + 2 follows the reads of row i into the same bank.
//
// reserve_i (only while space_o is high) claims the beat that reserve_address_o, reserve_keep_o and reserve_last_o
// describe; its data may be written any number of cycles later, at that address. read_i delivers the next beat's data
// after the clock edge; read_last_o tells before it whether that beat ends its row. A row is read only when all of it
// has been written: that is the user's duty. A beat's place is free one cycle after its read.
`default_nettype none
module hws_row_buffer #(
  parameter int Width = 8,
  parameter int Lanes = 8,
  parameter int ColumnsMax = 1024,
  localparam int CountWidth = $clog2(ColumnsMax + 1),
  localparam int BeatsMax = (ColumnsMax + Lanes - 1) / Lanes,
  localparam int BeatWidth = (BeatsMax > 1) ? $clog2(BeatsMax) : 1
) (
  input  wire logic                  clk_i,
  input  wire logic                  rst_ni,
  input  wire logic [CountWidth-1:0] columns_i,
  output      logic                  space_o,
  input  wire logic                  reserve_i,
  output      logic [   BeatWidth:0] reserve_address_o,
  output      logic [     Lanes-1:0] reserve_keep_o,
  output      logic                  reserve_last_o,
  input  wire logic                  write_i,
  input  wire logic [   BeatWidth:0] write_address_i,
  input  wire logic [     Width-1:0] write_data_i,
  input  wire logic                  read_i,
  output      logic                  read_last_o,
  output      logic [     Width-1:0] read_data_o
);
  logic reserve_bank, read_bank;
  logic [BeatWidth-1:0] reserve_beat, read_beat;
  logic [Lanes-1:0] unused_read_keep;
  logic [1:0] rows_ahead_q;  // rows reserved to the end and not read to the end

  assign space_o           = !rows_ahead_q[1] || reserve_beat < read_beat;
  assign reserve_address_o = {reserve_bank, reserve_beat};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) rows_ahead_q <= '0;
    else rows_ahead_q <= rows_ahead_q + 2'(reserve_i && reserve_last_o) - 2'(read_i && read_last_o);
  end

  hws_row_beats #(
    .Lanes(Lanes),
    .ColumnsMax(ColumnsMax)
  ) u_reserve (
    .clk_i,
    .rst_ni,
    .columns_i,
    .next_i(reserve_i),
    .bank_o(reserve_bank),
    .beat_o(reserve_beat),
    .keep_o(reserve_keep_o),
    .last_o(reserve_last_o)
  );

  hws_row_beats #(
    .Lanes(Lanes),
    .ColumnsMax(ColumnsMax)
  ) u_read (
    .clk_i,
    .rst_ni,
    .columns_i,
    .next_i(read_i),
    .bank_o(read_bank),
    .beat_o(read_beat),
    .keep_o(unused_read_keep),
    .last_o(read_last_o)
  );

  hws_ram_1r1w #(
    .Width(Width),
    .Depth(2 ** (BeatWidth + 1))
  ) u_ram (
    .clk_i,
    .write_i,
    .write_address_i,
    .write_data_i,
    .read_i,
    .read_address_i({read_bank, read_beat}),
    .read_data_o
  );
endmodule : hws_row_buffer
`default_nettype wire
