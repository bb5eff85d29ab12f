// The logarithmic code of a probability: leading one, fraction, thresholds; of the word that was accepted.
module formal_encoder_log (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [16:0] in_probability,
  input wire logic in_last,
  input wire logic out_ready
);
  (* anyconst *) logic [3:0] bits;
  (* anyconst *) logic [3:0] largest;
  (* anyconst *) logic root;
  logic rst_n = 1'b0;
  logic valid = 1'b0;
  logic last;
  logic [16:0] p;
  logic in_ready, out_valid, out_last;
  logic [7:0] code;
  integer k, f, q, needed, want;

  hws_encoder_log #(.Lanes(1)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .bits_i(bits),
    .exponent_i(largest),
    .sqrt_i(root),
    .in_valid_i(in_valid),
    .in_ready_o(in_ready),
    .in_probability_i(in_probability),
    .in_last_i(in_last),
    .out_valid_o(out_valid),
    .out_ready_i(out_ready),
    .out_code_o(code),
    .out_last_o(out_last)
  );

  always @(posedge clk_i) begin
    rst_n <= 1'b1;
    assume (bits >= 2 && bits <= 8);
    if (in_valid) assume (in_probability <= 65536);
    if (rst_n) begin
      assert (in_ready == (!valid || out_ready));
      assert (out_valid == valid);
      if (in_ready) valid <= in_valid;
      if (in_valid && in_ready) begin
        p    <= in_probability;
        last <= in_last;
      end
      k = 0;
      f = p;
      for (int i = 1; i <= 16; i++) if (p >= (1 << i)) k = i;
      for (int i = 0; i < 16; i++) if (f < 65536) f = 2 * f;
      if (root) q = 32 - 2 * k - (f >= 77936 ? 1 : 0) - (f >= 110218 ? 1 : 0);
      else q = 16 - k - (f >= 92682 ? 1 : 0);
      needed = root ? (q + 1) / 2 : q;
      want = p == 0 || q >= (1 << bits) - 1 || needed > largest ? (1 << bits) - 1 : q;
      if (valid) assert (p <= 65536 && code == want && out_last == last);
    end
  end
endmodule
