"""Executes the bytes of a program on a memory image, bit for bit as the accelerator does."""
