"""Reconstruction: weights rounded so that each module's output comes close to the float one's (ADFQ-ViT, DopQ-ViT)."""
