"""Hypothesis without a deadline: the first call of a kernel compiles it."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("units", deadline=None, max_examples=200, derandomize=True)
settings.load_profile("units")
