// flag 0: payload, signed if small_signed, shift 0; flag 1: payload, unsigned, shift m; of the code that was accepted.
module formal_decoder_two_scale (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [7:0] in_code,
  input wire logic out_ready
);
  (* anyconst *) logic [3:0] bits;
  (* anyconst *) logic [3:0] m;
  (* anyconst *) logic small_signed;
  logic rst_n = 1'b0;
  logic valid = 1'b0;
  logic [7:0] code;
  logic in_ready, out_valid;
  logic signed [8:0] mantissa;
  logic [3:0] shift;
  integer levels, payload, value, exponent;

  hws_decoder_two_scale #(.Lanes(1)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .bits_i(bits),
    .exponent_i(m),
    .small_signed_i(small_signed),
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
      levels = 1 << (bits - 1);
      payload = code % levels;
      if (code / levels % 2 == 1) begin
        value    = payload;
        exponent = m;
      end else begin
        value    = small_signed && payload >= levels / 2 ? payload - levels : payload;
        exponent = 0;
      end
      if (valid) assert (mantissa == value && shift == exponent);
    end
  end
endmodule
