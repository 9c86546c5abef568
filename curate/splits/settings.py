"""The settings of a split set: chosen once, and kept for as long as it exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bodyshop_core.catalog import Catalog, Field, now
from bodyshop_core.catalog.split_sets import choose_split_set, newest_split_set, split_sets
from bodyshop_core.errors import UsageError
from bodyshop_core.progress import SILENT, Progress
from curate.policy import Policy


@dataclass(frozen=True)
class SplitSettings:
    """What decides about the assignments of a split set.

    Parameters
    ----------
    name, target : str
        The set's name and the field it is about.
    seed : int
        Decides everything that is left to chance.
    ratios : dict
        Split -> share of the pictures, 0 to 1.
    options : dict
        ``keep_given_splits``, ``spinners_train_only`` (bool) and ``folds`` (int); ``by`` where it
        is ``origin``.
    created_at : str
        UTC, ISO 8601.
    """

    name: str
    target: str
    seed: int
    ratios: dict[str, float]
    options: dict[str, Any]
    created_at: str

    @property
    def keep_given(self) -> bool:
        """Whether pictures stay in the split that their folder named."""
        return bool(self.options.get("keep_given_splits"))

    @property
    def spinners_train_only(self) -> bool:
        """Whether spinner frames go to train only."""
        return bool(self.options.get("spinners_train_only"))

    @property
    def by_origin(self) -> bool:
        """Whether all pictures of an origin are in one split."""
        return self.options.get("by") == "origin"

    @property
    def unit(self) -> str:
        """What is never in two splits: ``group`` or ``origin``."""
        return "origin" if self.by_origin else "group"


def choose_settings(
    catalog: Catalog,
    field: Field,
    rules: Policy,
    *,
    split_set: str | None = None,
    new_split: str | None = None,
    keep_given_splits: bool = False,
    spinners_train_only: bool = False,
    progress: Progress = SILENT,
) -> SplitSettings:
    """Return the settings of the set to add to: an existing one's as they are, or new ones.

    Parameters are those of `split`.
    """
    options: dict[str, Any] = {
        "keep_given_splits": keep_given_splits,
        "spinners_train_only": spinners_train_only,
        "folds": rules.splits.folds,
    }
    if rules.splits.by == "origin":
        if keep_given_splits:
            raise UsageError(
                "splits.by: origin and --keep-given-splits exclude each other: an imported folder "
                "with train and test folders is one origin",
                hint="leave out one of them",
            )
        options["by"] = "origin"
    names = {each.name for each in split_sets(catalog)}
    if new_split is not None and new_split in names:
        raise UsageError(
            f"there is a split set '{new_split}' already, and its splits never change",
            hint="choose another name for --new-split",
        )
    existing = None
    if new_split is None and split_set in names:
        existing = choose_split_set(catalog, split_set, field)
    elif not (new_split or split_set):
        existing = newest_split_set(catalog, field)
    if existing is None:
        name = new_split or split_set or field.value
        if name in names:
            raise UsageError(
                f"the split set '{name}' is about another target than {field.value}",
                hint="choose another --new-split NAME",
            )
        return SplitSettings(
            name, field.value, rules.splits.seed, rules.splits.shares, options, now()
        )
    wanted = {"ratios": rules.splits.shares, "seed": rules.splits.seed, "options": options}
    if any(getattr(existing, key) != value for key, value in wanted.items()):
        progress.log(
            f"the split set '{existing.name}' keeps the ratios, seed and options it was made "
            "with; use --new-split NAME for others"
        )
    return SplitSettings(
        existing.name,
        existing.target,
        existing.seed,
        existing.ratios,
        existing.options,
        existing.created_at,
    )
