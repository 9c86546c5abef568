"""The whole of ``bodyshop curate``: measure, score, judge, split, audit, report, count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog import Field
from bodyshop_core.progress import SILENT, Progress
from curate.audit.stage import audit_split_set
from curate.gate.feature_store import FeatureStore
from curate.gate.named_probes import open_named_probes
from curate.gate.stage import open_gate, remember_gate, score
from curate.look.stage import look
from curate.measure.stage import measure_images
from curate.policy import Policy, load_policy
from curate.report import write_report
from curate.retry import take_back_failures
from curate.splits.assign import SplitError, TooFewGroupsError
from curate.splits.members import find_lack
from curate.splits.scenes import check_scenes
from curate.splits.settings import choose_settings
from curate.splits.stage import write_splits
from curate.targets import resolve_target
from curate.unchanged import begin, key_of, last_outcome
from curate.verdicts.facts import load_assigned, load_facts
from curate.verdicts.stage import (
    VerdictCounts,
    count_verdicts,
    judge_pictures,
)

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace


@dataclass(frozen=True)
class CurateSummary(VerdictCounts):
    """The outcome of `curate`; the counts are those of the catalog when it ended.

    Parameters
    ----------
    pictures, kept, rejected : int
        Of the whole workspace.
    reasons : dict
        Reason -> pictures; a picture with two reasons counts in both.
    clusters : int
        Duplicate clusters.
    duplicates : dict
        Confirmed pairs per kind; pictures too ``plain`` to be matched by hashes; pictures in
        ``heavy`` crowds of equal or near hashes, compared with some of the crowd only.
    splits : dict
        Name, target, sizes per split and label, and the check for leaks; ``{"skipped": why}`` when
        the pictures carry fewer than two labels.
    audit : dict
        Whether the label can be predicted without the car, and the baseline to beat; empty without
        splits.
    measured, scored : int
        Pictures that this call had to decode.
    gate : dict
        The gate's id, rule and threshold.
    report : Path
        The first page of the report.
    """

    duplicates: dict[str, int]
    splits: dict[str, Any]
    audit: dict[str, Any]
    measured: int
    scored: int
    gate: dict[str, Any]
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON-able values."""
        return {**super().as_dict(), "report": str(self.report)}


