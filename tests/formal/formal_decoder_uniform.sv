// mantissa = code - zero_point, shift = e, of the code that was accepted; output stable while stalled.
module formal_decoder_uniform (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [7:0] in_code,
  input wire logic out_ready
);
  (* anyconst *) logic is_signed;
  (* anyconst *) logic signed [8:0] zero_point;
  (* anyconst *) logic [3:0] exponent;
  logic rst_n = 1'b0;
  logic valid = 1'b0;
  logic [7:0] code;
  logic in_ready, out_valid;
  logic signed [8:0] mantissa;
  logic [3:0] shift;
  integer exact;

  hws_decoder_uniform #(.Lanes(1)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .signed_i(is_signed),
    .shift_i(exponent),
    .zero_points_i(zero_point),
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
    // The zero point is a code of the format.
    if (is_signed) assume (zero_point >= -128 && zero_point <= 127);
    else assume (zero_point >= 0);
    if (rst_n) begin
      assert (in_ready == (!valid || out_ready));
      assert (out_valid == valid);
      if (in_ready) valid <= in_valid;
      if (in_valid && in_ready) code <= in_code;
      exact = is_signed && code >= 128 ? code - 256 : code;
      if (valid) assert (mantissa == exact - zero_point && shift == exponent);
    end
  end
endmodule
