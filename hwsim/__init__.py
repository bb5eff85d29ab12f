"""Hardware/software co-design simulator for quantised vision transformers."""
