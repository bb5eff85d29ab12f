// SPDX-License-Identifier: Apache-2.0
// Refuses an instruction that no engine could execute: an unknown opcode, an empty shape, a row longer than the unit's
// memories, a tensor outside of the activation buffer, a column operand that the weight buffer cannot hold.
//
// Combinational. Only bases are compared with the size of the buffer, not the last word that the shape reaches.
`default_nettype none
module hws_instruction_check (
  input  wire logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  output      logic                                 legal_o
);
  localparam int OpcodeWidth = hws_pkg::InstructionOpcodeWidth;
  localparam int BaseWidth = hws_pkg::GemmRowBaseWidth;
  localparam int CountWidth = hws_pkg::GemmRowsWidth;
  localparam logic [BaseWidth:0] WORDS = (BaseWidth + 1)'(hws_pkg::BufferWords);

  logic [OpcodeWidth-1:0] opcode;
  logic [BaseWidth-1:0] base1, base4, base7, base9;
  logic [CountWidth-1:0] low3, high3, columns, row_bytes, store_rows;
  logic [hws_pkg::LoadBeatsWidth-1:0] beats;
  logic [hws_pkg::LoadTargetWidth-1:0] target;
  logic [hws_pkg::GemmColumnSourceWidth-1:0] source;
  logic [hws_pkg::GemmDrainWidth-1:0] drain;
  logic load, store, gemm, columns_fit, reads_skip;
  logic in1, in4, in7, in9;

  assign opcode = instruction_i[OpcodeWidth-1:0];
  assign base1 = instruction_i[hws_pkg::GemmRowBaseLsb+:BaseWidth];
  assign base4 = instruction_i[hws_pkg::GemmColumnBaseLsb+:BaseWidth];
  assign base7 = instruction_i[hws_pkg::GemmOutBaseLsb+:BaseWidth];
  assign base9 = instruction_i[hws_pkg::GemmSkipBaseLsb+:BaseWidth];
  assign low3 = instruction_i[hws_pkg::GemmRowsLsb+:CountWidth];
  assign high3 = instruction_i[hws_pkg::GemmStepsLsb+:CountWidth];
  assign columns = instruction_i[hws_pkg::GemmColumnsLsb+:CountWidth];
  assign row_bytes = instruction_i[hws_pkg::StoreRowBytesLsb+:CountWidth];
  assign store_rows = instruction_i[hws_pkg::StoreRowsLsb+:CountWidth];
  assign beats = instruction_i[hws_pkg::LoadBeatsLsb+:hws_pkg::LoadBeatsWidth];
  assign target = instruction_i[hws_pkg::LoadTargetLsb+:hws_pkg::LoadTargetWidth];
  assign source = instruction_i[hws_pkg::GemmColumnSourceLsb+:hws_pkg::GemmColumnSourceWidth];
  assign drain = instruction_i[hws_pkg::GemmDrainLsb+:hws_pkg::GemmDrainWidth];

  assign in1 = {1'b0, base1} < WORDS;
  assign in4 = {1'b0, base4} < WORDS;
  assign in7 = {1'b0, base7} < WORDS;
  assign in9 = {1'b0, base9} < WORDS;

  assign load = beats != '0 && target <= hws_pkg::LoadTargetWidth'(hws_pkg::LoadTargetRowMultipliers) && in4;
  assign store = beats != '0 && row_bytes != '0 && store_rows != '0 && in4;
  assign columns_fit = source == hws_pkg::GemmColumnSourceWidth'(hws_pkg::GemmColumnSourceChannels) ||
      (columns <= CountWidth'(hws_pkg::ArrayColumns) &&
       (source == hws_pkg::GemmColumnSourceWidth'(hws_pkg::GemmColumnSourceRows) ||
        high3 <= CountWidth'(hws_pkg::WeightSteps)));
  assign reads_skip = drain == hws_pkg::GemmDrainWidth'(hws_pkg::GemmDrainResidual) ||
      drain == hws_pkg::GemmDrainWidth'(hws_pkg::GemmDrainConstant);
  assign gemm = low3 != '0 && high3 != '0 && columns != '0 && columns_fit && in1 && in4 && in7 &&
      (!reads_skip || in9) && source <= hws_pkg::GemmColumnSourceWidth'(hws_pkg::GemmColumnSourceRows);

  always_comb begin
    case (opcode)
      OpcodeWidth'(hws_pkg::OpLoad): legal_o = load;
      OpcodeWidth'(hws_pkg::OpStore): legal_o = store;
      OpcodeWidth'(hws_pkg::OpGemm): legal_o = gemm;
      OpcodeWidth'(hws_pkg::OpSoftmax): begin
        legal_o = low3 != '0 && high3 != '0 && high3 <= CountWidth'(hws_pkg::SoftmaxColumnsMax) && in1 && in4;
      end
      OpcodeWidth'(hws_pkg::OpLayernorm): begin
        legal_o = low3 != '0 && high3 != '0 && high3 <= CountWidth'(hws_pkg::LayernormChannelsMax) && in1 && in4;
      end
      OpcodeWidth'(hws_pkg::OpEnd): legal_o = 1'b1;
      default: legal_o = 1'b0;
    endcase
  end
endmodule : hws_instruction_check
`default_nettype wire
