// SPDX-License-Identifier: Apache-2.0
// Clock of hws_harness under Verilator. Prints the cycle of the running job once a second for a progress display.
// +waves=FILE.fst (in a build with --trace-fst) records job +wave_job, from cycle +wave_from to +wave_to of its program.
// +coverage=FILE: where a build with --coverage-line writes its counts.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "Vhws_harness.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif
#if VM_COVERAGE
#include "verilated_cov.h"
#endif

static std::string plus(VerilatedContext& context, const char* name, const char* otherwise) {
  const std::string prefix = std::string(name) + "=";
  const std::string match = context.commandArgsPlusMatch(prefix.c_str());
  return match.empty() ? otherwise : match.substr(prefix.size() + 1);
}

int main(int argc, char** argv) {
  VerilatedContext context;
  context.commandArgs(argc, argv);
#if VM_TRACE_FST
  context.traceEverOn(true);
#endif
  Vhws_harness top{&context};
  top.clk_i = 0;
#if VM_TRACE_FST
  const std::string waves = plus(context, "waves", "");
  const unsigned wave_job = std::strtoul(plus(context, "wave_job", "0").c_str(), nullptr, 10);
  const unsigned long from = std::strtoul(plus(context, "wave_from", "0").c_str(), nullptr, 10);
  const unsigned long to = std::strtoul(plus(context, "wave_to", "4294967295").c_str(), nullptr, 10);
  VerilatedFstC trace;
  if (!waves.empty()) {
    top.trace(&trace, 99);
    trace.open(waves.c_str());
  }
#endif
  auto last = std::chrono::steady_clock::now();
  unsigned long edges = 0;
  while (!context.gotFinish()) {
    for (int level = 0; level < 2; level++) {
      top.clk_i = level;
      top.eval();
#if VM_TRACE_FST
      if (!waves.empty() && top.job_o == wave_job && top.cycle_o >= from && top.cycle_o <= to) trace.dump(context.time());
#endif
      context.timeInc(5000);
    }
    if ((++edges & 0x3fff) == 0) {
      const auto now = std::chrono::steady_clock::now();
      if (now - last > std::chrono::seconds(1)) {
        last = now;
        std::printf("progress %u %u\n", top.job_o, top.cycle_o);
        std::fflush(stdout);
      }
    }
  }
#if VM_TRACE_FST
  if (!waves.empty()) trace.close();
#endif
  top.final();
#if VM_COVERAGE
  context.coveragep()->write(plus(context, "coverage", "coverage.dat").c_str());
#endif
  return 0;
}
