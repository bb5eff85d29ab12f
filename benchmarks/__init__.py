"""Measurements that the documentation quotes; each is a module to run."""
