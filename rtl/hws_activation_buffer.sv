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

  logic [ ReadPorts*BankBits-1:0] read_bank;
  logic [WritePorts*BankBits-1:0] write_bank;
  // Of each bank.
  logic [Banks-1:0] read, read_skew, write_skew;
  logic [Banks*BankAddressWidth-1:0] read_address, write_address;
  logic [Banks*WordBits-1:0] read_row, write_row;
  logic [Banks*WordBytes-1:0] write_mask;
  logic [Banks*WordWidth-1:0] write_data, bank_data;
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
    assign write_bank[p*BankBits+:BankBits] = write_address_i[p*AddressWidth+BankAddressWidth+:BankBits];
  end

  // Written from the ports' side, which costs a simulator nothing for a port without a request.
  always_comb begin
    read         = '0;
    read_address = '0;
    read_skew    = '0;
    read_row     = '0;
    for (int p = 0; p < ReadPorts; p++) begin
      if (read_valid_i[p]) begin
        read[read_bank[p*BankBits+:BankBits]] = 1'b1;
        read_address[read_bank[p*BankBits+:BankBits]*BankAddressWidth+:BankAddressWidth] =
            read_address_i[p*AddressWidth+:BankAddressWidth];
        read_skew[read_bank[p*BankBits+:BankBits]] = read_skew_i[p];
        read_row[read_bank[p*BankBits+:BankBits]*WordBits+:WordBits] = read_row_i[p*WordBits+:WordBits];
      end
    end
  end

  // The upper half of a doubled vector, shifted left, is the rotated one.
  always_comb begin
    write_address = '0;
    write_skew    = '0;
    write_row     = '0;
    write_mask    = '0;
    write_data    = '0;
    for (int p = 0; p < WritePorts; p++) begin
      if (write_valid_i[p]) begin
        write_address[write_bank[p*BankBits+:BankBits]*BankAddressWidth+:BankAddressWidth] =
            write_address_i[p*AddressWidth+:BankAddressWidth];
        write_skew[write_bank[p*BankBits+:BankBits]] = write_skew_i[p];
        write_row[write_bank[p*BankBits+:BankBits]*WordBits+:WordBits] = write_row_i[p*WordBits+:WordBits];
        write_mask[write_bank[p*BankBits+:BankBits]*WordBytes+:WordBytes] =
            WordBytes'({2{write_mask_i[p*WordBytes+:WordBytes]}} << write_rotate_i[p*WordBits+:WordBits] >> WordBytes);
        write_data[write_bank[p*BankBits+:BankBits]*WordWidth+:WordWidth] =
            WordWidth'({2{write_data_i[p*WordWidth+:WordWidth]}}
                       << {write_rotate_i[p*WordBits+:WordBits], 3'b000} >> WordWidth);
      end
    end
  end

  for (genvar k = 0; k < Banks; k++) begin : gen_banks
    hws_buffer_bank #(
      .WordBytes(WordBytes),
      .Words(2 ** BankAddressWidth)
    ) u_bank (
      .clk_i,
      .read_i(read[k]),
      .read_address_i(read_address[k*BankAddressWidth+:BankAddressWidth]),
      .read_skew_i(read_skew[k]),
      .read_row_i(read_row[k*WordBits+:WordBits]),
      .read_data_o(bank_data[k*WordWidth+:WordWidth]),
      .write_address_i(write_address[k*BankAddressWidth+:BankAddressWidth]),
      .write_skew_i(write_skew[k]),
      .write_row_i(write_row[k*WordBits+:WordBits]),
      .write_mask_i(write_mask[k*WordBytes+:WordBytes]),
      .write_data_i(write_data[k*WordWidth+:WordWidth])
    );
  end

  initial begin
    if (2 ** WordBits != WordBytes || 2 ** BankBits != Banks || BankAddressWidth < WordBits)
      $fatal(1, "WordBytes and Banks must be powers of two, and a bank at least WordBytes words");
  end
endmodule : hws_activation_buffer
`default_nettype wire
