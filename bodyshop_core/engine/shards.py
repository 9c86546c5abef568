"""Run a function over items in shards, and keep or yield the rows of every finished shard."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.engine.handshake import HandshakeError
from bodyshop_core.engine.task import PUT_BACK, Item, Row, Work, WorkSpec, run_batch
from bodyshop_core.errors import TransientError, UsageError
from bodyshop_core.progress import SILENT, Progress, Tick, no_tick

SHARD_SIZE = 256


def run_shards(
    work: Work,
    items: Iterable[Item],
    out: Path,
    *,
    name: str | None = None,
    version: str = "",
    initialise: Callable[[], None] | None = None,
    shard_size: int = SHARD_SIZE,
    batch_size: int = 32,
    engine: str = "local",
    workers: int | None = None,
    limit_s: float | None = None,
    progress: Progress = SILENT,
) -> list[Path]:
    """Compute a row for every item, in parallel, and keep the rows in files.

    A file is written whole or not at all, as soon as its shard is finished. Items whose row is in a
    file already are not computed again, so a run that was killed goes on where it stopped, and a
    run with more items computes only the new ones. An item that raises gets a row with its error;
    one that kills its worker process twice gets the error ``worker_died``; all others are unharmed.
    An item whose storage fails (`BlobRef.read`, or the system's own I/O errors) is tried once more
    when all others are done; it never gets a row for that.

    Parameters
    ----------
    work : callable
        ``work(items) -> rows``: one dict per item, with the item's ``key``. Importable by name.
        Values may be scalars, str, bytes, lists and one-dimensional NumPy arrays.
    items : iterable of dict
        Each with a ``key`` (str) unlike any other.
    out : Path
        Folder of the Parquet files.
    name : str, optional
        Name of the task shown as progress; default the name of `work`.
    version : str
        Of the algorithm and its settings: rows of another version do not count as finished.
    initialise : callable, optional
        Called once in each worker process, to load a model. Importable by name, or a `partial` of
        such.
    shard_size : int
        Items per file.
    batch_size : int
        The most items `work` gets at a time; also the step of the progress.
    engine : str
        ``"local"``: processes of this machine. ``"dask"``: a Dask cluster on this machine. Any
        other text is the address of a Dask scheduler.
    workers : int, optional
        Processes; default one per CPU.
    limit_s : float, optional
        Seconds one item may take before its worker is killed; default no limit.
    progress : Progress
        Told after every batch.

    Returns
    -------
    list of Path
        The files that hold the rows of `items`, which may hold rows of other items too.

    Raises
    ------
    UsageError
        An item has no key, or two have the same.
    MissingPartError
        The engine, or something the work needs, is not installed.
    TransientError
        Storage or a worker failed at some items, twice; the rows of all others are in files.
    BodyshopError
        Worker processes can't start.
    """
    items = list(items)
    keys = _unique_keys(items)
    label = name or _name_of(work)
    prefix = hashlib.sha256(f"{_name_of(work)}\n{version}".encode()).hexdigest()[:12]
    out.mkdir(parents=True, exist_ok=True)
    atomic.sweep(out)
    finished = _finished(out, prefix, progress)
    paths = [path for path, held in finished.items() if not held.isdisjoint(keys)]
    known = set().union(*finished.values()) if finished else set()
    missing = [item for item in items if item["key"] not in known]
    with progress.task(label, total=len(items)) as tick:
        if len(missing) < len(items):
            tick(len(items) - len(missing), "done before")
        computed = compute_shards(
            work,
            missing,
            initialise=initialise,
            shard_size=shard_size,
            batch_size=batch_size,
            engine=engine,
            workers=workers,
            limit_s=limit_s,
            tick=tick,
        )
        # Closing ends the workers: a traceback would keep them alive when a write fails.
        with contextlib.closing(computed) as shards:
            paths += [_write(out, prefix, rows) for rows in shards]
    return paths


def compute_shards(
    work: Work,
    items: Iterable[Item],
    *,
    initialise: Callable[[], None] | None = None,
    shard_size: int = SHARD_SIZE,
    batch_size: int = 32,
    engine: str = "local",
    workers: int | None = None,
    limit_s: float | None = None,
    tick: Tick = no_tick,
) -> Generator[list[Row], None, None]:
    """Compute a row for every item, in parallel, and yield the rows shard by shard.

    For results that the caller stores itself, such as in the catalog: what it has stored is not
    lost when the run is killed. Failing items get a row with their error, as in `run_shards`.

    Parameters
    ----------
    work, items, initialise, shard_size, batch_size, engine, workers, limit_s
        As for `run_shards`.
    tick : callable
        Called with the number of finished items after every batch.

    Yields
    ------
    list of Row
        The rows of one finished shard, in the order of its items; shards come as they are
        finished.

    Raises
    ------
    UsageError
        An item has no key, or two have the same.
    MissingPartError
        The engine, or something the work needs, is not installed.
    TransientError
        After the last shard: storage or a worker failed at some items, twice. They have no row;
        everything else was yielded.
    BodyshopError
        Worker processes can't start.
    """
    items = list(items)
    _unique_keys(items)
    spec = WorkSpec(work, initialise, batch_size)
    compute = partial(_compute, spec, engine=engine, workers=workers, limit_s=limit_s)
    left = yield from _finished_shards(compute, items, shard_size, tick)
    if left:  # once more: a disk or a worker may be back by now
        again = [item for item in items if item["key"] in left]
        left = yield from _once_more(compute, again, shard_size, tick)
    if left:
        raise TransientError.of(list(left.items()), what="items")


def compute_here(
    work: Work, items: Iterable[Item], *, batch_size: int = 32, tick: Tick = no_tick
) -> Generator[list[Row], None, None]:
    """Compute in this process what `compute_shards` does in others; for a few items.

    An item that kills its process ends this one. Products of matrices take one thread, as in a
    worker: on small ones several wait for each other longer than they compute.

    Parameters
    ----------
    work, items, batch_size, tick
        As for `compute_shards`.

    Yields
    ------
    list of Row
        The rows of one batch.

    Raises
    ------
    TransientError
        After the last batch: items are left to do.
    """
    from threadpoolctl import threadpool_limits

    items = list(items)
    left: dict[str, str] = {}
    for start in range(0, len(items), batch_size):
        with threadpool_limits(1, user_api="blas"):
            done = run_batch(work, items[start : start + batch_size])
        rows, missed = _sorted_out(done)
        left |= missed
        tick(len(rows))
        if rows:
            yield rows
    if left:
        raise TransientError.of(list(left.items()), what="items")


def read_rows(paths: Iterable[Path], *, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Yield the rows of shard files.

    Parameters
    ----------
    paths : iterable of Path
        As `run_shards` returned them.
    columns : sequence of str, optional
        Only these; one that a file lacks (all its items failed) is None.

    Yields
    ------
    dict
        With ``key`` and ``error``; lists come back as lists.
    """
    import pyarrow.parquet as pq

    for path in paths:
        with pq.ParquetFile(path) as file:
            present = [c for c in columns if c in file.schema_arrow.names] if columns else None
            table = file.read(columns=present)
        absent = dict.fromkeys(columns) if columns else {}
        for row in table.to_pylist():
            yield {**absent, **row}


def _once_more(
    compute: Callable[[list[list[Item]]], Generator[tuple[int, list[Row]], None, None]],
    items: list[Item],
    shard_size: int,
    tick: Tick,
) -> Generator[list[Row], None, dict[str, str]]:
    """Do as `_finished_shards`; where a machine is refused now, leave to do what has no row yet.

    The sample that every worker reads is one of these items: this may be how it comes out who does
    not see them.
    """
    open_keys = {item["key"] for item in items}
    with contextlib.closing(_finished_shards(compute, items, shard_size, tick)) as shards:
        while True:
            try:
                rows = next(shards)
            except StopIteration as end:
                left: dict[str, str] = end.value
                return left
            except HandshakeError as error:
                return {item["key"]: error.message for item in items if item["key"] in open_keys}
            open_keys -= {row["key"] for row in rows}
            yield rows


def _finished_shards(
    compute: Callable[[list[list[Item]]], Generator[tuple[int, list[Row]], None, None]],
    items: list[Item],
    shard_size: int,
    tick: Tick,
) -> Generator[list[Row], None, dict[str, str]]:
    """Yield the rows of finished shards; return the items left to do, with their causes."""
    shards = [items[start : start + shard_size] for start in range(0, len(items), shard_size)]
    unfinished: dict[int, list[Row]] = {}
    left: dict[str, str] = {}
    with contextlib.closing(compute(shards)) as parts:
        for number, part in parts:
            unfinished.setdefault(number, []).extend(part)
            tick(len(_sorted_out(part)[0]))
            if len(unfinished[number]) < len(shards[number]):
                continue
            rows, missed = _sorted_out(unfinished.pop(number))
            left |= missed
            if rows:
                place = {item["key"]: index for index, item in enumerate(shards[number])}
                yield sorted(rows, key=lambda row: place[row["key"]])
    return left


def _sorted_out(rows: Iterable[Row]) -> tuple[list[Row], dict[str, str]]:
    """Return the results among rows, and the items without one: key -> cause."""
    done: list[Row] = []
    left: dict[str, str] = {}
    for row in rows:
        if PUT_BACK in row:
            left[row["key"]] = row[PUT_BACK]
        else:
            done.append(row)
    return done, left


def _compute(
    spec: WorkSpec,
    shards: list[list[Item]],
    *,
    engine: str,
    workers: int | None,
    limit_s: float | None,
) -> Generator[tuple[int, list[Row]], None, None]:
    from bodyshop_core.engine import dask, local

    if not shards:
        return
    if engine == "local":
        yield from local.compute(spec, shards, workers=workers, limit_s=limit_s)
    else:
        address = None if engine == "dask" else engine
        yield from dask.compute(spec, shards, address=address, workers=workers, limit_s=limit_s)


def _unique_keys(items: Sequence[Item]) -> set[str]:
    keys: set[str] = set()
    for item in items:
        key = item.get("key")
        if not isinstance(key, str) or not key:
            raise UsageError(f"an item without a 'key': {item!r}")
        if key in keys:
            raise UsageError(f"two items with the key {key!r}")
        keys.add(key)
    return keys


def _name_of(work: Any) -> str:
    function = getattr(work, "func", work)  # a partial is named after what it calls
    qualified = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{function.__module__}.{qualified}"


def _finished(out: Path, prefix: str, progress: Progress) -> dict[Path, set[str]]:
    """Return the keys in each finished shard of this work; a damaged file is no finished shard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    finished = {}
    for path in sorted(out.glob(f"{prefix}-*.parquet")):
        try:
            keys = pq.read_table(path, columns=["key"])["key"].to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            progress.log(f"{path} is damaged and is computed again: {error}")
            path.unlink()
            continue
        finished[path] = set(keys)
    return finished


def _write(out: Path, prefix: str, rows: Sequence[Row]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = dict.fromkeys(
        ["key", *(name for row in rows for name in row if name != "error"), "error"]
    )
    columns = {name: [row.get(name) for row in rows] for name in names}
    types = {"key": pa.string(), "error": pa.string()}
    table = pa.table({name: pa.array(columns[name], types.get(name)) for name in names})
    digest = hashlib.sha256("\n".join(row["key"] for row in rows).encode()).hexdigest()[:20]
    path = out / f"{prefix}-{digest}.parquet"
    with atomic.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path
