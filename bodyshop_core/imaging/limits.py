"""The largest picture that is decoded."""

from __future__ import annotations

MAX_PIXELS = 120_000_000
"""Largest width x height that is decoded: a 100-megapixel camera passes, a bomb does not."""
