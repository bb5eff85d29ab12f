// Any one entry is followed: a code that names it decodes to what was last written there before the code was accepted.
module formal_decoder_codebook (
  input wire logic clk_i,
  input wire logic write,
  input wire logic [7:0] write_code,
  input wire logic [8:0] write_mantissa,
  input wire logic [3:0] write_shift,
  input wire logic in_valid,
  input wire logic [7:0] in_code,
  input wire logic out_ready
);
  (* anyconst *) logic [7:0] entry;
  logic rst_n = 1'b0;
  logic valid = 1'b0;
  logic written = 1'b0;
  logic followed = 1'b0;
  logic in_ready, out_valid;
  logic [8:0] mantissa, entry_mantissa, want_mantissa;
  logic [3:0] shift, entry_shift, want_shift;

  hws_decoder_codebook #(.Lanes(1)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .codebook_write_i(write),
    .codebook_code_i(write_code),
    .codebook_mantissa_i(write_mantissa),
    .codebook_shift_i(write_shift),
    .in_valid_i(in_valid),
    .in_ready_o(in_ready),
    .in_code_i(in_code),
    .out_valid_o(out_valid),
    .out_ready_i(out_ready),
    .out_mantissa_o(mantissa),
    .out_shift_o(shift)
  );

  always @(posedge clk_i) begin
    rst_n <= 1'b1;
    if (rst_n) begin
      assert (in_ready == (!valid || out_ready));
      assert (out_valid == valid);
      if (write && write_code == entry) begin
        written        <= 1'b1;
        entry_mantissa <= write_mantissa;
        entry_shift    <= write_shift;
      end
      if (in_ready) valid <= in_valid;
      if (in_valid && in_ready) begin
        followed      <= written && in_code == entry;
        want_mantissa <= entry_mantissa;
        want_shift    <= entry_shift;
      end
      if (valid && followed) assert (mantissa == want_mantissa && shift == want_shift);
    end
  end
endmodule
