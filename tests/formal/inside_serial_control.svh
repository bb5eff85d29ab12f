// Placed inside hws_serial_control. Between a start and its delivery there are exactly Steps steps, and nothing starts in between.
logic reset_q = 1'b0;
logic [CountWidth-1:0] done_steps_q = '0;

always @(posedge clk_i) begin
  reset_q <= 1'b1;
  assume (rst_ni == reset_q);
  if (rst_ni) begin
    if (start_o) done_steps_q <= '0;
    else if (step_o) done_steps_q <= done_steps_q + 1'b1;
    assert (!(start_o && step_o));
    if (step_o) assert (32'(done_steps_q) < Steps && !out_valid_o && !in_ready_o);
    if (out_valid_o) assert (32'(done_steps_q) == Steps);

    // What makes it inductive.
    if (busy_q) assert (32'(done_steps_q) + 32'(steps_left_q) == Steps && steps_left_q != '0);
    assert (!(busy_q && done_q));
  end
end
