"""Offline augmentation: write the variants of a policy to files; only missing ones are made."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment.failures import FailureCode, code_of
from augment.plan import make_plan
from augment.policy import AugmentPolicy, load_policy
from augment.rendering import prepare_worker, render_shard, shard_item, variant_entries
from augment.variant_set import VariantSet, is_complete
from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, TransientError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    from bodyshop_core.storage.derived_files import IsWhole
    from bodyshop_core.workspace import Workspace

SHARD_SIZE = 64
"""Pictures per result file: the most that a kill can cost."""

BATCH_SIZE = 8

SHARDS = ".shards"
"""Folder, inside the set's folder, of results that are not yet in the catalog."""

LOCK = ".lock"
"""File in the set's folder that is locked while a command makes variants."""


@dataclass(frozen=True)
class AugmentSummary(Summary):
    """Result of `augment`.

    Parameters
    ----------
    variant_set : str
        Name of the set and of its folder in ``variants/``.
    policy : str
        Name of the policy.
    split_set : str
        The split set whose training part was augmented.
    pictures : int
        Training pictures.
    variants : int
        Variants in the set.
    made : int
        Variants that this run made.
    failed : dict of str to int
        FailureCode code -> variants that could not be made.
    per_class : dict
        Label -> numbers of originals and variants.
    folder : str
        Folder of the files; with a bucket, only the policy and the manifest are there.
    seconds : float
        Duration.
    """

    variant_set: str
    policy: str
    split_set: str
    pictures: int
    variants: int
    made: int
    failed: dict[str, int]
    per_class: dict[str, dict[str, int]]
    folder: str
    seconds: float


def augment(
    workspace: Workspace,
    policy: str | Path | AugmentPolicy,
    *,
    copies: int = 2,
    split_set: str | None = None,
    engine: str = "local",
    workers: int | None = None,
    balance: bool = False,
    progress: Progress = SILENT,
) -> AugmentSummary:
    """Write variants of the training pictures, with their masks and boxes.

    Only kept pictures in the training part are augmented. Variants inherit label and group. A
    variant depends only on the policy, the picture and the copy number: order, number of workers,
    engine and interruptions change no byte. Existing variants are not made again; a changed policy
    makes a new set and keeps the old one.

    Parameters
    ----------
    workspace : Workspace
        With a split set.
    policy : str, Path or AugmentPolicy
        A preset's name, a YAML file, or a loaded policy.
    copies : int
        Variants per picture.
    split_set : str, optional
        Default the newest.
    engine : str
        ``local``, ``dask``, or a Dask scheduler's address.
    workers : int, optional
        Processes; default one per CPU. 0 works in this process, for a few pictures or a debugger: a
        picture that crashes a decoder then ends the command.
    balance : bool
        Bring smaller classes to the size of the largest one.
    progress : Progress
        Reports pictures.

    Returns
    -------
    AugmentSummary
        The contents of the set.

    Raises
    ------
    ConfigError
        The policy is invalid.
    UsageError, NothingFoundError
        No such split set, its training part is empty, or another command is using the set.
    LeakError
        A group is inside and outside the training part.
    ForeignPlaceError
        The workspace's bucket and prefix belong to another workspace.
    TransientError
        Storage did not give some originals; the variants of all others are made.
    BodyshopError
        The disk is full (finished variants are kept), or no variant could be made.
    """
    started = time.monotonic()
    policy = load_policy(policy)
    workspace.blobs.claim()
    plan = make_plan(workspace, copies=copies, balance=balance, split_set=split_set)
    variants = VariantSet(workspace, policy, plan)
    taken = f"another bodyshop command is making the variants of {variants.folder.name}"
    with _full_disk_reported(variants.folder), locked(variants.folder / LOCK, taken=taken):
        atomic.sweep(variants.folder)
        for name, (before, at) in variants.changed_versions().items():
            progress.log(f"{name} had version {before} when this set was begun, now it has {at}")
        variants.adopt()
        entries, left = _render_missing(variants, engine, workers, progress)
        made = variants.record(entries)
        variants.write_manifest()
        for shard in (variants.folder / SHARDS).glob("*.parquet"):
            shard.unlink()
    if left is not None:
        raise left
    summary = _summary(variants, made, time.monotonic() - started)
    for code, number in summary.failed.items():
        progress.log(f"{number} variants could not be made: {code}")
    if summary.failed and not summary.variants:
        raise _none_made(variants)
    return summary


