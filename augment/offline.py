"""`augment`: make what a policy and a split ask for, and only what is missing."""

from __future__ import annotations

import errno
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment.ledger import Ledger, entries, is_whole
from augment.planning import Source, make_plan
from augment.policy import Policy, load_policy
from augment.rendering import DISK_FULL, prepare_worker, render_shard
from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

SHARD_SIZE = 64
"""Pictures per result file: what a kill can cost."""

BATCH_SIZE = 8

SHARDS = ".shards"
"""Folder of the results not yet in the catalog, inside the set's."""

LOCK = ".lock"
"""File in a set's folder that is held while the set is worked on."""


@dataclass(frozen=True)
class AugmentSummary:
    """What a run of `augment` left behind.

    Parameters
    ----------
    variant_set : str
        Its name, and of its folder in ``variants/``.
    policy : str
        Name of the policy.
    split_set : str
        Whose training part was augmented.
    pictures : int
        Training pictures.
    variants : int
        Variants the set now holds.
    made : int
        Of them, made by this run.
    failed : dict of str to int
        Reason -> variants that could not be made.
    per_class : dict
        Label -> originals and variants.
    folder : str
        Where the files are.
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

    def as_dict(self) -> dict[str, Any]:
        """Return the summary with JSON-able values."""
        return asdict(self)


def augment(
    workspace: Workspace,
    policy: str | Path | Policy,
    *,
    copies: int = 2,
    split_set: str | None = None,
    engine: str = "local",
    workers: int | None = None,
    balance: bool = False,
    progress: Progress = SILENT,
) -> AugmentSummary:
    """Write variants of the training pictures, with their masks and boxes.

    Only kept pictures in the training part are touched. Variants inherit label and group. What a
    variant looks like depends on the policy, the picture and the copy number alone, so neither
    the order, the number of workers, the engine nor an interruption changes a byte. What is there
    already is not made again; a changed policy makes a new set beside the old one.

    Parameters
    ----------
    workspace : Workspace
        With a split set.
    policy : str, Path or Policy
        A preset's name, a YAML file, or a loaded policy.
    copies : int
        Variants per picture.
    split_set : str, optional
        Default the newest.
    engine : str
        ``local``, ``dask``, or a Dask scheduler's address.
    workers : int, optional
        Processes; default one per CPU. 0 works in this process, for a handful of pictures or a
        debugger: a picture that crashes a decoder takes the command with it.
    balance : bool
        Top smaller classes up to the largest.
    progress : Progress
        Told about pictures.

    Returns
    -------
    AugmentSummary
        What the set holds now.

    Raises
    ------
    ConfigError
        The policy is wrong.
    UsageError, NothingFoundError
        There is no such split set, its training part is empty, or another command works on the set.
    LeakError
        The split set leaks.
    BodyshopError
        The disk is full; what was made is kept. Or not one variant could be made.
    """
    started = time.monotonic()
    policy = load_policy(policy)
    plan = make_plan(workspace, copies=copies, balance=balance, split_set=split_set)
    ledger = Ledger(workspace, policy, plan)
    taken = f"another bodyshop command is making the variants of {ledger.folder.name}"
    with _full_disk_explained(ledger.folder), locked(ledger.folder / LOCK, taken=taken):
        made = _bring_up(ledger, copies, balance, engine, workers, progress)
    summary = _summary(ledger, made, time.monotonic() - started)
    for reason, number in summary.failed.items():
        progress.log(f"{number} variants could not be made: {reason}")
    if summary.failed and not summary.variants:
        raise _none_made(ledger)
    return summary


def _bring_up(
    ledger: Ledger,
    copies: int,
    balance: bool,
    engine: str,
    workers: int | None,
    progress: Progress,
) -> int:
    """Make what is missing and enter it; return how many variants were made."""
    atomic.sweep(ledger.folder)
    for name, (before, at) in ledger.changed_versions().items():
        progress.log(f"{name} was {before} when this set was begun and is {at} now")
    items = [
        _item(ledger.workspace, ledger.folder, source, numbers)
        for source, numbers in ledger.missing()
    ]
    rows = _compute(ledger.policy, ledger.folder, items, engine, workers, progress)
    made = ledger.record(rows, copies=copies, balance=balance)
    ledger.write_manifest()
    for shard in (ledger.folder / SHARDS).glob("*.parquet"):
        shard.unlink()
    return made


def _item(
    workspace: Workspace, folder: Path, source: Source, numbers: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "key": f"{source.sha256}:{source.inputs[:16]}:{','.join(map(str, numbers))}",
        "sha256": source.sha256,
        "source": str(workspace.root / source.file),
        "masks": [[label, str(workspace.root / file)] for label, file in source.masks],
        "boxes": [list(box) for box in source.boxes],
        "copies": list(numbers),
        "folder": str(folder),
    }


def _compute(
    policy: Policy,
    folder: Path,
    items: list[dict[str, Any]],
    engine: str,
    workers: int | None,
    progress: Progress,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of `items`, a shard file at a time."""
    from bodyshop_core.engine import read_rows, run_shards
    from bodyshop_core.engine.task import run_batch

    if not items:
        return iter(())
    work = partial(render_shard, policy=policy)
    if workers == 0:
        rows = run_batch(work, items)
        _check_disk(folder, rows)
        return iter(rows)
    wanted = {item["key"] for item in items}
    _forget_unfinished(folder)
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
    _check_disk(folder, read_rows(paths, columns=["key", "error"]))
    return (row for row in read_rows(paths) if row["key"] in wanted)


