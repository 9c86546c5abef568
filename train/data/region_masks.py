"""Masks by the severity or the part that labelers gave to each region, from the catalog."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError, MaskFormatError
from bodyshop_core.imaging.region_masks import region_mask
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class RegionMask:
    """One region.

    Parameters
    ----------
    key : str
        Of its row in the table ``regions``.
    geometry : str
        As that row has it, JSON.
    """

    key: str
    geometry: str

    def pixels(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return its mask, bool, of a picture's shape (height, width).

        Raises
        ------
        BodyshopError
            It is damaged, or belongs to a picture of another shape.
        """
        try:
            return region_mask(json.loads(self.geometry), *shape[:2])
        except MaskFormatError as error:
            raise BodyshopError(
                f"region {self.key} can't be read: {error.message}",
                hint="it belongs to another picture: run bodyshop label pull again",
            ) from error


def regions_by(
    workspace: Workspace, by: Literal["severity", "part"]
) -> tuple[dict[str, dict[str, tuple[RegionMask, ...]]], dict[str, str]]:
    """Return the regions of every picture of whose damage a fact is known.

    Parameters
    ----------
    workspace : Workspace
        Where they are.
    by : {"severity", "part"}
        The fact.

    Returns
    -------
    known : dict
        sha256 -> value of the fact -> the regions that have it.
    unknown : dict
        sha256 -> why, of pictures with a region without the fact, or a mask without regions.
    """
    masks, regions = schema.annotations, schema.regions
    fact = regions.c[by]
    # One row per region; a mask without regions, such as one of a PNG file, has one row of NULLs.
    query = (
        select(masks.c.sha256, fact, regions.c.key, regions.c.geometry)
        .join(regions, regions.c.mask == masks.c.key, isouter=True)
        .where(masks.c.kind == "mask", masks.c.state == "current", masks.c.file.is_not(None))
        .order_by(masks.c.sha256, regions.c.key)
    )
    known: dict[str, dict[str, list[RegionMask]]] = defaultdict(lambda: defaultdict(list))
    unknown: dict[str, str] = {}
    with workspace.catalog.read() as connection:
        for sha256, value, key, geometry in connection.execute(query):
            if not value:
                unknown[sha256] = f"damage without a {by}"
            else:
                text = json.dumps(geometry, sort_keys=True)
                known[sha256][value].append(RegionMask(key, text))
    return {
        sha256: {value: tuple(found) for value, found in each.items()}
        for sha256, each in known.items()
        if sha256 not in unknown
    }, unknown
