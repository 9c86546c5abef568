"""Fixtures of the labelling tests."""

from __future__ import annotations

from hypothesis import settings

# Deadlines measure the machine, not the code.
settings.register_profile("labeling", deadline=None)
settings.load_profile("labeling")