def _forget_unfinished(folder: Path) -> None:
    """Remove results of an interrupted run that are to be made again; the others stay.

    Its disk was full, or files are no longer there: it may have ended in a power cut, which takes
    the last variants but not the results, or someone may have tidied up since.
    """
    from bodyshop_core.engine import read_rows

    for path in (folder / SHARDS).glob("*.parquet"):
        try:
            made = [entry for row in read_rows([path]) for entry in entries(row)]
        except (OSError, ValueError):  # run_shards says that it is damaged, and removes it
            continue
        if not all(_is_finished(folder, entry) for entry in made):
            path.unlink()


def _is_finished(folder: Path, entry: dict[str, Any]) -> bool:
    if entry["error"] is not None:
        return not str(entry["error"]).startswith(DISK_FULL)
    masks = (folder / file for file in entry.get("masks", {}).values())
    return is_whole(folder / entry["file"], entry["bytes"], masks)


def _check_disk(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Stop when a row says that the disk was full; its shard is computed again next time."""
    errors = (str(row["error"]) for row in rows)
    full = next((error for error in errors if error.startswith(DISK_FULL)), None)
    if full is not None:
        raise _disk_full(folder, full.removeprefix(f"{DISK_FULL}: "))


@contextmanager
def _full_disk_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _disk_full(folder, str(error)) from error


def _disk_full(folder: Path, cause: str) -> BodyshopError:
    return BodyshopError(
        f"the disk is full: {folder} ({cause})",
        hint="make room and run the same command again: it goes on where it stopped",
    )


def _none_made(ledger: Ledger) -> BodyshopError:
    first = next(row for row in ledger.current() if row.error is not None)
    return BodyshopError(
        f"not one variant could be made; of picture {first.sha256[:12]}: {first.error}",
        hint="change the policy, and look at it with: bodyshop augment POLICY --preview 6",
    )


def _summary(ledger: Ledger, made: int, seconds: float) -> AugmentSummary:
    plan, policy = ledger.plan, ledger.policy
    failed: Counter[str] = Counter()
    per_class = {label: {**counts, "variants": 0} for label, counts in plan.count().items()}
    for label, error, number in ledger.outcomes():
        if error is None:
            per_class[label]["variants"] += number
        else:
            failed[error.partition(":")[0]] += number
    return AugmentSummary(
        variant_set=policy.folder_name,
        policy=policy.name,
        split_set=plan.split_set,
        pictures=len(plan.sources),
        variants=sum(counts["variants"] for counts in per_class.values()),
        made=made,
        failed=dict(sorted(failed.items())),
        per_class=per_class,
        folder=str(ledger.folder),
        seconds=round(seconds, 2),
    )
