// SPDX-License-Identifier: Apache-2.0
// Simulation only: the clock of hws_harness under Icarus, and its waves (run with -fst).
//
// +waves=FILE.fst records job +wave_job, from cycle +wave_from to +wave_to of its program.
`default_nettype none
module hws_harness_icarus #(
  parameter int Words = 1 << 17
);
  logic clk, dumping;
  logic [31:0] job, cycle;
  string waves;
  int wave_job, wave_from, wave_to;

  hws_harness #(
    .Words(Words)
  ) u_harness (
    .clk_i  (clk),
    .job_o  (job),
    .cycle_o(cycle)
  );

  always #5 clk = !clk;

  initial begin
    clk     = 1'b0;
    dumping = 1'b0;
    if (!$value$plusargs("wave_job=%d", wave_job)) wave_job = 0;
    if (!$value$plusargs("wave_from=%d", wave_from)) wave_from = 0;
    if (!$value$plusargs("wave_to=%d", wave_to)) wave_to = 32'h7fffffff;
    if ($value$plusargs("waves=%s", waves)) begin
      $dumpfile(waves);
      $dumpvars(0, u_harness.u_system.u_top);
      $dumpoff;
      dumping = 1'b1;
    end
  end

  always @(posedge clk) begin
    if (dumping) begin
      if (job == wave_job && cycle == wave_from) $dumpon;
      if (job == wave_job && cycle == wave_to + 1) $dumpoff;
    end
  end
endmodule : hws_harness_icarus
`default_nettype wire
