"""Cycles and energy of a program, from its schedule, operand counts and a cited energy table."""
