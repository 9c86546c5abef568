"""Plan which training pictures get how many variants, from the catalog and before any work."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, schema
from bodyshop_core.catalog.split_sets import choose_split_set
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError

if TYPE_CHECKING:
    from bodyshop_core.catalog import Catalog
    from bodyshop_core.workspace import Workspace

MOST_COPIES = 50
"""The largest number of variants of one picture that balancing asks for."""

Box = tuple[str, float, float, float, float]
"""Class, then x1, y1, x2, y2 as fractions of width and height."""


class LeakError(BodyshopError):
    """A group has pictures inside and outside the training part; nothing is augmented."""


@dataclass(frozen=True)
class SourcePicture:
    """A training picture with its masks and boxes.

    Parameters
    ----------
    sha256, label, group : str
        As in the split set.
    file : BlobRef
        The original.
    masks : tuple of (str, BlobRef)
        Damage class and mask; a class may occur several times.
    boxes : tuple of (class, x1, y1, x2, y2)
        Fractions of width and height.
    inputs : str
        Digest of masks and boxes: when they change, the variants are made again.
    copies : int
        Variants to make.
    """

    sha256: str
    label: str
    group: str
    file: BlobRef
    masks: tuple[tuple[str, BlobRef], ...]
    boxes: tuple[Box, ...]
    inputs: str
    copies: int


@dataclass(frozen=True)
class AugmentPlan:
    """The pictures of a variant set.

    Parameters
    ----------
    split_set : str
        The split set whose training part is augmented.
    copies : int
        Variants per picture, as requested.
    balance : bool
        Whether smaller classes get more variants.
    sources : tuple of SourcePicture
        In the order of their sha256.
    """

    split_set: str
    copies: int
    balance: bool
    sources: tuple[SourcePicture, ...]


def make_plan(
    workspace: Workspace, *, copies: int, balance: bool = False, split_set: str | None = None
) -> AugmentPlan:
    """Select the kept pictures in the training part of a split set.

    Parameters
    ----------
    workspace : Workspace
        With a split set.
    copies : int
        Variants per picture, 0 or more.
    balance : bool
        Bring smaller classes to the size of the largest one.
    split_set : str, optional
        Default the newest.

    Raises
    ------
    UsageError
        No such split set, or `copies` is negative.
    NothingFoundError
        The training part is empty.
    LeakError
        A group is in the training part and in another part.
    """
    if copies < 0 or (copies == 0 and not balance):
        raise UsageError(f"copies must be 1 or more, but {copies} was given")
    name = choose_split_set(workspace.catalog, split_set).name
    rows = _training_rows(workspace.catalog, name)
    if not rows:
        raise NothingFoundError(
            f"the training part of split set '{name}' is empty",
            hint="bodyshop status shows how many pictures were kept, and why others were not",
        )
    numbers = copies_per_picture(
        {sha256: row.label for sha256, row in rows.items()}, copies=copies, balance=balance
    )
    masks, boxes = _annotations(workspace, set(rows))
    digests = _mask_digests(workspace, masks)
    sources = []
    for sha256, row in rows.items():
        own_masks, own_boxes = masks.get(sha256, ()), boxes.get(sha256, ())
        sources.append(
            SourcePicture(
                sha256=sha256,
                label=row.label,
                group=row.group,
                file=workspace.blobs.ref(sha256, row.extension),
                masks=tuple((label, workspace.derived.ref(file)) for label, file in own_masks),
                boxes=own_boxes,
                inputs=_digest([[label, digests[file]] for label, file in own_masks], own_boxes),
                copies=numbers[sha256],
            )
        )
    return AugmentPlan(name, copies, balance, tuple(sources))


def copies_per_picture(labels: Mapping[str, str], *, copies: int, balance: bool) -> dict[str, int]:
    """Return how many variants each picture gets.

    Without `balance`, `copies` each. With it, every class is brought to the number of pictures
    (originals and variants) of the largest class: its pictures get the same number, and when it is
    no whole number, the first ones by sha256 get one more. No picture gets more than `MOST_COPIES`.

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
    numbers, place = {}, Counter[str]()
    for sha256 in sorted(labels):
        label = labels[sha256]
        share, rest = divmod(target - sizes[label], sizes[label])
        numbers[sha256] = min(MOST_COPIES, share + (place[label] < rest))
        place[label] += 1
    return numbers


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
    leaking = sorted({row.group for row in rows.values()} & outside)
    if leaking:
        raise LeakError(
            f"split set '{split_set}' leaks: {len(leaking)} groups have pictures inside and "
            f"outside the training part, such as {leaking[0]}",
            hint="create a new split set: bodyshop curate --new-split NAME",
        )
    return rows


def _annotations(
    workspace: Workspace, pictures: set[str]
) -> tuple[dict[str, tuple[tuple[str, str], ...]], dict[str, tuple[Box, ...]]]:
    table = schema.annotations
    query = (
        select(table)
        .where(table.c.state == "current", table.c.kind.in_(("mask", "box")))
        .order_by(table.c.sha256, table.c.label.asc().nulls_first(), table.c.key)
    )
    masks: dict[str, list[tuple[str, str]]] = {}
    boxes: dict[str, list[Box]] = {}
    with workspace.catalog.read() as connection:
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
    """Convert Label Studio's rectangle (percent of the picture) to corners as fractions."""
    left, top = value["x"] / 100, value["y"] / 100
    right, bottom = left + value["width"] / 100, top + value["height"] / 100
    return max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)


def _mask_digests(
    workspace: Workspace, masks: Mapping[str, Sequence[tuple[str, str]]]
) -> dict[str, str]:
    """Return the sha256 of the content of each mask file."""
    files = [file for own in masks.values() for _, file in own]
    return {
        file: "absent" if data is None else hashlib.sha256(data).hexdigest()
        for file, data in zip(files, workspace.derived.contents(files), strict=True)
    }


def _digest(masks: list[list[str]], boxes: tuple[Box, ...]) -> str:
    if not masks and not boxes:
        return ""
    return hashlib.sha256(json.dumps([masks, boxes], sort_keys=True).encode()).hexdigest()