def curate(
    workspace: Workspace,
    *,
    gate: str = "efficientnet-lite0",
    policy: Policy | Path | str | None = None,
    target: Field | str | None = None,
    engine: str = "local",
    workers: int | None = None,
    weights: Path | str | None = None,
    new_split: str | None = None,
    keep_given_splits: bool = False,
    spinners_train_only: bool = False,
    retry_failed: bool = False,
    progress: Progress = SILENT,
) -> CurateSummary:
    """Keep or reject every picture, with reasons, and split the kept ones.

    Every step does only what is missing. A second call notices that nothing is new, and compares
    and writes nothing.

    Parameters
    ----------
    workspace : Workspace
        With collected or imported pictures.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    policy : Policy or path, optional
        curate.yaml; see `curate.policy`.
    target : str, optional
        ``damage``, ``brand`` or ``model``; damage by default when two damage values are present,
        else model.
    engine : str
        ``local``, ``dask`` or the address of a Dask scheduler.
    workers : int, optional
        Processes.
    weights : Path, optional
        Weights file of the gate's backbone.
    new_split : str, optional
        Start a new split set of this name.
    keep_given_splits : bool
        Keep pictures in the splits that the imported folders named.
    spinners_train_only : bool
        Spinner frames go to train only.
    retry_failed : bool
        Decode again what could not be decoded, or killed its worker.
    progress : Progress
        Told how many pictures are done.

    Raises
    ------
    MissingPartError
        The gate's weights, its probe or the engine are missing.
    UsageError
        There is no such target, or `new_split` exists already; nothing was done.
    TransientError
        Storage did not give some pictures. Everything else is measured; verdicts and splits stay as
        they are, since a split never forgets: with pictures missing, others would take their place.
    SplitError
        Labelled pictures can't be split, and not because of the policy's limits; verdicts and
        report are written all the same.
    """
    catalog, rules = workspace.catalog, load_policy(policy)
    opened = open_gate(workspace, gate, weights=weights, policy=rules)
    probes = open_named_probes(workspace, opened, rules)  # before hours of work, not after
    field = resolve_target(catalog, target)
    settings = choose_settings(
        catalog,
        field,
        rules,
        new_split=new_split,
        keep_given_splits=keep_given_splits,
        spinners_train_only=spinners_train_only,
        progress=progress,
    )
    about = (
        rules.digest,
        [(name, probe.digest, probe.threshold) for name, probe in probes.items()],
        field.value,
        replace(settings, created_at=""),  # of a set that is yet to be made
    )
    if not retry_failed:
        outcome = last_outcome(workspace, key_of(workspace, opened, *about))
        last_report = workspace.root / outcome["report"] if outcome is not None else None
        if outcome is not None and last_report is not None and last_report.exists():
            progress.log("nothing is new since the last curate")
            return CurateSummary(**{**outcome, "report": last_report})
    if retry_failed:
        again = take_back_failures(workspace)
        progress.log(f"pictures that failed before and are tried again: {again}")
    looked = look(workspace, opened, engine=engine, workers=workers, progress=progress)
    measured = measure_images(workspace, engine=engine, workers=workers, progress=progress)
    scored = score(workspace, opened, engine=engine, workers=workers, progress=progress)
    remember_gate(workspace, opened)
    watched = begin(workspace, key_of(workspace, opened, *about))
    facts = load_facts(catalog, gate_id=opened.id, target=field, policy=rules.splits)
    judgement = judge_pictures(
        workspace,
        facts,
        opened,
        rules,
        assigned=load_assigned(catalog, settings.name),
        keep_given=settings.keep_given,
        progress=progress,
    )
    store = FeatureStore(workspace.features / opened.fingerprint)
    splits: dict[str, Any] = {}
    audit: dict[str, Any] = {}
    problem: SplitError | None = None
    values = {label.value for label in facts.labels if label is not None} - {None}
    try:
        splits = write_splits(
            catalog,
            settings,
            facts,
            judgement.kept,
            judgement.found.pairs,
            rules,
            look_again=lambda placed: check_scenes(workspace, placed, store, progress=progress),
        ).as_dict()
        audit = audit_split_set(workspace, settings.name, facts, rules, progress=progress)
        for lack in _lacks(splits["sizes"]):
            progress.log(lack)
    except TooFewGroupsError as error:
        # Limits were asked for: what is lacking by them alone is no fault.
        unlimited = {**judgement.kept, **judgement.over_quota}
        fault = find_lack(catalog, settings, facts, unlimited, rules)
        what = (fault or error).message
        if len(values) > 1:
            what += _rejected(count_verdicts(catalog))
        splits = {"skipped": what}
        if fault is not None:
            problem = TooFewGroupsError(what, hint=fault.hint)
    except SplitError as error:
        splits = {"skipped": error.message}
        problem = error
    report = write_report(
        workspace, gate=opened, policy=rules, target=field, progress=progress, splits=splits
    )
    if problem is not None and len(values) >= 2:
        raise problem
    if "skipped" in splits:
        progress.log(f"no splits: {splits['skipped']}")
    summary = CurateSummary(
        **count_verdicts(catalog).as_dict(),
        duplicates=judgement.found.as_dict(),
        splits=splits,
        audit=audit,
        measured=looked.measured + measured.measured,
        scored=looked.scored + scored.scored,
        gate={"id": opened.id, "rule": opened.rule.name, "threshold": opened.rule.threshold},
        report=report,
    )
    if watched is not None:
        outcome = {
            **summary.as_dict(),
            "report": report.relative_to(workspace.root).as_posix(),  # a workspace may be copied
            "splits": {**splits, "added": 0} if "added" in splits else splits,
            "measured": 0,
            "scored": 0,
        }
        watched.note(outcome, verdicts=judgement.changed + splits.get("rejected", 0))
    return summary


def _lacks(sizes: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for label in sorted({label for each in sizes.values() for label in each}):
        lack = [name for name, each in sizes.items() if not each.get(label)]
        if lack:
            yield (
                f"no picture of '{label}' is in {' and '.join(lack)}: --new-split NAME assigns all "
                "anew"
            )


def _rejected(counts: VerdictCounts) -> str:
    if not counts.rejected:
        return ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in counts.reasons.items())
    return f"; {counts.rejected} of {counts.pictures} pictures are rejected ({reasons})"
