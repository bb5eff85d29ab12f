// r**2 <= x < (r + 1)**2 with multipliers, at a reduced width.
module formal_isqrt #(
  parameter int Width = 12
) (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [Width-1:0] in_radicand,
  input wire logic out_ready
);
  logic rst_n = 1'b0;
  logic [Width-1:0] x;
  logic in_ready, out_valid;
  logic [Width/2-1:0] root;
  logic [Width+1:0] r;

  hws_isqrt #(.Width(Width)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .in_valid_i(in_valid),
    .in_ready_o(in_ready),
    .in_radicand_i(in_radicand),
    .out_valid_o(out_valid),
    .out_ready_i(out_ready),
    .out_root_o(root)
  );

  assign r = root;
  always @(posedge clk_i) begin
    rst_n <= 1'b1;
    if (in_valid && in_ready) x <= in_radicand;
    if (rst_n && out_valid) assert (r * r <= x && x < (r + 1) * (r + 1));
  end
endmodule
