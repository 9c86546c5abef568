"""What benchmarks.make_shipped has computed and keeps in its work folder, for those after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.abroad_photos import photos
from benchmarks.shipped_cells import look_at_maps, sampled_cells
from benchmarks.shipped_features import look
from benchmarks.shipped_folds import Data


def computed(folder: Path, work: Path) -> Data:
    """Read the photos, and their features, maps and cells as benchmarks.make_shipped left them."""
    listed = photos(folder)

    def never(squares: np.ndarray) -> np.ndarray:
        raise SystemExit("run python -m benchmarks.make_shipped first")

    maps = [look_at_maps(listed, work, cuts=cuts) for cuts in (False, True)]
    return Data(
        listed,
        look(listed, never, work / "whole.npz", cuts=False),
        look(listed, never, work / "cuts.npz", cuts=True),
        maps[0],
        sampled_cells(listed, maps, work / "cells.npz"),
    )
