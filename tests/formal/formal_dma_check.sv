// What hws_dma_check lets pass begins a beat and lies in the window, in the address space, with at least one beat; what is
// packed goes to the weights.
module formal_dma_check (
  input logic clk_i,
  input logic [hws_pkg::InstructionWidth-1:0] instruction_i,
  input logic [31:0] base_i,
  input logic [31:0] bytes_i
);
  logic illegal, outside, misaligned, in_window, packed_load;
  logic [31:0] address;
  logic [39:0] first, after, window_end;

  hws_dma_check u_check (
    .instruction_i,
    .base_i,
    .bytes_i,
    .illegal_o(illegal),
    .outside_o(outside)
  );

  assign address    = instruction_i[hws_pkg::LoadAddressLsb+:32];
  assign first      = 40'(address);
  assign after      = first + 40'(instruction_i[hws_pkg::LoadBeatsLsb+:hws_pkg::LoadBeatsWidth]) * hws_pkg::DramBytes;
  assign window_end = 40'(base_i) + 40'(bytes_i);
  assign packed_load = instruction_i[hws_pkg::LoadPackedLsb] &&
      instruction_i[hws_pkg::InstructionOpcodeLsb+:4] == hws_pkg::OpLoad;
  assign misaligned = address % hws_pkg::DramBytes != 0;
  assign in_window  = first >= 40'(base_i) && after <= window_end && after <= (40'd1 << 32);

  always @(posedge clk_i) begin
    if (!illegal) assert (!misaligned && after > first);
    if (!illegal) assert (outside == !in_window);
    if (!illegal && packed_load) assert (instruction_i[hws_pkg::LoadTargetLsb+:4] == hws_pkg::LoadTargetWeights);
  end
endmodule
