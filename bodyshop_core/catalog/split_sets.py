"""Split sets, and the rule for the one that a command uses by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.labels import Field
from bodyshop_core.catalog.store import Catalog
from bodyshop_core.errors import NothingFoundError, UsageError

WAY_OUT = (
    "more origins of every label (bodyshop import --source NAME), a recipe with "
    "data: {balance: [label, origin, framing]}, or crops (data: {crop: car})"
)
"""What helps against a leak that equalising leaves."""


@dataclass(frozen=True)
class SplitSet:
    """One assignment of groups of pictures to train, validation and test, without its members.

    Parameters
    ----------
    name : str
        Unique in the catalog.
    target : str
        The label field that is stratified: ``damage``, ``brand`` or ``model``.
    seed : int
        Of the assignment.
    ratios : dict
        Split -> share of the pictures, 0 to 1.
    options : dict
        Other options of the assignment.
    audit, leakage_check : dict or None
        Results of the shortcut audit and of the leakage check.
    created_at : str
        UTC, ISO 8601.
    revision : int
        Grows with every run of curate; the newest set has the largest.
    """

    name: str
    target: str
    seed: int
    ratios: dict[str, float]
    options: dict[str, Any]
    audit: dict[str, Any] | None
    leakage_check: dict[str, Any] | None
    created_at: str
    revision: int


def newest_split_set(catalog: Catalog, target: Field | str | None = None) -> SplitSet | None:
    """Return the split set that curate updated last; None when there is none.

    Parameters
    ----------
    catalog : Catalog
        Its split sets are read.
    target : Field or str, optional
        Only sets about this field.
    """
    found = split_sets(catalog)
    if target is not None:
        found = [each for each in found if each.target == Field(target).value]
    return found[0] if found else None


def choose_split_set(
    catalog: Catalog, name: str | None = None, target: Field | str | None = None
) -> SplitSet:
    """Return the split set of this name, or the newest one for `target`.

    All commands that read splits use this rule: train, augment, export and label.

    Raises
    ------
    NothingFoundError
        There is no split set yet, or none about `target`.
    UsageError
        There is none of that name, or it is about another target.
    """
    found = split_sets(catalog)
    if not found:
        raise NothingFoundError(
            f"{catalog.path.parent} has no split set yet", hint="run: bodyshop curate"
        )
    if name is None:
        newest = newest_split_set(catalog, target)
        if newest is None:
            raise NothingFoundError(
                f"there is no split set for {target}",
                hint=f"run: bodyshop curate --target {target}",
            )
        return newest
    named = [each for each in found if each.name == name]
    if not named:
        known = ", ".join(each.name for each in found)
        raise UsageError(f"there is no split set '{name}'", hint=f"there are: {known}")
    if target is not None and named[0].target != Field(target).value:
        raise UsageError(
            f"split set '{name}' is about {named[0].target}, not {target}",
            hint=f"run: bodyshop curate --target {target} --new-split NAME",
        )
    return named[0]


def split_sets(catalog: Catalog) -> list[SplitSet]:
    """Return all split sets, the newest first."""
    table = schema.split_sets
    query = select(table).order_by(table.c.revision.desc(), table.c.name)
    with catalog.read() as connection:
        return [_split_set(row) for row in connection.execute(query)]


def leaks_left(audit: Mapping[str, Any] | None, *, equalised: bool) -> dict[str, float]:
    """Return which nuisance features still predict the label in the view that is trained on.

    Parameters
    ----------
    audit : Mapping or None
        Of a split set.
    equalised : bool
        Whether the pictures are brought to one size and compression first.

    Returns
    -------
    dict
        Feature -> its balanced accuracy, 0 to 1, the most predictive first; ``all together`` only
        where no single feature is a leak. Empty without a leak.
    """
    view = (audit or {}).get("equalised") if equalised else audit
    if not view or not view.get("leak"):
        return {}
    single = [each for each in view.get("features", ()) if each["leak"]]
    together = [view["together"]] if view.get("together") else []
    return {each["feature"]: float(each["balanced_accuracy"]) for each in single or together}


def next_revision(connection: Connection) -> int:
    """Return the revision of a split set that is written in the same transaction."""
    table = schema.split_sets
    return (connection.scalar(select(func.max(table.c.revision))) or 0) + 1


def _split_set(row: Row[Any]) -> SplitSet:
    return SplitSet(**row._mapping)
