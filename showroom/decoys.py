"""Pictures that are not cars.

Twenty kinds, as an image search returns them, each with random numbers of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from showroom import decoy_places, decoy_table, decoy_things
from showroom.arrays import Bytes
from showroom.brush import Brush

Rng = np.random.Generator

KINDS: dict[str, Callable[[Brush, Rng], None]] = {
    **decoy_table.KINDS,
    **decoy_things.KINDS,
    **decoy_places.KINDS,
}


def draw_decoy(kind: str, width: int, height: int, seed: int) -> Bytes:
    """Draw a decoy of `KINDS`, uint8 (height, width, 3)."""
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    brush = Brush(width, height, rng)
    KINDS[kind](brush, rng)
    picture = brush.image.resize((width, height), Image.Resampling.LANCZOS)
    noise = rng.normal(0, rng.uniform(1, 4), (height, width, 1))
    return np.clip(np.asarray(picture, float) + noise, 0, 255).astype(np.uint8)
