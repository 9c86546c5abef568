"""What a worker does with a batch of items, the same on every engine."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bodyshop_core.errors import (
    BodyshopError,
    MissingPartError,
    TransientError,
    UnreadableImageError,
)

Item = dict[str, Any]
Row = dict[str, Any]
Work = Callable[[list[Item]], list[Row]]

WORKER_DIED = "worker_died"
"""The error of an item whose worker process ended without an answer, twice."""


PUT_BACK = "put_back"
"""Column of a row that says why its item is left to do: no result, and never stored."""


@dataclass(frozen=True)
class WorkSpec:
    """What every worker of a run needs; picklable.

    Parameters
    ----------
    work : Work
        Turns a list of items into one row per item, each carrying the item's ``key``.
    initialise : callable, optional
        Called once per worker process before its first batch, to load a model.
    batch_size : int
        The most items `work` is given at a time.
    """

    work: Work
    initialise: Callable[[], None] | None = None
    batch_size: int = 32


def run_batch(work: Work, items: list[Item]) -> list[Row]:
    """Run `work` on a batch; an item that raises costs its own row, not the batch.

    Parameters
    ----------
    work : Work
        The shard function.
    items : list of dict
        Each with a ``key``.

    Returns
    -------
    list of dict
        One row per item in the items' order, with ``key`` and ``error`` (None, or
        ``"<exception>: <message>"``); or a row of `put_back` where storage or memory
        failed, not the item.

    Raises
    ------
    MissingPartError
        Something that the work needs is not installed; every other item would fail, too.
    BodyshopError
        The work did not return exactly one row per item.
    """
    try:
        rows = work(list(items))
    except MissingPartError:
        raise
    except Exception as error:  # noqa: BLE001 - recorded in the item's row
        if len(items) == 1:
            return [_failed(items[0], error)]
        return [row for item in items for row in run_batch(work, [item])]
    return _in_order(rows, items)


def put_back(item: Item, cause: object) -> Row:
    """Return the row of an item that is left to do.

    Parameters
    ----------
    item : dict
        With its ``key``.
    cause : object
        What failed; its text is kept.
    """
    return {"key": item["key"], "error": None, PUT_BACK: str(cause)}


def answer_each(items: list[Item], answer: Callable[[Item], Row]) -> list[Row]:
    """Answer each item by itself: what can't be decoded or had costs itself alone.

    Parameters
    ----------
    items : list of dict
        Each with its ``key``.
    answer : callable
        Returns the values of one item, without its ``key``.

    Returns
    -------
    list of dict
        ``key`` and the values, or ``key`` and ``error``; an item that storage does not give is put
        back.
    """
    rows: list[Row] = []
    for item in items:
        try:
            rows.append({"key": item["key"], **answer(item)})
        except TransientError as error:
            rows.append(put_back(item, error))
        except UnreadableImageError as error:
            rows.append({"key": item["key"], "error": str(error)})
    return rows


def initialise_once(initialise: Callable[[], None] | None) -> None:
    """Call an initialiser unless this process has already done so."""
    if initialise is None:
        return
    name = pickle.dumps(initialise)
    if name not in _initialised:
        initialise()
        _initialised.add(name)


_initialised: set[bytes] = set()


def _failed(item: Item, error: Exception) -> Row:
    if isinstance(error, MemoryError):
        return put_back(item, f"too little memory: {error}" if str(error) else "too little memory")
    # The system's own errors carry a number: a disk, a network or a permission. Decoders raise
    # OSError, too, about a picture, without one.
    if isinstance(error, TransientError) or (
        isinstance(error, OSError) and error.errno is not None
    ):
        return put_back(item, error)
    return {"key": item["key"], "error": f"{type(error).__name__}: {error}"}


def _in_order(rows: Sequence[Row], items: Sequence[Item]) -> list[Row]:
    by_key = {row.get("key"): row for row in rows}
    wanted = [item["key"] for item in items]
    if len(rows) != len(items) or by_key.keys() != set(wanted):
        raise BodyshopError(
            f"the shard function returned {len(rows)} rows for {len(items)} items",
            hint="it must return exactly one row per item, carrying the item's 'key'",
        )
    return [{"error": None, **by_key[key]} for key in wanted]
