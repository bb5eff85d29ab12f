// SPDX-License-Identifier: Apache-2.0
// Refuses a load or store that the DMA cannot execute, before any AXI traffic.
//
// illegal_o: unknown operation or target, an empty shape, packed but no weights, an address that begins no beat, a store
// whose first channel begins none. outside_o: a byte outside of the window [base_i, base_i + bytes_i). Combinational.
`default_nettype none
module hws_dma_check #(
  localparam int AddressWidth = hws_pkg::DramAddressWidth
) (
  input  wire logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  input  wire logic [             AddressWidth-1:0] base_i,
  input  wire logic [             AddressWidth-1:0] bytes_i,
  output      logic                                 illegal_o,
  output      logic                                 outside_o
);
  localparam int BeatsWidth = hws_pkg::LoadBeatsWidth;
  localparam int TargetWidth = hws_pkg::LoadTargetWidth;
  localparam int CountWidth = hws_pkg::LoadRunBytesWidth;
  localparam int SumWidth = AddressWidth + 1;
  localparam int DramBytes = hws_pkg::DramBytes;
  localparam int ByteBits = $clog2(DramBytes);
  localparam int HalfwordBits = (ByteBits > 1) ? ByteBits - 1 : 1;
  localparam logic [hws_pkg::InstructionOpcodeWidth-1:0] LOAD = hws_pkg::InstructionOpcodeWidth'(hws_pkg::OpLoad);
  localparam logic [hws_pkg::InstructionOpcodeWidth-1:0] STORE = hws_pkg::InstructionOpcodeWidth'(hws_pkg::OpStore);

  logic [AddressWidth-1:0] address;
  logic [BeatsWidth-1:0] beats;
  logic [hws_pkg::InstructionOpcodeWidth-1:0] opcode;
  logic [TargetWidth-1:0] target;
  logic [CountWidth-1:0] run_bytes, runs, lines;
  logic [ByteBits-1:0] first_channel, misaligned;
  logic [SumWidth-1:0] offset, size, address_end, offset_end;
  logic codes, halfwords, load, store, on_beat;

  assign opcode = instruction_i[hws_pkg::InstructionOpcodeLsb+:hws_pkg::InstructionOpcodeWidth];
  assign address = instruction_i[hws_pkg::LoadAddressLsb+:hws_pkg::LoadAddressWidth];
  assign beats = instruction_i[hws_pkg::LoadBeatsLsb+:BeatsWidth];
  assign target = instruction_i[hws_pkg::LoadTargetLsb+:TargetWidth];
  // The bytes of a row and the rows of a store lie where run_bytes and runs of a load do.
  assign run_bytes = instruction_i[hws_pkg::LoadRunBytesLsb+:CountWidth];
  assign runs = instruction_i[hws_pkg::LoadRunsLsb+:CountWidth];
  assign lines = instruction_i[hws_pkg::LoadLinesLsb+:CountWidth];
  assign first_channel = instruction_i[hws_pkg::StoreFirstChannelLsb+:ByteBits];
  assign misaligned = address[ByteBits-1:0];

  assign codes = target == TargetWidth'(hws_pkg::LoadTargetCodes);
  assign halfwords = target == TargetWidth'(hws_pkg::LoadTargetHalfwords);
  assign load = opcode == LOAD && target <= TargetWidth'(hws_pkg::LoadTargetRowMultipliers) &&
      (run_bytes != '0 || !(codes || halfwords)) && ((runs != '0 && lines != '0) || !codes) &&
      (target == TargetWidth'(hws_pkg::LoadTargetWeights) || !instruction_i[hws_pkg::LoadPackedLsb]);
  assign on_beat = instruction_i[hws_pkg::StoreHalfwordsLsb] ? first_channel[HalfwordBits-1:0] == '0 :
      first_channel == '0;
  assign store = opcode == STORE && run_bytes != '0 && runs != '0 && on_beat;
  assign illegal_o = !(load || store) || beats == '0 || misaligned != '0;

  // Beats count bytes of at most 28 bits, so the sums need one more bit than an address.
  assign size = SumWidth'(beats) << ByteBits;
  assign offset = {1'b0, address} - {1'b0, base_i};
  assign offset_end = offset + size;
  assign address_end = {1'b0, address} + size - 1'b1;
  assign outside_o = offset[SumWidth-1] || offset_end > {1'b0, bytes_i} || address_end[SumWidth-1];
endmodule : hws_dma_check
`default_nettype wire
