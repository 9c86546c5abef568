"""Proposals of the cascades, kept in the catalog, and what people said about them at the desk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from bodyshop.export.hiding import KINDS, propose
from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError, UnreadableImageError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

Box = tuple[int, int, int, int]
Region = tuple[str, Box]
"""Kind, and left, top, width and height in pixels of the upright picture."""

SEARCH = "haar-1"
"""Name and version of the search: increased with its cascades or their settings."""

_PART = 500


@dataclass(frozen=True)
class Proposed:
    """What the cascades see in one picture.

    Parameters
    ----------
    size : (int, int)
        Upright width and height, in pixels.
    regions : tuple of Region
        Without a margin; most pictures have none.
    """

    size: tuple[int, int]
    regions: tuple[Region, ...]

    def undecided(self, decided: Collection[Region]) -> list[Region]:
        """Return the regions about which nobody said anything."""
        return [region for region in self.regions if region not in decided]


def proposals(
    workspace: Workspace,
    pictures: Mapping[str, Callable[[], bytes]],
    kinds: Collection[str] = KINDS,
    *,
    at_once: int = 50,
    skip: Callable[[str, BodyshopError], None] | None = None,
) -> Iterator[tuple[str, Proposed]]:
    """Yield what is proposed in each picture; those not searched before are searched now.

    Parameters
    ----------
    workspace : Workspace
        Keeps the proposals.
    pictures : mapping
        sha256 -> what returns the bytes.
    kinds : collection of str
        Of `KINDS`.
    at_once : int
        Pictures whose proposals are written together: what a kill costs. With 1, what is yielded
        is in the catalog.
    skip : callable, optional
        Called with the sha256 of a picture that can't be read, and why, in place of raising.

    Raises
    ------
    UnreadableImageError
        A picture can't be decoded, so that nobody knows what it shows.
    TransientError
        The file of a picture can't be read.
    """
    known = stored_proposals(workspace, kinds)
    new: dict[str, Proposed] = {}
    try:
        for sha256, read in pictures.items():
            found = known.get(sha256)
            if found is None:
                try:
                    found = new[sha256] = _search(sha256, read(), kinds)
                except BodyshopError as error:
                    if skip is None:
                        raise
                    skip(sha256, error)
                    continue
                if len(new) >= at_once:
                    _store(workspace, new, kinds)
                    new.clear()
            yield sha256, found
    finally:
        _store(workspace, new, kinds)


def stored_proposals(workspace: Workspace, kinds: Collection[str] = KINDS) -> dict[str, Proposed]:
    """Return sha256 -> proposals, of the pictures that were searched for all of these kinds."""
    table = schema.hiding_proposals
    columns = (table.c.sha256, table.c.kind, table.c.width, table.c.height, table.c.boxes)
    query = select(*columns).where(table.c.version == SEARCH, table.c.kind.in_(list(kinds)))
    sizes: dict[str, tuple[int, int]] = {}
    boxes: dict[str, dict[str, list[Box]]] = {}
    with workspace.catalog.read() as connection:
        for sha256, kind, width, height, found in connection.execute(query):
            sizes[sha256] = (width, height)
            boxes.setdefault(sha256, {})[kind] = [_box(each) for each in found]
    return {
        sha256: Proposed(
            sizes[sha256], tuple((kind, box) for kind in KINDS for box in each.get(kind, ()))
        )
        for sha256, each in boxes.items()
        if each.keys() >= set(kinds)
    }


def decided_regions(
    workspace: Workspace, among: Sequence[str] | None = None
) -> dict[str, dict[Region, bool]]:
    """Return sha256 -> region -> whether a person said that it is one, and is to be hidden.

    Parameters
    ----------
    workspace : Workspace
        Whose decisions.
    among : sequence of str, optional
        Of these pictures only.
    """
    table = schema.hiding_decisions
    query = select(table.c.sha256, table.c.regions)
    parts = (
        [query]
        if among is None
        else [
            query.where(table.c.sha256.in_(among[start : start + _PART]))
            for start in range(0, len(among), _PART)
        ]
    )
    found: dict[str, dict[Region, bool]] = {}
    with workspace.catalog.read() as connection:
        for part in parts:
            for sha256, regions in connection.execute(part):
                found[sha256] = {
                    (each["kind"], _box(each["box"])): each["hide"] for each in regions
                }
    return found


def _search(sha256: str, data: bytes, kinds: Collection[str]) -> Proposed:
    from bodyshop_core.imaging import load_rgb

    try:
        rgb = load_rgb(data)
    except UnreadableImageError as error:
        raise UnreadableImageError(
            f"{sha256[:12]} can't be decoded, so it is not known what to hide: {error}",
            hint="reject it: bodyshop curate",
        ) from error
    height, width = rgb.shape[:2]
    regions = tuple((kind, box) for kind in KINDS if kind in kinds for box in propose(rgb, kind))
    return Proposed((width, height), regions)


def _store(workspace: Workspace, found: Mapping[str, Proposed], kinds: Collection[str]) -> None:
    rows = [
        {"sha256": sha256, "kind": kind, "version": SEARCH, "width": each.size[0],
         "height": each.size[1],
         "boxes": [list(box) for named, box in each.regions if named == kind]}
        for sha256, each in found.items()
        for kind in kinds
    ]  # fmt: skip
    workspace.catalog.upsert(schema.hiding_proposals, rows)


def _box(numbers: Sequence[int]) -> Box:
    left, top, width, height = numbers
    return left, top, width, height
