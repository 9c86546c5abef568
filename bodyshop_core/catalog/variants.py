"""Augmented pictures, for training and export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.store import Catalog


@dataclass(frozen=True)
class Variant:
    """One augmented picture.

    Parameters
    ----------
    sha256 : str
        The picture it was made from.
    copy : int
        From 1.
    label : str
        Inherited from that picture.
    group : str
        Inherited from that picture.
    file : str
        Relative to the workspace.
    masks : Mapping
        Damage class -> mask, relative to the workspace; of the variant's size, 0 or 255.
    boxes : tuple of (class, x1, y1, x2, y2)
        Fractions of width and height.
    digest : str
        SHA-256 of the file.
    """

    sha256: str
    copy: int
    label: str
    group: str
    file: str
    masks: Mapping[str, str]
    boxes: tuple[tuple[str, float, float, float, float], ...]
    digest: str


def variant_sets(catalog: Catalog, split_set: str) -> dict[str, str]:
    """Return name -> policy digest of the sets made for a split set, the newest first."""
    table = schema.variant_sets
    query = (
        select(table.c.name, table.c.policy)
        .where(table.c.split_set == split_set)
        .order_by(table.c.updated_at.desc(), table.c.name)
    )
    with catalog.read() as connection:
        return {row.name: row.policy for row in connection.execute(query)}


def current_variants(
    catalog: Catalog, split_set: str, variant_set: str | None = None
) -> list[Variant]:
    """Return the variants of a set, in a stable order.

    Only variants of pictures that are now in the train split of `split_set`.

    Parameters
    ----------
    catalog : Catalog
        Its variants are read.
    split_set : str
        The split set they were made for.
    variant_set : str, optional
        A name of `variant_sets`; by default the newest.

    Raises
    ------
    KeyError
        There is no variant set of that name.
    """
    sets = variant_sets(catalog, split_set)
    if not sets and variant_set is None:
        return []
    policy = sets[variant_set] if variant_set is not None else next(iter(sets.values()))
    table, splits = schema.variants, schema.splits
    query = (
        select(table)
        .join(
            splits,
            (splits.c.sha256 == table.c.sha256) & (splits.c.split_set == table.c.split_set),
        )
        .where(
            table.c.split_set == split_set,
            table.c.policy == policy,
            table.c.current,
            table.c.error.is_(None),
            splits.c.split == "train",
        )
        .order_by(table.c.sha256, table.c.copy)
    )
    with catalog.read() as connection:
        return [_variant(row) for row in connection.execute(query)]


def _variant(row: Row[Any]) -> Variant:
    return Variant(
        sha256=row.sha256,
        copy=row.copy,
        label=row.label,
        group=row.group,
        file=row.file,
        masks=row.masks or {},
        boxes=tuple(tuple(box) for box in row.boxes or ()),
        digest=row.digest,
    )
