// Placed inside hws_skid_buffer. Any one word is followed: it comes out, once, unchanged and in its turn.
(* anyseq *) logic follow;  // follow the word that is accepted now
logic reset_q = 1'b0;
logic followed_q = 1'b0;
logic behind_q = 1'b0;  // a word is in front of the followed one
logic [Width-1:0] word_q;
logic stalled_q = 1'b0;
logic [Width-1:0] stalled_data_q;

always @(posedge clk_i) begin
  reset_q <= 1'b1;
  assume (rst_ni == reset_q);
  if (rst_ni) begin
    stalled_q      <= out_valid_o && !out_ready_i;
    stalled_data_q <= out_data_o;
    if (!followed_q && follow && in_valid_i && in_ready_o) begin
      followed_q <= 1'b1;
      word_q     <= in_data_i;
      behind_q   <= out_valid_o && !out_ready_i;
    end else if (followed_q && out_valid_o && out_ready_i) begin
      behind_q <= 1'b0;
      if (!behind_q) begin
        assert (out_data_o == word_q);
        followed_q <= 1'b0;
      end
    end

    if (stalled_q) assert (out_valid_o && out_data_o == stalled_data_q);
    // A word a cycle: readiness is lost only while both registers are full.
    assert (in_ready_o || out_valid_o);

    // What makes it inductive.
    if (followed_q) assert (behind_q ? valid_q && skid_valid_q && skid_data_q == word_q : valid_q && data_q == word_q);
  end
end
