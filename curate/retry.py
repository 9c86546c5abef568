"""Taking back what failed: pictures and pairs that have an error in place of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from bodyshop_core.catalog import schema
from curate.gate.feature_store import FeatureStore

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


def take_back_failures(workspace: Workspace) -> int:
    """Forget every failed result of `curate`, so that it is computed again.

    An error may have been the fault of the machine: no decoder installed, too little memory,
    or, in old results, a disk that was away. Verdicts change when they are decided again.

    Parameters
    ----------
    workspace : Workspace
        Its ``measurements``, ``gate_scores``, ``detections``, ``copy_checks``, ``pair_checks`` and
        features.

    Returns
    -------
    int
        Pictures that failed, without those of pairs only.
    """
    measured, scored, detected = schema.measurements, schema.gate_scores, schema.detections
    failed = (
        select(measured.c.sha256)
        .where(measured.c.error.is_not(None))
        .union(
            select(scored.c.sha256).where(scored.c.error.is_not(None)),
            select(detected.c.sha256).where(detected.c.error.is_not(None)),
        )
        .subquery()
    )
    # Features first: were the command killed here, the scores would be read from them again.
    for folder in sorted(workspace.features.glob("*/")):
        FeatureStore(folder).forget_errors()
    with workspace.catalog.begin() as connection:
        count: int = connection.execute(select(func.count()).select_from(failed)).scalar_one()
        for table in (measured, scored, detected, schema.copy_checks, schema.pair_checks):
            connection.execute(table.delete().where(table.c.error.is_not(None)))
    return count
