"""Which pictures a split set is made of, and whether they are enough for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bodyshop_core.catalog import Catalog, picture_origins
from curate.policy import Policy
from curate.splits.assign import Member, TooFewGroupsError, check_classes
from curate.splits.origins import unite_origins
from curate.verdicts.facts import load_assigned

if TYPE_CHECKING:
    from curate.splits.settings import SplitSettings
    from curate.verdicts.fact_table import FactTable


def load_members(
    catalog: Catalog,
    settings: SplitSettings,
    facts: FactTable,
    kept: Mapping[str, str],
    assigned: Mapping[str, str],
) -> tuple[list[Member], list[Member], dict[str, tuple[str, ...]]]:
    """Return the labelled pictures of a split set.

    Parameters
    ----------
    catalog : Catalog
        Knows the origins of pictures.
    settings : SplitSettings
        Of the set.
    facts : FactTable
        Of all pictures; labels are those of the set's target.
    kept : Mapping
        sha256 -> group, of those that may be in it.
    assigned : Mapping
        sha256 -> split of earlier assignments.

    Returns
    -------
    members, united : list of Member
        As they are; and as splits are assigned, which may be by whole origins.
    bridges : dict
        sha256 -> splits, of members that can't be in any; see `unite_origins`.
    """
    members = [
        Member(
            one.sha256,
            one.value,
            kept[one.sha256],
            spinner=one.spin_group is not None,
            given=one.given_split,
        )
        for one in facts
        if one.sha256 in kept and one.value is not None
    ]
    if not settings.by_origin:
        return members, members, {}
    return members, *unite_origins(members, picture_origins(catalog), assigned)


def find_lack(
    catalog: Catalog,
    settings: SplitSettings,
    facts: FactTable,
    kept: Mapping[str, str],
    policy: Policy,
) -> TooFewGroupsError | None:
    """Return the error of `write_splits` about too few classes or groups, or None; write nothing.

    Parameters are those of `curate.splits.stage.write_splits`.
    """
    assigned = load_assigned(catalog, settings.name)
    _, united, _ = load_members(catalog, settings, facts, kept, assigned)
    try:
        check_classes(
            united,
            settings.ratios,
            min_groups=policy.splits.min_groups,
            spinners_train_only=settings.spinners_train_only,
            unit=settings.unit,
            fresh=not assigned,
        )
    except TooFewGroupsError as error:
        return error
    return None
