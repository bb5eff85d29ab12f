"""Quantisers: calibrate, quantize, dequantize, with frozen parameters."""
