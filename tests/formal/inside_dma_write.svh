// Placed inside hws_dma_write. Beats stay until they are taken; last is high in the last beat of each burst of the start
// and in no other; no beat comes before the address of its burst has been offered.
logic reset_q = 1'b0;
logic held_q_w = 1'b0;
logic [DramWidth-1:0] held_data_q;
logic [DramBytes-1:0] held_strobe_q;
logic held_last_q;
logic [BeatsWidth-1:0] total_q = '0, taken_q = '0;  // beats of the start, and those taken
logic [BeatsWidth-1:0] bursts_q = '0, ended_q = '0;  // bursts offered and ended
logic [BurstWidth-1:0] place_q = '0;  // of the first beat in its burst
logic [BeatsWidth-1:0] owed_q = '0;  // beats that are still to come in

always @(posedge clk_i) begin
  reset_q <= 1'b1;
  assume (rst_ni == reset_q);
  if (rst_ni) begin
    // The user: fills places only, with as many beats as there are, offers as many bursts, starts when all is done.
    if (in_valid_i) assume (count_q != PlacesWidth'(Entries) && owed_q != '0);
    if (start_i) assume (left_q == '0 && count_q == '0 && owed_q == '0 && ahead_q == '0 && !in_valid_i && beats_i != '0);
    if (held_q) assume (address_valid_i);
    if (offered && !(take_o && last_o)) assume (ahead_q != AheadWidth'(hws_pkg::DmaOutstanding + 1));

    held_q_w      <= valid_o && !ready_i;
    held_data_q   <= data_o;
    held_strobe_q <= strobe_o;
    held_last_q   <= last_o;
    if (held_q_w) begin
      assert (valid_o && data_o == held_data_q && strobe_o == held_strobe_q && last_o == held_last_q);
    end
    if (valid_o) begin
      assert (last_o == ((place_q + taken_q) % BurstBeats == BurstBeats - 1 || taken_q == total_q - 1'b1));
      assert (bursts_q != ended_q || offered);
    end

    if (start_i) begin
      total_q <= beats_i;
      place_q <= place_i;
      taken_q <= '0;
      owed_q  <= beats_i;
    end else begin
      taken_q <= taken_q + BeatsWidth'(take_o);
      owed_q  <= owed_q - BeatsWidth'(in_valid_i);
    end
    bursts_q <= bursts_q + BeatsWidth'(offered);
    ended_q  <= ended_q + BeatsWidth'(take_o && last_o);

    if (address_valid_i && !held_q && count_q != '0) assert (valid_o);

    // What makes it inductive.
    assert (32'(count_q) <= Entries && 32'(write_q) < Entries && 32'(read_q) < Entries);
    assert (32'(write_q) == (32'(read_q) + 32'(count_q)) % Entries);
    assert (32'(ahead_q) <= hws_pkg::DmaOutstanding + 1);
    assert (BeatsWidth'(ahead_q) == bursts_q - ended_q);
    assert (32'(left_q) == 32'(total_q) - 32'(taken_q));
    assert (32'(left_q) == 32'(owed_q) + 32'(count_q));
    assert (left_q == '0 ? beat_q == '0 : 32'(beat_q) == (32'(place_q) + 32'(taken_q)) % BurstBeats);
    if (held_q_w) assert (count_q != '0 && (ahead_q != '0));
  end
end
