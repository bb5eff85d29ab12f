// SPDX-License-Identifier: Apache-2.0
// Control of the DMA: takes an instruction, checks it, starts the load or store side, reports the end and errors.
//
// Started in cycle s: address_load_o or address_store_o in s + 1, begin_load_o or begin_store_o, with the word of the first
// row in origin_o, in s + 2; or, when the check refuses, error and done in s + 2. read_error_i, write_error_i: a response
// that is not OKAY; mismatch_i: a store whose beats are not those of its rows. One error an instruction, up to its done.
`default_nettype none
module hws_dma_control #(
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int DramAddressWidth = hws_pkg::DramAddressWidth,
  localparam int Width = hws_pkg::InstructionWidth
) (
  input  wire logic                        clk_i,
  input  wire logic                        rst_ni,
  input  wire logic                        start_valid_i,
  output      logic                        start_ready_o,
  input  wire logic [           Width-1:0] instruction_i,
  output      logic                        done_o,
  output      logic                        busy_o,
  output      logic                        error_valid_o,
  output      logic [                 3:0] error_code_o,
  input  wire logic [DramAddressWidth-1:0] dram_base_i,
  input  wire logic [DramAddressWidth-1:0] dram_bytes_i,
  output      logic [           Width-1:0] instruction_o,
  output      logic [    AddressWidth-1:0] origin_o,
  output      logic                        address_load_o,
  output      logic                        address_store_o,
  output      logic                        begin_load_o,
  output      logic                        begin_store_o,
  input  wire logic                        load_done_i,
  input  wire logic                        store_end_i,      // the last response
  input  wire logic                        read_error_i,
  input  wire logic                        write_error_i,
  input  wire logic                        mismatch_i
);
  typedef enum logic [2:0] {
    StateIdle,
    StateCheck,
    StateBegin,
    StateRun,
    StateRefuse
  } state_e;

  localparam int RowWidth = hws_pkg::LoadFirstRowWidth;
  localparam int StrideWidth = hws_pkg::LoadStrideWidth;
  localparam int ProductWidth = RowWidth + StrideWidth;
  localparam logic [3:0] NONE = 4'(hws_pkg::ErrorNone);

  state_e state_q;
  logic [Width-1:0] descriptor_q;
  logic store, legal, illegal, outside, rows_of_words;

  assign store           = descriptor_q[hws_pkg::InstructionOpcodeLsb+:hws_pkg::InstructionOpcodeWidth] ==
      hws_pkg::InstructionOpcodeWidth'(hws_pkg::OpStore);
  assign legal = !illegal && !outside;
  assign instruction_o = descriptor_q;
  assign start_ready_o = state_q == StateIdle;
  assign busy_o = state_q != StateIdle;
  assign address_load_o = state_q == StateCheck && legal && !store;
  assign address_store_o = state_q == StateCheck && legal && store;
  assign begin_load_o = state_q == StateBegin && !store;
  assign begin_store_o = state_q == StateBegin && store;

  hws_dma_check u_check (
    .instruction_i(descriptor_q),
    .base_i(dram_base_i),
    .bytes_i(dram_bytes_i),
    .illegal_o(illegal),
    .outside_o(outside)
  );

  // Word of the first row: base + stride * (first row of a tensor of halfwords, or row of blocks of one of codes).
  logic [RowWidth-1:0] first_row, strides;
  logic [StrideWidth-1:0] stride;
  logic [AddressWidth-1:0] base, product_q;

  assign rows_of_words = store ? descriptor_q[hws_pkg::StoreHalfwordsLsb] :
      descriptor_q[hws_pkg::LoadTargetLsb+:hws_pkg::LoadTargetWidth] ==
      hws_pkg::LoadTargetWidth'(hws_pkg::LoadTargetHalfwords);
  assign first_row = descriptor_q[hws_pkg::LoadFirstRowLsb+:RowWidth];
  assign stride = descriptor_q[hws_pkg::LoadStrideLsb+:StrideWidth];
  assign strides = rows_of_words ? first_row : first_row >> hws_pkg::WordBits;
  assign base = AddressWidth'(descriptor_q[hws_pkg::LoadBaseLsb+:hws_pkg::LoadBaseWidth]);
  assign origin_o = base + product_q;

  always_ff @(posedge clk_i) begin
    if (start_valid_i && start_ready_o) descriptor_q <= instruction_i;
    if (state_q == StateCheck) product_q <= AddressWidth'(ProductWidth'(strides) * ProductWidth'(stride));
  end

  // Ends and errors. A mismatch is told with the end.
  logic store_done_q, mismatch_q, reported_q;
  logic [3:0] code, code_q;

  assign done_o = state_q == StateRefuse || load_done_i || store_done_q;

  always_comb begin
    code = NONE;
    if (state_q == StateCheck && outside) code = 4'(hws_pkg::ErrorAddress);
    if ((state_q == StateCheck && illegal) || (store_end_i && mismatch_q)) code = 4'(hws_pkg::ErrorIllegal);
    if (write_error_i) code = 4'(hws_pkg::ErrorAxiWrite);
    if (read_error_i) code = 4'(hws_pkg::ErrorAxiRead);
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q      <= StateIdle;
      store_done_q <= 1'b0;
      mismatch_q   <= 1'b0;
      reported_q   <= 1'b0;
      code_q       <= NONE;
    end else begin
      store_done_q <= store_end_i;
      mismatch_q   <= (mismatch_q || mismatch_i) && !done_o;
      reported_q   <= (reported_q || code != NONE) && !done_o;
      code_q       <= reported_q ? NONE : code;
      unique case (state_q)
        StateIdle: if (start_valid_i) state_q <= StateCheck;
        StateCheck: state_q <= legal ? StateBegin : StateRefuse;
        StateBegin: state_q <= StateRun;
        StateRun: if (done_o) state_q <= StateIdle;
        default: state_q <= StateIdle;
      endcase
    end
  end

  assign error_valid_o = code_q != NONE;
  assign error_code_o  = code_q;
endmodule : hws_dma_control
`default_nettype wire
