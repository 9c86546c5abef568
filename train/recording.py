"""A training run in the catalog: a new row, or the one of a run that goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bodyshop.catalog import schema
from bodyshop.errors import InterruptedByUser
from bodyshop.workspace import RunRecord, Workspace


@contextmanager
def recorded(
    workspace: Workspace, command: str, arguments: Mapping[str, Any], *, run: str | None
) -> Iterator[RunRecord]:
    """Note a run's start, counts and end.

    Parameters
    ----------
    workspace : Workspace
        Its catalog takes the note.
    command : str
        ``train`` or ``segment``.
    arguments : Mapping
        JSON-able.
    run : str, optional
        Name of an interrupted run that goes on: it keeps its row.
    """
    if run is None:
        with workspace.record_run(command, arguments) as record:
            yield record
        return
    record = RunRecord(run, workspace.runs / run)

    def note(state: str) -> None:
        with workspace.catalog.begin() as connection:
            connection.execute(
                schema.runs.update()
                .where(schema.runs.c.id == record.id)
                .values(state=state, counts=record.counts)
            )

    note("running")
    state = "failed"
    try:
        yield record
        state = "done"
    except (InterruptedByUser, KeyboardInterrupt):
        state = "interrupted"
        raise
    finally:
        note(state)
