// SPDX-License-Identifier: Apache-2.0
// Encoder of probabilities to codebook codes (TanQ of DopQ-ViT, any sorted levels): a binary search of the thresholds.
//
//   code = number of thresholds t_1 <= t_2 <= ... that are at most p                 2**b - 1 thresholds
//
// p: Q0.16, 0 to 65536. t: 17 bits unsigned, written as threshold_index_i 1 to 2**b - 1 (index 0 is ignored) before the first
// p. Code: b bits (2 to 8) at the bottom of 8; thresholds above 2**b - 1 are not read.
//
// Stage s (0 to 7) finds bit j = 7 - s: the bits above are known, so t of the smallest code that has bit j decides. These
// thresholds, {bits above, 1, zeros}, are a memory of 2**s entries a stage; stage 0 has one entry, a register for all
// lanes. Price: 254 * 17 bits a lane, because a memory has one read port. A stage reads the memory of the next one.
// Latency: 8 cycles for every b, all stages stall together. bits_i holds while a word is inside.
`default_nettype none
module hws_encoder_codebook #(
  parameter int Lanes = hws_pkg::SoftmaxLanes
) (
  input  wire logic                                       clk_i,
  input  wire logic                                       rst_ni,
  input  wire logic [                                3:0] bits_i,
  input  wire logic                                       threshold_write_i,
  input  wire logic [             hws_pkg::CodeWidth-1:0] threshold_index_i,
  input  wire logic [      hws_pkg::ProbabilityWidth-1:0] threshold_i,
  input  wire logic                                       in_valid_i,
  output      logic                                       in_ready_o,
  input  wire logic [Lanes*hws_pkg::ProbabilityWidth-1:0] in_probability_i,
  input  wire logic                                       in_last_i,
  output      logic                                       out_valid_o,
  input  wire logic                                       out_ready_i,
  output      logic [       Lanes*hws_pkg::CodeWidth-1:0] out_code_o,
  output      logic                                       out_last_o
);
  localparam int CodeWidth = hws_pkg::CodeWidth;
  localparam int ProbabilityWidth = hws_pkg::ProbabilityWidth;
  localparam int Stages = CodeWidth;

  logic advance;
  logic [Stages-1:0] valid_q, last_q;
  logic [Stages-1:0] enable, stage_write;
  logic [ProbabilityWidth-1:0] first_threshold_q;

  assign advance     = !out_valid_o || out_ready_i;
  assign in_ready_o  = advance;
  assign out_valid_o = valid_q[Stages-1];
  assign out_last_o  = last_q[Stages-1];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q <= '0;
      last_q  <= '0;
    end else if (advance) begin
      valid_q <= {valid_q[Stages-2:0], in_valid_i};
      last_q  <= {last_q[Stages-2:0], in_last_i};
    end
  end

  // An index belongs to the stage of its lowest one.
  for (genvar stage = 0; stage < Stages; stage++) begin : gen_decode
    localparam int Bit = Stages - 1 - stage;
    assign enable[stage]      = bits_i > 4'(Bit);
    assign stage_write[stage] = threshold_write_i && threshold_index_i[Bit:0] == {1'b1, {Bit{1'b0}}};
  end

  always_ff @(posedge clk_i) begin
    if (stage_write[0]) first_threshold_q <= threshold_i;
  end

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_lanes
    // Of stage s: p and the bits that the stages before have found, and the threshold that decides on its own bit.
    logic [ProbabilityWidth-1:0] probability[Stages];
    logic [ProbabilityWidth-1:0] threshold[Stages];
    logic [CodeWidth-1:0] known[Stages];
    logic [CodeWidth-1:0] found[Stages];
    logic [CodeWidth-1:0] code_q;

    assign probability[0] = in_probability_i[lane*ProbabilityWidth+:ProbabilityWidth];
    assign threshold[0]   = first_threshold_q;
    assign known[0]       = '0;

    for (genvar stage = 0; stage < Stages; stage++) begin : gen_stages
      localparam int Bit = Stages - 1 - stage;
      assign found[stage] = known[stage] | CodeWidth'(enable[stage] && threshold[stage] <= probability[stage]) << Bit;

      if (stage + 1 < Stages) begin : gen_next
        logic [ProbabilityWidth-1:0] probability_q;
        logic [CodeWidth-1:0] known_q;

        // The data path needs no reset: valid_q guards it.
        always_ff @(posedge clk_i) begin
          if (advance) begin
            probability_q <= probability[stage];
            known_q       <= found[stage];
          end
        end

        hws_ram_1r1w #(
          .Width(ProbabilityWidth),
          .Depth(2 ** (stage + 1))
        ) u_thresholds (
          .clk_i,
          .write_i(stage_write[stage+1]),
          .write_address_i(threshold_index_i[CodeWidth-1:Bit]),
          .write_data_i(threshold_i),
          .read_i(advance),
          .read_address_i(found[stage][CodeWidth-1:Bit]),
          .read_data_o(threshold[stage+1])
        );

        assign probability[stage+1] = probability_q;
        assign known[stage+1]       = known_q;
      end
    end

    always_ff @(posedge clk_i) begin
      if (advance) code_q <= found[Stages-1];
    end

    assign out_code_o[lane*CodeWidth+:CodeWidth] = code_q;
  end
endmodule : hws_encoder_codebook
`default_nettype wire
