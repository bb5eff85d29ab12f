// SPDX-License-Identifier: Apache-2.0
// Dispatcher: takes the instructions of the buffer in order and pushes each to the queue of its engine, one a cycle.
//
// begin_i loads segment 0: the dispatcher itself pushes that load. A half of the buffer is valid from the cycle after the
// DMA's done of its load until its last instruction has been read; the program loads each next half by an instruction.
// end waits until idle_i; finished_o is high for one cycle then, and nothing is read after it. An illegal instruction raises illegal_o and nothing
// more is dispatched, as after halt_i.
// Timing: first instruction of a half at the earliest 2 cycles after the load's done, then one a cycle.
`default_nettype none
module hws_dispatcher (
  input  wire logic                                                   clk_i,
  input  wire logic                                                   rst_ni,
  input  wire logic                                                   begin_i,
  input  wire logic                                                   halt_i,
  input  wire logic                                                   idle_i,
  input  wire logic [                  hws_pkg::DramAddressWidth-1:0] program_address_i,
  input  wire logic                                                   half_loaded_i,
  input  wire logic                                                   half_i,
  output      logic                                                   read_o,
  output      logic [$clog2(hws_pkg::SegmentInstructions):0] read_address_o,
  input  wire logic [                  hws_pkg::InstructionWidth-1:0] read_data_i,
  output      logic [                        hws_pkg::QueueCount-1:0] push_o,
  input  wire logic [                        hws_pkg::QueueCount-1:0] room_i,
  output      logic [                  hws_pkg::InstructionWidth-1:0] instruction_o,
  output      logic                                                   illegal_o,
  output      logic                                                   finished_o
);
  localparam int OpcodeWidth = hws_pkg::InstructionOpcodeWidth;
  localparam int IndexWidth = $clog2(hws_pkg::SegmentInstructions);
  localparam int SegmentBeats = hws_pkg::SegmentInstructions * hws_pkg::InstructionWidth / hws_pkg::DramWidth;
  localparam logic [IndexWidth-1:0] LAST = IndexWidth'(hws_pkg::SegmentInstructions - 1);

  logic boot_q, word_valid_q, ended_q, legal, is_end, take;
  logic [1:0] half_valid_q;
  logic [IndexWidth:0] next_q;  // {half, index} of the instruction after the one in read_data_i
  logic [hws_pkg::InstructionWidth-1:0] boot;
  logic [OpcodeWidth-1:0] opcode;
  logic [hws_pkg::QueueCount-1:0] target;

  // The load of segment 0; all other fields are 0, so it goes to half 0 and posts to nobody.
  always_comb begin
    boot = '0;
    boot[hws_pkg::InstructionOpcodeLsb+:OpcodeWidth] = OpcodeWidth'(hws_pkg::OpLoad);
    boot[hws_pkg::LoadAddressLsb+:hws_pkg::LoadAddressWidth] = program_address_i;
    boot[hws_pkg::LoadBeatsLsb+:hws_pkg::LoadBeatsWidth] = hws_pkg::LoadBeatsWidth'(SegmentBeats);
    boot[hws_pkg::LoadTargetLsb+:hws_pkg::LoadTargetWidth] = hws_pkg::LoadTargetWidth'(hws_pkg::LoadTargetProgram);
  end

  assign instruction_o = boot_q ? boot : read_data_i;
  assign opcode        = instruction_o[hws_pkg::InstructionOpcodeLsb+:OpcodeWidth];
  assign is_end        = opcode == OpcodeWidth'(hws_pkg::OpEnd);

  hws_instruction_check u_check (
    .instruction_i(instruction_o),
    .legal_o(legal)
  );

  always_comb begin
    target = '0;
    case (opcode)
      OpcodeWidth'(hws_pkg::OpLoad), OpcodeWidth'(hws_pkg::OpStore): target[hws_pkg::QueueDma] = 1'b1;
      OpcodeWidth'(hws_pkg::OpGemm): target[hws_pkg::QueueArray] = 1'b1;
      OpcodeWidth'(hws_pkg::OpSoftmax): target[hws_pkg::QueueSoftmax] = 1'b1;
      OpcodeWidth'(hws_pkg::OpLayernorm): target[hws_pkg::QueueLayernorm] = 1'b1;
      default: ;
    endcase
  end

  assign push_o         = ((boot_q || word_valid_q) && legal && !halt_i) ? target & room_i : '0;
  assign illegal_o      = word_valid_q && !legal && !halt_i;
  assign finished_o     = word_valid_q && is_end && idle_i && !halt_i;
  assign take           = !boot_q && |push_o;
  assign read_o         = !ended_q && (!word_valid_q || take) && half_valid_q[next_q[IndexWidth]];
  assign read_address_o = next_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      boot_q       <= 1'b0;
      word_valid_q <= 1'b0;
      ended_q      <= 1'b0;
      half_valid_q <= '0;
      next_q       <= '0;
    end else begin
      boot_q       <= begin_i || (boot_q && push_o == '0);
      word_valid_q <= read_o || (word_valid_q && !take && !finished_o);
      ended_q      <= ended_q || finished_o;
      if (read_o) begin
        next_q <= (next_q[IndexWidth-1:0] == LAST) ? {!next_q[IndexWidth], IndexWidth'(0)} : next_q + 1'b1;
        if (next_q[IndexWidth-1:0] == LAST) half_valid_q[next_q[IndexWidth]] <= 1'b0;
      end
      if (half_loaded_i) half_valid_q[half_i] <= 1'b1;
    end
  end
endmodule : hws_dispatcher
`default_nettype wire
