// Any sorted thresholds are written, then the code of any probability is the number of thresholds that are at most p, whatever
// the sink does.
module formal_encoder_codebook #(
  parameter int Bits = 2
) (
  input wire logic clk_i,
  input wire logic in_valid,
  input wire logic [16:0] in_probability,
  input wire logic out_ready
);
  localparam int Count = 2 ** Bits - 1;
  (* anyconst *) logic [Count*17-1:0] thresholds;
  (* anyconst *) logic [16:0] p;
  logic rst_n = 1'b0;
  logic [Bits:0] writes = '0;
  logic [Bits-1:0] index;
  logic sent = 1'b0;
  logic accepted;
  logic in_ready, out_valid, unused_last;
  logic [7:0] code;
  logic [16:0] threshold;
  integer count;

  assign index     = ~writes[Bits-1:0];  // from the last one to index 0, which is ignored
  assign threshold = index == 0 ? 17'h1abcd : thresholds[17*(index-1)+:17];
  assign accepted  = in_valid && in_ready && rst_n;

  hws_encoder_codebook #(.Lanes(1)) dut (
    .clk_i,
    .rst_ni(rst_n),
    .bits_i(4'(Bits)),
    .threshold_write_i(rst_n && !writes[Bits]),
    .threshold_index_i(8'(index)),
    .threshold_i(threshold),
    .in_valid_i(in_valid),
    .in_ready_o(in_ready),
    .in_probability_i(in_probability),
    .in_last_i(1'b1),
    .out_valid_o(out_valid),
    .out_ready_i(out_ready),
    .out_code_o(code),
    .out_last_o(unused_last)
  );

  always @(posedge clk_i) begin
    rst_n <= 1'b1;
    for (int i = 1; i < Count; i++) assume (thresholds[17*i+:17] >= thresholds[17*(i-1)+:17]);
    if (rst_n && !writes[Bits]) writes <= writes + 1'b1;
    if (!writes[Bits]) assume (!in_valid);
    if (accepted) sent <= 1'b1;
    if (sent) assume (!in_valid);
    assume (in_probability == p);
    count = 0;
    for (int i = 0; i < Count; i++) if (thresholds[17*i+:17] <= p) count = count + 1;
    if (rst_n && out_valid) assert (sent && code == count);
  end
endmodule
