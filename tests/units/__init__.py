"""Each unit against the oracle."""
