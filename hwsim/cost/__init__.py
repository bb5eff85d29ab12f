"""Cycles and energy of a program, from unit formulas, operand counts and a cited energy table."""
