// SPDX-License-Identifier: Apache-2.0
// Weight buffer: two banks of WeightSteps words of ArrayColumns weights, and two banks of ArrayColumns parameter entries
// of the drain (bias 32, M 16, s 6, old channel shift 3, new one 3, from bit 0).
//
// Write: a beat of a step's weights (a byte each; where a step is less than a beat, its low bytes), or one entry.
// Weights: the step's word two cycles after the request (memory, register, as the activation buffer), held until two
// cycles after the next request. Parameters: DrainLanes entries, group g being columns g * DrainLanes and up, one cycle
// after the request, held until one cycle after the next. What is read and written at the same edge reads as its old value.
`default_nettype none
module hws_weight_buffer #(
  parameter int Columns = hws_pkg::ArrayColumns,
  parameter int Lanes = hws_pkg::DrainLanes,
  localparam int Groups = Columns / Lanes,
  localparam int GroupWidth = (Groups > 1) ? $clog2(Groups) : 1,  // 0 bits are no signal
  localparam int EntryWidth = (Columns > 1) ? $clog2(Columns) : 1,
  localparam int PartWidth = (hws_pkg::StepBeats > 1) ? $clog2(hws_pkg::StepBeats) : 1
) (
  input  wire logic                                     clk_i,
  input  wire logic                                     rst_ni,
  input  wire logic                                     weight_write_i,
  input  wire logic                                     weight_write_bank_i,
  input  wire logic [     hws_pkg::WeightStepWidth-1:0] weight_write_step_i,
  input  wire logic [                    PartWidth-1:0] weight_write_part_i,
  input  wire logic [           hws_pkg::DramWidth-1:0] weight_write_data_i,
  input  wire logic                                     parameter_write_i,
  input  wire logic                                     parameter_write_bank_i,
  input  wire logic [                   EntryWidth-1:0] parameter_write_entry_i,
  input  wire logic [      hws_pkg::ParameterWidth-1:0] parameter_write_data_i,
  input  wire logic                                     weight_read_i,
  input  wire logic                                     weight_read_bank_i,
  input  wire logic [     hws_pkg::WeightStepWidth-1:0] weight_read_step_i,
  output      logic [ Columns*hws_pkg::WeightWidth-1:0] weight_read_data_o,
  input  wire logic                                     parameter_read_i,
  input  wire logic                                     parameter_read_bank_i,
  input  wire logic [                   GroupWidth-1:0] parameter_read_group_i,
  output      logic [Lanes*hws_pkg::ParameterWidth-1:0] parameter_read_data_o
);
  localparam int ParameterWidth = hws_pkg::ParameterWidth;
  localparam int WeightWidth = hws_pkg::WeightWidth;
  localparam int Parts = hws_pkg::StepBeats;
  localparam int PartColumns = Columns / Parts;
  localparam int PartDataWidth = PartColumns * WeightWidth;

  logic weight_valid_q;
  logic [Columns*WeightWidth-1:0] weights, weights_q;
  logic [PartDataWidth-1:0] part_data;
  logic [GroupWidth-1:0] write_group;

  assign weight_read_data_o = weights_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) weight_valid_q <= 1'b0;
    else weight_valid_q <= weight_read_i;
  end

  // The data path needs no reset: weight_valid_q guards it.
  always_ff @(posedge clk_i) begin
    if (weight_valid_q) weights_q <= weights;
  end

  for (genvar column = 0; column < PartColumns; column++) begin : gen_columns
    assign part_data[column*WeightWidth+:WeightWidth] = weight_write_data_i[column*8+:WeightWidth];
  end

  for (genvar part = 0; part < Parts; part++) begin : gen_parts
    hws_ram_1r1w #(
      .Width(PartDataWidth),
      .Depth(2 ** (hws_pkg::WeightStepWidth + 1))
    ) u_weights (
      .clk_i,
      .write_i(weight_write_i && weight_write_part_i == PartWidth'(part)),
      .write_address_i({weight_write_bank_i, weight_write_step_i}),
      .write_data_i(part_data),
      .read_i(weight_read_i),
      .read_address_i({weight_read_bank_i, weight_read_step_i}),
      .read_data_o(weights[part*PartDataWidth+:PartDataWidth])
    );
  end

  assign write_group = GroupWidth'(32'(parameter_write_entry_i) / Lanes);

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    hws_ram_1r1w #(
      .Width(ParameterWidth),
      .Depth(2 ** (GroupWidth + 1))
    ) u_parameters (
      .clk_i,
      .write_i(parameter_write_i && 32'(parameter_write_entry_i) % Lanes == lane),
      .write_address_i({parameter_write_bank_i, write_group}),
      .write_data_i(parameter_write_data_i),
      .read_i(parameter_read_i),
      .read_address_i({parameter_read_bank_i, parameter_read_group_i}),
      .read_data_o(parameter_read_data_o[lane*ParameterWidth+:ParameterWidth])
    );
  end
endmodule : hws_weight_buffer
`default_nettype wire
