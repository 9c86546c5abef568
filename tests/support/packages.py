"""The packages that are shipped, and where the ones under test came from."""

from __future__ import annotations

import os

import pytest

PACKAGES = (
    "bodyshop",
    "bodyshop_core",
    "collector",
    "curate",
    "labeling",
    "augment",
    "train",
    "showroom",
)

needs_wheel = pytest.mark.skipif(
    os.environ.get("BODYSHOP_TEST_INSTALLED") != "1",
    reason="tests the installed wheel: make test sets BODYSHOP_TEST_INSTALLED=1",
)
