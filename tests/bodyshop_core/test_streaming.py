"""What is read in parts: parameters stay parameters, and errors of the driver are told."""

from __future__ import annotations

import pytest
from sqlalchemy import event, func, select, text

from bodyshop_core.catalog import CatalogError, schema, stream
from bodyshop_core.snapshots.reading import read_state


def put_runs(workspace, *commands: str) -> None:
    row = {"arguments": {}, "versions": {}, "state": "done", "started_at": "t"}
    rows = [row | {"id": str(n), "command": command} for n, command in enumerate(commands)]
    workspace.catalog.upsert(schema.runs, rows)


def test_rows_come_in_parts_as_tuples(workspace):
    put_runs(workspace, *"abcde")
    with workspace.catalog.read() as connection:
        query = select(schema.runs.c.command).order_by(schema.runs.c.id)
        parts = list(stream(connection, query, part=2))
    assert parts == [[("a",), ("b",)], [("c",), ("d",)], [("e",)]]
    assert {type(row) for part in parts for row in part} == {tuple}


@pytest.mark.sqlite("its driver's own words")
def test_a_text_is_never_written_into_the_statement(workspace):
    """A driver with its own ``%`` would have it twice there."""
    put_runs(workspace, "50% test", "50%% test")
    query = select(schema.runs.c.id).where(schema.runs.c.command == "50% test")
    seen = []
    with workspace.catalog.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *about: seen.append(about[2:4]))
        assert list(stream(connection, query)) == [[("0",)]]
    ((statement, parameters),) = seen
    assert "50%" not in statement
    assert parameters == ("50% test",)


@pytest.mark.sqlite("its driver's own words")
def test_a_table_that_is_gone_is_told_as_an_error_of_the_catalog(workspace):
    with workspace.catalog.begin() as connection:
        connection.execute(text("DROP TABLE splits"))
    gone = pytest.raises(CatalogError, match="no such table: splits")
    with gone, workspace.catalog.read() as connection:
        list(stream(connection, select(schema.splits.c.sha256)))
    with workspace.catalog.begin() as connection:
        connection.execute(text("DROP TABLE annotations"))
    with pytest.raises(CatalogError, match="no such table: annotations"):
        read_state(workspace)


@pytest.mark.sqlite("its driver's own words")
def test_an_error_half_way_through_the_rows_is_told_as_one_of_the_catalog(workspace):
    put_runs(workspace, "{}", "{}", "{", "{}")
    query = select(func.json_array_length(schema.runs.c.command))  # unsorted: row after row
    read = []
    broken = pytest.raises(CatalogError, match="malformed JSON")
    with broken, workspace.catalog.read() as connection:
        for part in stream(connection, query, part=1):
            read += part
    assert read == [(0,)]  # the driver is a row ahead
