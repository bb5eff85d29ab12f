// z = bit_length(x), R = floor(2**(z + QuotientWidth - 2) / x) with a multiplier, at a reduced width.
module formal_reciprocal #(
  parameter int Width = 8,
  parameter int QuotientWidth = 8
) (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [Width-1:0] in_divisor,
  input wire logic out_ready
);
  localparam int Wide = Width + QuotientWidth + 1;
  logic rst_n = 1'b0;
  logic [Width-1:0] x;
  logic in_ready, out_valid;
  logic [QuotientWidth-1:0] quotient;
  logic [$clog2(Width+1)-1:0] length;
  logic [Wide-1:0] numerator, q;

  hws_reciprocal #(
    .Width(Width),
    .QuotientWidth(QuotientWidth)
  ) dut (
    .clk_i,
    .rst_ni(rst_n),
    .in_valid_i(in_valid),
    .in_ready_o(in_ready),
    .in_divisor_i(in_divisor),
    .out_valid_o(out_valid),
    .out_ready_i(out_ready),
    .out_quotient_o(quotient),
    .out_length_o(length)
  );

  assign q = quotient;
  assign numerator = Wide'(1) << (length + QuotientWidth - 2);
  always @(posedge clk_i) begin
    rst_n <= 1'b1;
    if (in_valid) assume (in_divisor != 0);
    if (in_valid && in_ready) x <= in_divisor;
    if (rst_n && out_valid) begin
      assert ((x >> length) == 0 && (x >> (length - 1)) == 1);
      assert (q * x <= numerator && numerator < (q + 1) * x);
    end
  end
endmodule
