"""Bit-accurate models of the hardware's units: one file is one Verilog module of the same name.

Each file has two layers: a checked, documented function on numpy arrays, and Numba kernels on plain int64. Arithmetic
is integer throughout; its equations are those of ``docs/numerics.md``. The functions are single-threaded and
release the GIL, so that the machine runs one image per core.
"""
