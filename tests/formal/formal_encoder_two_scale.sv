// The two-scale and the uniform code of a probability, rounded with room for everything, of the word that was accepted.
module formal_encoder_two_scale (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [16:0] in_probability,
  input wire logic in_last,
  input wire logic out_ready
);
  (* anyconst *) logic [3:0] bits;
  (* anyconst *) logic [3:0] m;
  (* anyconst *) logic uniform;
  logic rst_n = 1'b0;
  logic valid = 1'b0;
  logic last;
  logic [16:0] p;
  logic in_ready, out_valid, out_last;
  logic [7:0] code;
  integer n, u, coarse, want;

  hws_encoder_two_scale #(.Lanes(1)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .bits_i(bits),
    .exponent_i(m),
    .uniform_i(uniform),
    .in_valid_i(in_valid),
    .in_ready_o(in_ready),
    .in_probability_i(in_probability),
    .in_last_i(in_last),
    .out_valid_o(out_valid),
    .out_ready_i(out_ready),
    .out_code_o(code),
    .out_last_o(out_last)
  );

  function automatic integer round_shift(input integer x, input integer s);
    round_shift = (x + (s == 0 ? 0 : 1 << (s - 1))) >> s;
  endfunction

  always @(posedge clk_i) begin
    rst_n <= 1'b1;
    n = bits - 1;
    assume (bits >= 2 && bits <= 8 && 16 - n - m >= 0);
    if (in_valid) assume (in_probability <= 65536);
    if (rst_n) begin
      assert (in_ready == (!valid || out_ready));
      assert (out_valid == valid);
      if (in_ready) valid <= in_valid;
      if (in_valid && in_ready) begin
        p    <= in_probability;
        last <= in_last;
      end
      u = round_shift(p, 16 - n - m);
      coarse = round_shift(p, 16 - n);
      if (coarse > (1 << n) - 1) coarse = (1 << n) - 1;
      want = u < (1 << n) ? u : (1 << n) + coarse;
      if (uniform) begin
        want = round_shift(p, 16 - bits);
        if (want > (1 << bits) - 1) want = (1 << bits) - 1;
      end
      // What was accepted is in range; without this the induction would begin with another word.
      if (valid) assert (p <= 65536 && code == want && out_last == last);
    end
  end
endmodule
