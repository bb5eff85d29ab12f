// SPDX-License-Identifier: Apache-2.0
// Arithmetic of the drain: sums and the parameters of their columns to codes, by one of four operations.
//
//   y   = clamp(round_shift((acc + bias) * M, s) + z, lo, hi), or with a row multiplier: hws_requantizer
//   out = y (none), table[y - lo] (table), residual adder with the old code (residual) or the constant (constant)
//
// operation_i: DRAIN_OPERATIONS of hwsim/isa.py. Codes of a table lie at the bottom of 16 bits, zeros above; all others have
// 16. Parameter entry: bias 32, M 16, s 6, old channel shift 3, new one 3, from bit 0. in_skip_i: old codes of 8 bits side by
// side, or constants of 16; it arrives 4 cycles after its word, with the requantiser's result. The rest of the configuration
// holds while a word is inside.
// Rigid. Latency: 8 cycles for every operation: requantiser 4, residual adder 4, for which the others wait in registers.
`default_nettype none
module hws_drain_path #(
  parameter int Lanes = hws_pkg::DrainLanes
) (
  input  wire logic                                      clk_i,
  input  wire logic                                      rst_ni,
  input  wire logic [       hws_pkg::GemmDrainWidth-1:0] operation_i,
  input  wire logic                                      row_scales_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] zero_point_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] lo_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] hi_i,
  input  wire logic [      hws_pkg::MultiplierWidth-1:0] multiplier_i,
  input  wire logic [ hws_pkg::MultiplierShiftWidth-1:0] shift_i,
  input  wire logic [           hws_pkg::GuardWidth-1:0] guard_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] code_lo_i,
  input  wire logic [             hws_pkg::OutWidth-1:0] code_hi_i,
  input  wire logic                                      table_write_i,
  input  wire logic [    hws_pkg::TableAddressWidth-1:0] table_address_i,
  input  wire logic [            hws_pkg::CodeWidth-1:0] table_code_i,
  input  wire logic                                      in_valid_i,
  input  wire logic [       Lanes*hws_pkg::AccWidth-1:0] in_acc_i,
  input  wire logic [   hws_pkg::RowMultiplierWidth-1:0] in_row_multiplier_i,
  input  wire logic [ Lanes*hws_pkg::ParameterWidth-1:0] in_parameters_i,
  input  wire logic [       Lanes*hws_pkg::OutWidth-1:0] in_skip_i,
  output      logic [       Lanes*hws_pkg::OutWidth-1:0] out_data_o
);
  localparam int AccWidth = hws_pkg::AccWidth;
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int OutWidth = hws_pkg::OutWidth;
  localparam int MultiplierWidth = hws_pkg::MultiplierWidth;
  localparam int ShiftWidth = hws_pkg::MultiplierShiftWidth;
  localparam int OperationWidth = hws_pkg::GemmDrainWidth;
  // Places in a parameter entry.
  localparam int EntryWidth = hws_pkg::ParameterWidth;
  localparam int MultiplierLsb = 32;
  localparam int ShiftLsb = 48;
  localparam int ChannelShiftWidth = hws_pkg::ChannelShiftWidth;
  localparam int OldShiftLsb = 54;
  localparam int NewShiftLsb = 57;

  logic tabled, constant, added, y_valid;
  logic [2:0] unused_ready, unused_last;
  logic [1:0] unused_valid;
  logic [Lanes*AccWidth-1:0] bias;
  logic [Lanes*MultiplierWidth-1:0] multiplier;
  logic [Lanes*ShiftWidth-1:0] shift;
  logic [Lanes*ChannelShiftWidth-1:0] old_shift, old_shift_q, old_shift_q2, old_shift_q3, old_shift_q4;
  logic [Lanes*ChannelShiftWidth-1:0] new_shift, new_shift_q, new_shift_q2, new_shift_q3, new_shift_q4;
  logic [Lanes*OutWidth-1:0] y, stream, sum, short_q5, short_q6, short_q7, short_q8;
  logic [Lanes*CodeWidth-1:0] table_code;

  assign tabled   = operation_i == OperationWidth'(hws_pkg::GemmDrainTable);
  assign constant = operation_i == OperationWidth'(hws_pkg::GemmDrainConstant);
  assign added    = constant || operation_i == OperationWidth'(hws_pkg::GemmDrainResidual);

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_parameters
    logic [EntryWidth-1:0] entry;
    logic unused_top;
    assign entry                                                = in_parameters_i[lane*EntryWidth+:EntryWidth];
    assign bias[lane*AccWidth+:AccWidth]                        = entry[AccWidth-1:0];
    assign multiplier[lane*MultiplierWidth+:MultiplierWidth]    = entry[MultiplierLsb+:MultiplierWidth];
    assign shift[lane*ShiftWidth+:ShiftWidth]                   = entry[ShiftLsb+:ShiftWidth];
    assign old_shift[lane*ChannelShiftWidth+:ChannelShiftWidth] = entry[OldShiftLsb+:ChannelShiftWidth];
    assign new_shift[lane*ChannelShiftWidth+:ChannelShiftWidth] = entry[NewShiftLsb+:ChannelShiftWidth];
    assign unused_top                                           = ^entry;  // nothing above the shifts
  end

  hws_requantizer #(
    .Lanes(Lanes)
  ) u_requantizer (
    .clk_i,
    .rst_ni,
    .row_scales_i,
    .zero_point_i,
    .lo_i,
    .hi_i,
    .in_valid_i,
    .in_ready_o(unused_ready[0]),
    .in_acc_i,
    .in_row_multiplier_i,
    .in_bias_i(bias),
    .in_multiplier_i(multiplier),
    .in_shift_i(shift),
    .in_last_i(1'b0),
    .out_valid_o(y_valid),
    .out_ready_i(1'b1),
    .out_data_o(y),
    .out_last_o(unused_last[0])
  );

  // The channels' shifts wait for the requantiser. No register of the data path needs a reset: the valid bits guard it.
  always_ff @(posedge clk_i) begin
    {old_shift_q, old_shift_q2, old_shift_q3, old_shift_q4} <= {old_shift, old_shift_q, old_shift_q2, old_shift_q3};
    {new_shift_q, new_shift_q2, new_shift_q3, new_shift_q4} <= {new_shift, new_shift_q, new_shift_q2, new_shift_q3};
  end

  hws_table #(
    .Lanes(Lanes)
  ) u_table (
    .clk_i,
    .rst_ni,
    .lo_i(lo_i[hws_pkg::TableAddressWidth-1:0]),
    .table_write_i,
    .table_address_i,
    .table_code_i,
    .in_valid_i(y_valid && tabled),
    .in_ready_o(unused_ready[1]),
    .in_data_i(y),
    .in_last_i(1'b0),
    .out_valid_o(unused_valid[0]),
    .out_ready_i(1'b1),
    .out_code_o(table_code),
    .out_last_o(unused_last[1])
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_stream
    assign stream[lane*OutWidth+:OutWidth] =
        constant ? in_skip_i[lane*OutWidth+:OutWidth] : OutWidth'(in_skip_i[lane*CodeWidth+:CodeWidth]);
  end

  hws_residual #(
    .Lanes(Lanes)
  ) u_residual (
    .clk_i,
    .rst_ni,
    .constant_i(constant),
    .multiplier_i,
    .shift_i,
    .guard_i,
    .lo_i(code_lo_i),
    .hi_i(code_hi_i),
    .in_valid_i(y_valid && added),
    .in_ready_o(unused_ready[2]),
    .in_stream_i(stream),
    .in_branch_i(y),
    .in_old_shift_i(old_shift_q4),
    .in_new_shift_i(new_shift_q4),
    .in_last_i(1'b0),
    .out_valid_o(unused_valid[1]),
    .out_ready_i(1'b1),
    .out_data_o(sum),
    .out_last_o(unused_last[2])
  );

  // The shorter operations wait: the table's memory is a stage of its own.
  always_ff @(posedge clk_i) begin
    short_q5 <= y;
    short_q7 <= short_q6;
    short_q8 <= short_q7;
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_out
    always_ff @(posedge clk_i) begin
      short_q6[lane*OutWidth+:OutWidth] <=
          tabled ? OutWidth'(table_code[lane*CodeWidth+:CodeWidth]) : short_q5[lane*OutWidth+:OutWidth];
    end
  end

  assign out_data_o = added ? sum : short_q8;
endmodule : hws_drain_path
`default_nettype wire
