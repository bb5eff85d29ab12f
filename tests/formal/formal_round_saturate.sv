// y = clamp(floor((x + half) / 2**s) + offset, lo, hi) with numbers so wide that nothing is lost.
module formal_round_saturate #(
  parameter int InWidth = 48,
  parameter int ShiftWidth = 6,
  parameter int OutWidth = 16
) (
  input wire logic clk_i,
  input wire logic signed [InWidth-1:0] x,
  input wire logic [ShiftWidth-1:0] shift,
  input wire logic signed [OutWidth-1:0] offset,
  input wire logic signed [OutWidth-1:0] lo,
  input wire logic signed [OutWidth-1:0] hi
);
  localparam int Wide = 2 ** ShiftWidth + InWidth + 2;
  logic signed [OutWidth-1:0] y;
  logic signed [Wide-1:0] half, exact;

  hws_round_saturate #(
    .InWidth(InWidth),
    .ShiftWidth(ShiftWidth),
    .OutWidth(OutWidth)
  ) dut (
    .x_i(x),
    .shift_i(shift),
    .offset_i(offset),
    .lo_i(lo),
    .hi_i(hi),
    .y_o(y)
  );

  always @(posedge clk_i) begin
    half  = (shift == 0) ? 0 : $signed(Wide'(1)) << (shift - 1);
    exact = ((x + half) >>> shift) + offset;
    if (lo <= hi) assert (y == (exact < lo ? lo : exact > hi ? hi : exact));
  end
endmodule
