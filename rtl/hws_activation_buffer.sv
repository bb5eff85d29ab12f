// SPDX-License-Identifier: Apache-2.0
// Activation buffer: banks of byte-wide memories, read and written by ports that nobody arbitrates.
//
// A word address runs through the banks, BankWords each. Sub-bank b of the bank is accessed at
//
//   skew 0:  the address
//   skew 1:  the address with its low WordBits replaced by (b - row) mod WordBytes
//
// and byte i of a port's data is sub-bank (rotate + i) mod WordBytes. A column of a block of codes (one word) and a row
// of it (a sub-bank of each of WordBytes words) are thus both one access (docs/microarchitecture.md).
// Read: data two cycles after the request (memory; multiplexer of the banks, rotation and register), held until two
// cycles after the port's next request. Write: at the end of the cycle; a mask bit for each byte of the data. A byte read
// and written at the same edge reads as its old value.
// conflict_o: one cycle after two reads, or two writes, met in a bank; what they read or write then is undefined.
`default_nettype none
module hws_activation_buffer #(
  parameter int ReadPorts = hws_pkg::ReadPorts,
  parameter int WritePorts = hws_pkg::WritePorts,
  parameter int Banks = hws_pkg::ActivationBanks,
  parameter int WordBytes = hws_pkg::WordBytes,
  localparam int AddressWidth = hws_pkg::BufferAddressWidth,
  localparam int WordBits = $clog2(WordBytes),
  localparam int WordWidth = 8 * WordBytes
) (
  input  wire logic                               clk_i,
  input  wire logic                               rst_ni,
  input  wire logic [              ReadPorts-1:0] read_valid_i,
  input  wire logic [ ReadPorts*AddressWidth-1:0] read_address_i,
  input  wire logic [              ReadPorts-1:0] read_skew_i,
  input  wire logic [     ReadPorts*WordBits-1:0] read_row_i,
  input  wire logic [     ReadPorts*WordBits-1:0] read_rotate_i,
  output      logic [    ReadPorts*WordWidth-1:0] read_data_o,
  input  wire logic [             WritePorts-1:0] write_valid_i,
  input  wire logic [WritePorts*AddressWidth-1:0] write_address_i,
  input  wire logic [             WritePorts-1:0] write_skew_i,
  input  wire logic [    WritePorts*WordBits-1:0] write_row_i,
  input  wire logic [    WritePorts*WordBits-1:0] write_rotate_i,
  input  wire logic [   WritePorts*WordBytes-1:0] write_mask_i,
  input  wire logic [   WritePorts*WordWidth-1:0] write_data_i,
  output      logic                               conflict_o
);
  localparam int BankBits = $clog2(Banks);
  localparam int BankAddressWidth = AddressWidth - BankBits;

  logic [ReadPorts*BankBits-1:0] read_bank;
  logic [WritePorts*BankBits-1:0] write_bank;
  logic [WritePorts*WordBytes-1:0] write_mask;
  logic [WritePorts*WordWidth-1:0] write_data;
  logic [Banks*WordWidth-1:0] bank_data;
  logic conflict, conflict_q;

  assign conflict_o = conflict_q;

  always_comb begin
    conflict = 1'b0;
    for (int p = 0; p < ReadPorts; p++) begin
      for (int q = 0; q < ReadPorts; q++) begin
        if (q < p && read_valid_i[p] && read_valid_i[q])
          conflict |= read_bank[p*BankBits+:BankBits] == read_bank[q*BankBits+:BankBits];
      end
    end
    for (int p = 0; p < WritePorts; p++) begin
      for (int q = 0; q < WritePorts; q++) begin
        if (q < p && write_valid_i[p] && write_valid_i[q])
          conflict |= write_bank[p*BankBits+:BankBits] == write_bank[q*BankBits+:BankBits];
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) conflict_q <= 1'b0;
    else conflict_q <= conflict;
  end

  // A port remembers its request for a cycle, then takes the bank's word: another port may read that bank next.
  for (genvar p = 0; p < ReadPorts; p++) begin : gen_read_ports
    logic valid_q;
    logic [BankBits-1:0] bank_q;
    logic [WordBits-1:0] rotate_q;
    logic [WordWidth-1:0] word, data_q;

    assign read_bank[p*BankBits+:BankBits] = read_address_i[p*AddressWidth+BankAddressWidth+:BankBits];
    assign word = bank_data[bank_q*WordWidth+:WordWidth];
    assign read_data_o[p*WordWidth+:WordWidth] = data_q;

    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) valid_q <= 1'b0;
      else valid_q <= read_valid_i[p];
    end

    // The data path needs no reset: valid_q guards it.
    always_ff @(posedge clk_i) begin
      if (read_valid_i[p]) begin
        bank_q   <= read_bank[p*BankBits+:BankBits];
        rotate_q <= read_rotate_i[p*WordBits+:WordBits];
      end
      if (valid_q) data_q <= WordWidth'({word, word} >> {rotate_q, 3'b000});
    end
  end

  for (genvar p = 0; p < WritePorts; p++) begin : gen_write_ports
    logic [ WordBits-1:0] rotate;
    logic [WordBytes-1:0] mask;
    logic [WordWidth-1:0] data;

    assign rotate = write_rotate_i[p*WordBits+:WordBits];
    assign mask = write_mask_i[p*WordBytes+:WordBytes];
    assign data = write_data_i[p*WordWidth+:WordWidth];
    assign write_bank[p*BankBits+:BankBits] = write_address_i[p*AddressWidth+BankAddressWidth+:BankBits];
    // The upper half of the doubled vector, shifted left, is the rotated one.
    assign write_mask[p*WordBytes+:WordBytes] = WordBytes'({mask, mask} << rotate >> WordBytes);
    assign write_data[p*WordWidth+:WordWidth] = WordWidth'({data, data} << {rotate, 3'b000} >> WordWidth);
  end

  for (genvar k = 0; k < Banks; k++) begin : gen_banks
    logic read, write, read_skew, write_skew;
    logic [BankAddressWidth-1:0] read_address, write_address;
    logic [WordBits-1:0] read_row, write_row;
    logic [WordBytes-1:0] mask;
    logic [WordWidth-1:0] data;

    always_comb begin
      read         = 1'b0;
      read_address = '0;
      read_skew    = 1'b0;
      read_row     = '0;
      for (int p = 0; p < ReadPorts; p++) begin
        if (read_valid_i[p] && read_bank[p*BankBits+:BankBits] == BankBits'(k)) begin
          read         = 1'b1;
          read_address = read_address_i[p*AddressWidth+:BankAddressWidth];
          read_skew    = read_skew_i[p];
          read_row     = read_row_i[p*WordBits+:WordBits];
        end
      end
    end

    always_comb begin
      write         = 1'b0;
      write_address = '0;
      write_skew    = 1'b0;
      write_row     = '0;
      mask          = '0;
      data          = '0;
      for (int p = 0; p < WritePorts; p++) begin
        if (write_valid_i[p] && write_bank[p*BankBits+:BankBits] == BankBits'(k)) begin
          write         = 1'b1;
          write_address = write_address_i[p*AddressWidth+:BankAddressWidth];
          write_skew    = write_skew_i[p];
          write_row     = write_row_i[p*WordBits+:WordBits];
          mask          = write_mask[p*WordBytes+:WordBytes];
          data          = write_data[p*WordWidth+:WordWidth];
        end
      end
    end

    hws_buffer_bank #(
      .WordBytes(WordBytes),
      .Words(2 ** BankAddressWidth)
    ) u_bank (
      .clk_i,
      .read_i(read),
      .read_address_i(read_address),
      .read_skew_i(read_skew),
      .read_row_i(read_row),
      .read_data_o(bank_data[k*WordWidth+:WordWidth]),
      .write_i(write),
      .write_address_i(write_address),
      .write_skew_i(write_skew),
      .write_row_i(write_row),
      .write_mask_i(mask),
      .write_data_i(data)
    );
  end

  initial begin
    if (2 ** WordBits != WordBytes || 2 ** BankBits != Banks || BankAddressWidth < WordBits)
      $fatal(1, "WordBytes and Banks must be powers of two, and a bank at least WordBytes words");
  end
endmodule : hws_activation_buffer
`default_nettype wire
