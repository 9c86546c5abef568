"""Items, rows and engines for tests of the shard engine."""

from __future__ import annotations

import importlib.util

import pytest

from bodyshop_core.engine import read_rows

HAS_DASK = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(not HAS_DASK, reason="the extra 'dask' is not installed")

ENGINES = ["local", pytest.param("dask", marks=[needs_dask, pytest.mark.slow])]
"""Parameters of a fixture: what holds on one engine has to hold on the other."""


def items(n, **more):
    return [{"key": f"item-{i:04d}", "n": i, **more} for i in range(n)]


def rows_of(paths):
    return sorted(read_rows(paths), key=lambda row: row["key"])
