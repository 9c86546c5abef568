"""Verify variants: make some again and compare them with the files and the catalog."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, func, select

from augment.encoding import encode, encode_mask
from augment.loading import MaskError, load_source
from augment.plan import SourcePicture, make_plan
from augment.policy import AugmentPolicy, parse_policy
from augment.rendering import render_variant
from bodyshop_core.catalog import schema
from bodyshop_core.catalog.split_sets import choose_split_set
from bodyshop_core.catalog.variants import variant_sets
from bodyshop_core.errors import (
    DamagedBlobError,
    LostBlobError,
    UnreadableImageError,
    UsageError,
)
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class VerifySummary(Summary):
    """Result of `verify`.

    Parameters
    ----------
    variant_set : str
        Its name.
    checked : int
        Variants that were checked.
    different : tuple of str
        Pictures whose bytes differ from the recorded digest or that are missing, and masks that do
        not belong to their picture.
    not_reproducible : tuple of str
        Pictures that are as recorded, but that policy, seed and original no longer give: other
        library versions, other masks, or the original is missing or damaged.
    """

    variant_set: str
    checked: int
    different: tuple[str, ...]
    not_reproducible: tuple[str, ...]


def verify(
    workspace: Workspace,
    variant_set: str | None = None,
    *,
    split_set: str | None = None,
    sample: int = 50,
) -> VerifySummary:
    """Make some variants again from the originals and compare them byte by byte.

    Parameters
    ----------
    workspace : Workspace
        With a variant set.
    variant_set : str, optional
        Default the newest of the split set.
    split_set : str, optional
        Default the newest.
    sample : int
        How many variants to check, spread evenly over the set.

    Raises
    ------
    UsageError
        There is no such set.
    """
    split_set = choose_split_set(workspace.catalog, split_set).name
    sets = variant_sets(workspace.catalog, split_set)
    name = variant_set or next(iter(sets), None)
    if name not in sets:
        raise UsageError(
            f"no variant set '{name}' for split set '{split_set}'",
            hint=f"existing sets: {', '.join(sets)}" if sets else "make one: bodyshop augment",
        )
    policy = _policy(workspace, sets[name], split_set)
    plan = make_plan(workspace, copies=1, split_set=split_set)
    sources = {source.sha256: source for source in plan.sources}
    different: list[str] = []
    not_reproducible: list[str] = []
    rows = _sample(workspace, sets[name], split_set, sample)
    for row in rows:
        if _digest_of(workspace, row.file) != row.digest:
            different.append(row.file)
            continue
        again = _render_again(policy, sources.get(row.sha256), row)
        if again is None or again.picture != row.digest:
            not_reproducible.append(row.file)
            continue
        different += [
            file
            for label, file in row.masks.items()
            if _digest_of(workspace, file) != again.masks[label]
        ]
    return VerifySummary(name, len(rows), tuple(different), tuple(not_reproducible))


@dataclass(frozen=True)
class _Digests:
    picture: str
    masks: dict[str, str]


def _render_again(
    policy: AugmentPolicy, source: SourcePicture | None, row: Row[Any]
) -> _Digests | None:
    """Return the digests of a variant made again; None when original, masks or library changed."""
    if source is None or source.inputs != row.inputs:
        return None
    try:
        loaded = load_source(source.file, source.masks, longest_side=policy.picture.longest_side)
    except (UnreadableImageError, LostBlobError, DamagedBlobError, MaskError):
        return None
    try:
        variant = render_variant(
            loaded, policy, sha256=source.sha256, copy=row.copy, boxes=source.boxes
        )
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - transforms raise any error; this one worked before
        return None
    made = variant.transformed
    return _Digests(
        picture=hashlib.sha256(encode(made.image, policy.picture)).hexdigest(),
        masks={
            label: hashlib.sha256(encode_mask(mask)).hexdigest()
            for label, mask in zip(loaded.labels, made.masks, strict=True)
        },
    )


def _digest_of(workspace: Workspace, file: str) -> str | None:
    try:
        return hashlib.sha256(workspace.derived.fetch(file)).hexdigest()
    except (LostBlobError, DamagedBlobError):
        return None


def _policy(workspace: Workspace, digest: str, split_set: str) -> AugmentPolicy:
    import yaml

    table = schema.variant_sets
    query = select(table.c.name, table.c.content).where(
        table.c.policy == digest, table.c.split_set == split_set
    )
    with workspace.catalog.read() as connection:
        name, content = connection.execute(query).one()
    return parse_policy(yaml.safe_dump(content), name=f"the policy of {name}")


def _sample(workspace: Workspace, digest: str, split_set: str, size: int) -> list[Row[Any]]:
    table = schema.variants
    of_set = (
        (table.c.policy == digest)
        & (table.c.split_set == split_set)
        & table.c.current
        & table.c.error.is_(None)
    )
    numbered = (
        select(table, func.row_number().over(order_by=(table.c.sha256, table.c.copy)).label("row"))
        .where(of_set)
        .subquery()
    )
    with workspace.catalog.read() as connection:
        total = connection.execute(select(func.count()).select_from(table).where(of_set)).scalar()
        step = max(1, (total or 0) // max(1, size))
        query = select(numbered).where((numbered.c.row - 1) % step == 0).limit(size)
        return list(connection.execute(query))
