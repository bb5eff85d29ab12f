"""The PyTorch side of hwsim: quantised models that make the golden integers."""
