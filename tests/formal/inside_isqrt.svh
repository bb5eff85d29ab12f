// Placed inside hws_isqrt: the recurrence at full width, for any radicand. Of the bits taken so far,
//
//   prefix = root**2 + remainder,  0 <= remainder <= 2 * root
//
// root**2 is followed without a multiplier: (2 r + f)**2 = 4 r**2 + f * (4 r + 1). That there are RootWidth steps is proved of
// hws_serial_control; after them prefix is the radicand, hence root**2 <= radicand < (root + 1)**2.
logic active_q = 1'b0;
logic [7:0] steps_q;  // done
logic [Width-1:0] radicand_all_q, square_q, prefix_q;
logic [RootWidth+1:0] rest_q;  // the remainder in full
logic [Width-1:0] prefix_next;

assign prefix_next = {prefix_q[Width-3:0], radicand_q[Width-1-:2]};

always @(posedge clk_i) begin
  if (start) begin
    active_q       <= 1'b1;
    steps_q        <= '0;
    radicand_all_q <= in_radicand_i;
    square_q       <= '0;
    prefix_q       <= '0;
    rest_q         <= '0;
  end else if (step) begin
    steps_q  <= steps_q + 1'b1;
    prefix_q <= prefix_next;
    square_q <= {square_q[Width-3:0], 2'b00} + (fits ? Width'(trial) : '0);
    rest_q   <= fits ? appended - trial : appended;
  end
  // Proved of hws_serial_control.
  if (step) assume (!start && 32'(steps_q) < RootWidth);

  if (active_q) begin
    assert (prefix_q == square_q + Width'(rest_q));
    assert (rest_q <= {1'b0, root_q, 1'b0});
    if (32'(steps_q) == RootWidth) assert (prefix_q == radicand_all_q);

    // What makes it inductive: what fits in how many bits, and which bits have been taken.
    assert (32'(steps_q) <= RootWidth);
    assert ((root_q >> steps_q) == '0);
    if (32'(steps_q) < RootWidth) assert (rest_q == remainder_q);
    assert (prefix_q == radicand_all_q >> (Width - 2 * 32'(steps_q)));
    assert (radicand_q == radicand_all_q << (2 * 32'(steps_q)));
    assert ((square_q >> (2 * 32'(steps_q))) == '0);
  end
end
