// Placed inside hws_fifo. Any one push is followed through the ring: its word comes out, once, unchanged and in its turn.
(* anyseq *) logic follow;  // follow the word that is pushed now
logic reset_q = 1'b0;
logic followed_q = 1'b0;
logic [CountWidth-1:0] ahead_q = '0;  // words in front of the followed one
logic [Width-1:0] word_q;
logic [IndexWidth:0] place;  // of the followed word in the ring, and of the next push
logic [IndexWidth:0] end_place;
logic stalled_q = 1'b0;
logic [Width-1:0] stalled_data_q;

assign place     = (32'(read_index_q) + 32'(ahead_q)) % Depth;
assign end_place = (32'(read_index_q) + 32'(count_q)) % Depth;

always @(posedge clk_i) begin
  reset_q <= 1'b1;
  assume (rst_ni == reset_q);
  if (rst_ni) begin
    stalled_q      <= out_valid_o && !out_ready_i;
    stalled_data_q <= out_data_o;
    if (!followed_q && follow && push) begin
      followed_q <= 1'b1;
      word_q     <= in_data_i;
      ahead_q    <= count_q - CountWidth'(pop);
    end else if (followed_q && pop) begin
      if (ahead_q == '0) begin
        assert (out_data_o == word_q);
        followed_q <= 1'b0;
      end else ahead_q <= ahead_q - 1'b1;
    end

    // Output stable while stalled; readiness from the words inside alone.
    if (stalled_q) assert (out_valid_o && out_data_o == stalled_data_q);
    assert (in_ready_o == (32'(count_q) < Depth));
    assert (out_valid_o == (count_q != '0));

    // What makes it inductive.
    assert (32'(count_q) <= Depth && 32'(read_index_q) < Depth && 32'(write_index_q) < Depth);
    assert (32'(write_index_q) == 32'(end_place));
    if (followed_q) assert (ahead_q < count_q && words_q[IndexWidth'(place)] == word_q);
  end
end
