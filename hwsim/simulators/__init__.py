"""Runs ``rtl/hws_top.sv`` under Icarus or Verilator on memory images, without Python in the per-cycle loop."""