def _render_missing(
    variants: VariantSet, engine: str, workers: int | None, progress: Progress
) -> tuple[Iterator[dict[str, Any]], TransientError | None]:
    """Make the missing variants; return their entries, and the error that names what is left."""
    from bodyshop_core.engine import compute_here, read_rows, run_shards

    policy, folder = variants.policy, variants.folder
    derived = variants.workspace.derived
    items = [
        shard_item(source, numbers, derived, variants.name)
        for source, numbers in variants.missing()
    ]
    if not items:
        return iter(()), None
    folder.mkdir(parents=True, exist_ok=True)
    work = partial(render_shard, policy=policy)
    rows: list[dict[str, Any]] | Iterator[dict[str, Any]] = []
    left: TransientError | None = None
    if workers == 0:
        rows = []
        try:
            for part in compute_here(work, items):
                rows += part
        except TransientError as error:
            left = error
        _check_disk(folder, rows)
    else:
        _remove_unfinished_shards(variants)
        try:
            paths = run_shards(
                work,
                items,
                folder / SHARDS,
                name="augment",
                version=policy.digest,
                initialise=prepare_worker,
                shard_size=SHARD_SIZE,
                batch_size=BATCH_SIZE,
                engine=engine,
                workers=workers,
                progress=progress,
            )
        except TransientError as error:  # the results of all others are in files
            left, paths = error, sorted((folder / SHARDS).glob("*.parquet"))
        _check_disk(folder, read_rows(paths, columns=["key", "error"]))
        rows = read_rows(paths)
    wanted = {item["key"] for item in items}
    entries = (entry for row in rows if row["key"] in wanted for entry in variant_entries(row))
    return entries, left


def _remove_unfinished_shards(variants: VariantSet) -> None:
    """Remove results of an interrupted run that have to be computed again; the others stay.

    These are results of a full disk, and results whose files are missing: a power cut may lose the
    last variants but not their results, and a user may have deleted files.
    """
    from bodyshop_core.engine import read_rows

    is_whole: IsWhole | None = None
    for path in (variants.folder / SHARDS).glob("*.parquet"):
        is_whole = is_whole or variants.workspace.derived.checker(variants.name)
        try:
            entries = [entry for row in read_rows([path]) for entry in variant_entries(row)]
        except (OSError, ValueError):  # run_shards reports damaged results and removes them
            continue
        if not all(_is_finished(variants, entry, is_whole) for entry in entries):
            path.unlink()


def _is_finished(variants: VariantSet, entry: dict[str, Any], is_whole: IsWhole) -> bool:
    if entry["error"] is not None:
        return code_of(entry["error"]) != FailureCode.DISK_FULL
    masks = (f"{variants.name}/{file}" for file in entry.get("masks", {}).values())
    return is_complete(is_whole, f"{variants.name}/{entry['file']}", entry["bytes"], masks)


def _check_disk(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Raise when a row reports a full disk; its shard is computed again next time."""
    for row in rows:
        if row["error"] is not None and code_of(row["error"]) == FailureCode.DISK_FULL:
            raise _disk_full(folder, row["error"].partition(": ")[2])


@contextmanager
def _full_disk_reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _disk_full(folder, str(error)) from error


def _disk_full(folder: Path, cause: str) -> BodyshopError:
    return BodyshopError(
        f"the disk is full: {folder} ({cause})",
        hint="free some space and run the same command again: it continues where it stopped",
    )


def _none_made(variants: VariantSet) -> BodyshopError:
    first = next(row for row in variants.current() if row.error is not None)
    return BodyshopError(
        f"no variant could be made; of picture {first.sha256[:12]}: {first.error}",
        hint="change the policy, and check it with: bodyshop augment POLICY --preview 6",
    )


def _summary(variants: VariantSet, made: int, seconds: float) -> AugmentSummary:
    plan, policy = variants.plan, variants.policy
    originals = Counter(source.label for source in plan.sources)
    per_class = {
        label: {"originals": number, "variants": 0} for label, number in sorted(originals.items())
    }
    failed: Counter[str] = Counter()
    for label, error, number in variants.outcomes():
        if error is None:
            per_class[label]["variants"] += number
        else:
            failed[code_of(error)] += number
    return AugmentSummary(
        variant_set=policy.folder_name,
        policy=policy.name,
        split_set=plan.split_set,
        pictures=len(plan.sources),
        variants=sum(counts["variants"] for counts in per_class.values()),
        made=made,
        failed=dict(sorted(failed.items())),
        per_class=per_class,
        folder=str(variants.folder),
        seconds=seconds,
    )
