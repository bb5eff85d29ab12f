// Placed inside hws_dma_bursts. Bursts of one start: stable until taken, back to back, together the beats asked for, each
// inside 4 KB, at most Outstanding under way.
logic reset_q = 1'b0;
logic held_q = 1'b0;
logic [AddressWidth-1:0] held_address_q;
logic [7:0] held_length_q;
logic [AddressWidth-1:0] end_address_q;
logic idle_q = 1'b1;  // nothing has been started

always @(posedge clk_i) begin
  reset_q <= 1'b1;
  assume (rst_ni == reset_q);
  if (rst_ni) begin
    // The user: starts at a beat, when the one before has ended, and retires what is under way.
    if (start_i) assume (left_q == '0 && under_way_q == '0 && 32'(address_i) % hws_pkg::DramBytes == 0);
    if (retire_i) assume (under_way_q != '0);
    // The check of the window keeps the end inside the address space.
    if (start_i) assume (33'(address_i) + 33'(beats_i) * hws_pkg::DramBytes <= (33'd1 << AddressWidth));

    held_q         <= valid_o && !ready_i;
    held_address_q <= address_o;
    held_length_q  <= length_o;
    if (held_q) assert (valid_o && address_o == held_address_q && length_o == held_length_q);
    if (valid_o) begin
      assert (32'(address_o) % hws_pkg::DramBytes == 0);
      assert (32'(length_o) < BurstBeats);
      assert (32'(address_o) % 4096 + (32'(length_o) + 1) * hws_pkg::DramBytes <= 4096);
      // The burst goes on to where a whole one ends, or to the last byte.
      assert (32'(issue_end) % hws_pkg::BurstBytes == 0 || issue_end == end_address_q);
    end
    assert (32'(under_way_q) <= Outstanding);
    assert (final_o == (left_q == '0 && under_way_q == 1));

    // What makes it inductive: the beats that are left lie between here and the end.
    if (start_i) begin
      idle_q        <= 1'b0;
      end_address_q <= address_i + AddressWidth'(32'(beats_i) * hws_pkg::DramBytes);
    end
    if (idle_q) assert (left_q == '0 && under_way_q == '0 && !held_q);
    if (!idle_q && left_q != '0) begin
      assert (32'(address_q) % hws_pkg::DramBytes == 0);
      assert (end_address_q == address_q + AddressWidth'(32'(left_q) * hws_pkg::DramBytes));
    end
    if (held_q) assert (left_q != '0 && 32'(under_way_q) < Outstanding);
  end
end

logic [AddressWidth-1:0] issue_end;
assign issue_end = address_o + AddressWidth'((32'(length_o) + 1) * hws_pkg::DramBytes);
