"""Fixtures of the augment tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from shots import Fill, Shot, fill_workspace

from bodyshop_core.workspace import Workspace


@pytest.fixture
def fill(workspace: Workspace) -> Fill:
    """Put pictures into the workspace, kept, in the split set 'main'; return their sha256."""

    def put(shots: Sequence[Shot], *, split_set: str = "main") -> list[str]:
        return fill_workspace(workspace, shots, split_set=split_set)

    return put
