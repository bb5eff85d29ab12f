// log2: 2**(x - q); log-sqrt2: (128 or 181) * 2**(x - ceil(q / 2)); zero for the last code and for what is below 2**0.
module formal_decoder_log (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [7:0] in_code,
  input wire logic out_ready
);
  (* anyconst *) logic [3:0] bits;
  (* anyconst *) logic [3:0] largest;
  (* anyconst *) logic root;
  logic rst_n = 1'b0;
  logic valid = 1'b0;
  logic [7:0] code;
  logic in_ready, out_valid;
  logic signed [8:0] mantissa;
  logic [3:0] shift;
  integer q, value, exponent;

  hws_decoder_log #(.Lanes(1)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .bits_i(bits),
    .exponent_i(largest),
    .sqrt_i(root),
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
    assume (bits >= 2 && bits <= 8);
    if (rst_n) begin
      assert (in_ready == (!valid || out_ready));
      assert (out_valid == valid);
      if (in_ready) valid <= in_valid;
      if (in_valid && in_ready) code <= in_code;
      q = code % (1 << bits);
      exponent = root ? largest - (q + 1) / 2 : largest - q;
      value = !root ? 1 : q % 2 == 0 ? 128 : 181;
      if (q == (1 << bits) - 1 || exponent < 0) begin
        value    = 0;
        exponent = 0;
      end
      if (valid) assert (mantissa == value && shift == exponent);
    end
  end
endmodule
