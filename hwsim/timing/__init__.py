"""Cycles of programs: the events of each engine, and the memory behind the DMA."""
