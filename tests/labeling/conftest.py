"""Fixtures of the labelling tests."""

from __future__ import annotations

import pytest
from hypothesis import settings
from labeling_pictures import add_picture, picture_bytes

# Deadlines measure the machine, not the code.
settings.register_profile("labeling", deadline=None)
settings.load_profile("labeling")


@pytest.fixture
def add(workspace):
    """add(width, height, seed=…, orientation=…): a picture in the workspace; returns its sha256."""
    return lambda width=40, height=30, **options: add_picture(
        workspace, picture_bytes(width, height, **options)
    )
