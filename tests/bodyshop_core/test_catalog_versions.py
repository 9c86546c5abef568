"""Catalogs that bodyshop wrote when it had an older version of them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bodyshop_core.catalog import Catalog, schema

OLDER = range(2, schema.SCHEMA_VERSION)


def written_by(version: int, path: Path) -> Path:
    """Make the catalog that the last bodyshop with this version wrote."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(
            (Path(__file__).parent / f"catalog_v{version}.sql").read_text("utf-8")
        )
    return path


def shape_of(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """Return what each table's columns, keys and indexes are."""
    with contextlib.closing(sqlite3.connect(path)) as database:

        def told(pragma: str, name: str) -> list[tuple[object, ...]]:
            return database.execute(f"PRAGMA {pragma}({name})").fetchall()

        return {
            table: {
                *(
                    ("column", name, kind, null, key)
                    for _, name, kind, null, _, key in told("table_info", table)
                ),
                *(("reference", *row[2:]) for row in told("foreign_key_list", table)),
                *(
                    ("index", *(column[2] for column in told("index_info", row[1])))
                    for row in told("index_list", table)
                ),
            }
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }


@pytest.mark.parametrize("version", OLDER)
def test_a_catalog_of_each_older_version_keeps_its_rows_and_gets_todays_shape(tmp_path, version):
    catalog = Catalog(written_by(version, tmp_path / "older.sqlite"))
    assert shape_of(catalog.path) == shape_of(Catalog(tmp_path / "new.sqlite").path)
    with catalog.read() as connection:
        assert connection.scalar(text("PRAGMA user_version")) == schema.SCHEMA_VERSION
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
        image = connection.execute(select(schema.images)).one()
        seen = connection.execute(select(schema.sightings)).one()
        waiting = connection.execute(select(schema.candidates)).one()
        divided = connection.execute(select(schema.split_sets)).one()
        agreed = connection.execute(select(schema.annotations)).one()
        for table in (schema.pages, schema.runs, schema.measurements, schema.decisions):
            assert len(connection.execute(select(table)).all()) == 1
    assert (image.sha256, image.width, image.artist) == ("ab" * 32, 640, "ä")
    assert (seen.alt, seen.url_candidate, seen.origin) == ("현대", "src", "cars.example")
    assert waiting.details == {"url_candidates": [{"name": "src"}]}
    assert (waiting.error_class, waiting.lease) == ("host_disabled", None)
    assert (divided.revision, divided.leakage_check) == (1, {"groups": 1})
    assert agreed.value == {"annotators": ["ana"]}
