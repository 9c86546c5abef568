"""The ImageNet categories that mean car, part of a car, or its inside."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VEHICLES = (
    "ambulance",
    "amphibian",  # crushed and muddy cars land here
    "beach wagon",
    "cab",
    "convertible",
    "fire engine",
    "garbage truck",
    "jeep",
    "limousine",
    "minibus",
    "minivan",
    "Model T",
    "moving van",
    "pickup",
    "police van",
    "racer",
    "recreational vehicle",
    "snowplow",
    "sports car",
    "tow truck",
    "trailer truck",
)
"""Whole vehicles. "passenger car" is not among them: in ImageNet that is a railway coach."""

PARTS = ("car mirror", "car wheel", "disk brake", "grille")
"""Categories that close-ups of a car's outside are classified as."""

INTERIOR = ("odometer", "seat belt")
"""Categories that pictures from inside a car are classified as."""

CAR = VEHICLES + PARTS + INTERIOR
"""The categories that the rules ``top5`` and ``mass`` count as a car."""


@cache
def indices(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the ImageNet class indices of category names.

    Raises
    ------
    UsageError
        A name is no ImageNet category; the nearest ones are given.
    """
    place = _places()
    found: list[int] = []
    for name in names:
        if name not in place:
            near = difflib.get_close_matches(name, place, n=3, cutoff=0.5)
            raise UsageError(
                f"'{name}' is not an ImageNet category",
                hint=f"did you mean: {', '.join(near)}?" if near else None,
            )
        found.extend(place[name])
    return tuple(sorted(set(found)))


def top(
    probabilities: Sequence[float] | NDArray[np.floating[Any]], n: int = 5
) -> list[tuple[str, float]]:
    """Return one picture's `n` likeliest categories as (name, probability), likeliest first."""
    import numpy as np

    from bodyshop_core.backbones.imagenet import imagenet_classes

    names, values = imagenet_classes(), np.asarray(probabilities, dtype=np.float64)
    ranked = np.argsort(-values, kind="stable")[:n].tolist()
    return [(names[index], round(float(values[index]), 4)) for index in ranked]


@cache
def _places() -> dict[str, list[int]]:
    from bodyshop_core.backbones.imagenet import imagenet_classes

    places: dict[str, list[int]] = {}
    for index, name in enumerate(imagenet_classes()):
        places.setdefault(name, []).append(index)
    return places
