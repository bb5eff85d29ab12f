// Placed inside hws_reciprocal: the division at full width, for any divisor. With d the divisor shifted to the top, after j steps
//
//   2**(Width - 1 + j) = 2 * d * quotient + remainder,  0 <= remainder < 2 * d
//
// d * quotient is followed without a multiplier: d * (2 q + f) = 2 d q + f * d. That there are QuotientWidth steps is proved of
// hws_serial_control; after them quotient = floor(2**(Width + QuotientWidth - 2) / d).
localparam int ProductWidth = Width + QuotientWidth;
logic active_q = 1'b0;
logic [7:0] steps_q;  // done
logic [Width-1:0] divisor_in_q;
logic [ProductWidth-1:0] product_q;
logic [ProductWidth:0] numerator, product_twice;

assign numerator     = (ProductWidth + 1)'(1) << (Width - 1 + 32'(steps_q));
assign product_twice = {product_q, 1'b0};

always @(posedge clk_i) begin
  if (start) begin
    active_q     <= 1'b1;
    steps_q      <= '0;
    divisor_in_q <= in_divisor_i;
    product_q    <= '0;
    assume (in_divisor_i != '0);
  end else if (step) begin
    steps_q   <= steps_q + 1'b1;
    product_q <= ProductWidth'({product_q, 1'b0}) + (fits ? ProductWidth'(divisor_q) : '0);
  end
  // Proved of hws_serial_control.
  if (step) assume (!start && 32'(steps_q) < QuotientWidth);

  if (active_q) begin
    assert (numerator == product_twice + remainder_q);
    assert ((Width + 2)'(remainder_q) < {1'b0, divisor_q, 1'b0});

    // The divisor at the top, by z places; z is its bit length.
    assert (divisor_q[Width-1] && 32'(length_q) >= 1 && 32'(length_q) <= Width);
    assert (divisor_q == divisor_in_q << (Width - 32'(length_q)) && (divisor_in_q >> length_q) == '0);
    assert (32'(steps_q) <= QuotientWidth);
  end
end
