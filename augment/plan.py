"""Which training pictures get how many variants: decided from the catalog, before any work."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.split_sets import choose_split_set
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError

if TYPE_CHECKING:
    from bodyshop_core.catalog import Catalog
    from bodyshop_core.workspace import Workspace

MOST_COPIES = 50
"""The most variants of one picture that balancing asks for; beyond it, they teach nothing new."""


class LeakError(BodyshopError):
    """A group has pictures on both sides of the line; nothing is augmented until it is mended."""


@dataclass(frozen=True)
class Source:
    """A training picture and what is drawn on it.

    Parameters
    ----------
    sha256, label, group : str
        As the split has them.
    file : str
        The original, relative to the workspace.
    masks : tuple of (str, str)
        Damage class and mask file relative to the workspace; a class may come several times.
    boxes : tuple of (class, x1, y1, x2, y2)
        Fractions of width and height.
    inputs : str
        Digest of masks and boxes: other annotations make other variants.
    copies : int
        Variants wanted.
    """

    sha256: str
    label: str
    group: str
    file: str
    masks: tuple[tuple[str, str], ...]
    boxes: tuple[tuple[str, float, float, float, float], ...]
    inputs: str
    copies: int


@dataclass(frozen=True)
class Plan:
    """What a variant set is to hold.

    Parameters
    ----------
    split_set : str
        Whose training part it is for.
    sources : tuple of Source
        In the order of their sha256.
    """

    split_set: str
    sources: tuple[Source, ...]

    def count(self) -> dict[str, dict[str, int]]:
        """Return label -> originals and variants wanted."""
        counts: dict[str, dict[str, int]] = {}
        for source in self.sources:
            entry = counts.setdefault(source.label, {"originals": 0, "variants": 0})
            entry["originals"] += 1
            entry["variants"] += source.copies
        return dict(sorted(counts.items()))


def make_plan(
    workspace: Workspace, *, copies: int, balance: bool = False, split_set: str | None = None
) -> Plan:
    """Choose the pictures: kept ones in the training part of a split set, and no others.

    Parameters
    ----------
    workspace : Workspace
        With a split set.
    copies : int
        Variants per picture, 0 or more.
    balance : bool
        Top smaller classes up to the largest.
    split_set : str, optional
        Default the newest.

    Raises
    ------
    UsageError
        No such split set, or `copies` is negative.
    NothingFoundError
        The training part is empty.
    LeakError
        A group is in the training part and in another one.
    """
    if copies < 0 or (copies == 0 and not balance):
        raise UsageError(f"copies must be 1 or more, but {copies} was given")
    name = choose_split_set(workspace.catalog, split_set).name
    rows = _training_rows(workspace.catalog, name)
    if not rows:
        raise NothingFoundError(
            f"the training part of split set '{name}' is empty",
            hint="look at what was kept and why not: bodyshop status",
        )
    wanted = copies_per_picture(
        {sha256: row.label for sha256, row in rows.items()}, copies=copies, balance=balance
    )
    masks, boxes = _annotations(workspace.catalog, set(rows))
    sources = []
    for sha256, row in rows.items():
        drawn, framed = masks.get(sha256, ()), boxes.get(sha256, ())
        sources.append(
            Source(
                sha256=sha256,
                label=row.label,
                group=row.group,
                file=_relative(workspace, sha256, row.extension),
                masks=drawn,
                boxes=framed,
                inputs=_digest(workspace, drawn, framed),
                copies=wanted[sha256],
            )
        )
    return Plan(name, tuple(sources))


def copies_per_picture(labels: Mapping[str, str], *, copies: int, balance: bool) -> dict[str, int]:
    """Say how many variants each picture gets.

    Without `balance`, `copies` each. With it, every class is brought to the number of pictures
    (originals and variants) of the largest: its pictures get the same number, and the first ones,
    by sha256, one more where it does not divide. No picture gets more than `MOST_COPIES`.

    Parameters
    ----------
    labels : Mapping
        sha256 -> label.
    copies : int
        For every picture of the largest class.
    balance : bool
        Whether smaller classes get more.
    """
    if not balance:
        return dict.fromkeys(labels, copies)
    sizes = Counter(labels.values())
    target = max(sizes.values()) * (1 + copies)
    wanted, place = {}, Counter[str]()
    for sha256 in sorted(labels):
        label = labels[sha256]
        share, rest = divmod(target - sizes[label], sizes[label])
        wanted[sha256] = min(MOST_COPIES, share + (place[label] < rest))
        place[label] += 1
    return wanted


def _training_rows(catalog: Catalog, split_set: str) -> dict[str, Any]:
    splits, images, verdicts = schema.splits, schema.images, schema.verdicts
    of_set = splits.c.split_set == split_set
    query = (
        select(splits.c.sha256, splits.c.label, splits.c.group, images.c.extension)
        .join(images, images.c.sha256 == splits.c.sha256)
        .outerjoin(verdicts, verdicts.c.sha256 == splits.c.sha256)
        .where(of_set, splits.c.split == "train")
        .where((verdicts.c.verdict == "keep") | verdicts.c.verdict.is_(None))
        .order_by(splits.c.sha256)
    )
    held_out = select(splits.c.group).where(of_set, splits.c.split != "train").distinct()
    with catalog.read() as connection:
        rows = {row.sha256: row for row in connection.execute(query)}
        outside = set(connection.execute(held_out).scalars())
    straddling = sorted({row.group for row in rows.values()} & outside)
    if straddling:
        raise LeakError(
            f"split set '{split_set}' leaks: {len(straddling)} groups have pictures in the "
            f"training part and outside it, such as {straddling[0]}",
            hint="make a clean one: bodyshop curate --new-split NAME",
        )
    return rows


Masks = dict[str, tuple[tuple[str, str], ...]]
Boxes = dict[str, tuple[tuple[str, float, float, float, float], ...]]


def _annotations(catalog: Catalog, pictures: set[str]) -> tuple[Masks, Boxes]:
    table = schema.annotations
    query = (
        select(table)
        .where(table.c.state == "current", table.c.kind.in_(("mask", "box")))
        .order_by(table.c.sha256, table.c.label, table.c.key)
    )
    masks: dict[str, list[tuple[str, str]]] = {}
    boxes: dict[str, list[tuple[str, float, float, float, float]]] = {}
    with catalog.read() as connection:
        for row in connection.execute(query):
            if row.sha256 not in pictures:
                continue
            label = row.label or "damage"
            if row.kind == "mask" and row.file:
                masks.setdefault(row.sha256, []).append((label, row.file))
            elif row.kind == "box" and row.value:
                boxes.setdefault(row.sha256, []).append((label, *_corners(row.value)))
    return (
        {sha256: tuple(items) for sha256, items in masks.items()},
        {sha256: tuple(items) for sha256, items in boxes.items()},
    )


def _corners(value: Mapping[str, float]) -> tuple[float, float, float, float]:
    """Turn Label Studio's rectangle (percent of the picture) into corners as fractions."""
    left, top = value["x"] / 100, value["y"] / 100
    right, bottom = left + value["width"] / 100, top + value["height"] / 100
    return max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)


def _relative(workspace: Workspace, sha256: str, extension: str) -> str:
    return workspace.blobs.path(sha256, extension).relative_to(workspace.root).as_posix()


def _digest(workspace: Workspace, masks: Any, boxes: Any) -> str:
    if not masks and not boxes:
        return ""
    contents = []
    for label, file in masks:
        path = workspace.root / file
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"
        contents.append([label, found])
    return hashlib.sha256(json.dumps([contents, boxes], sort_keys=True).encode()).hexdigest()
