"""The ledger of an older version is continued."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace
from collector.candidate import UrlCandidate
from collector.ledger.journal import Journal
from collector.ledger.store import CrawlLedger

OLD_CATALOG = Path(__file__).parents[1] / "bodyshop_core" / "catalog_v1.sql"


@pytest.fixture
def old_workspace(tmp_path):
    """A workspace of catalog version 1 with a queued candidate and one of a disabled host."""
    (tmp_path / "w").mkdir()
    catalog = sqlite3.connect(tmp_path / "w" / "bodyshop.sqlite")
    catalog.executescript(OLD_CATALOG.read_text("utf-8"))
    names = [column[1] for column in catalog.execute("PRAGMA table_info(candidates)")]
    row = dict(zip(names, catalog.execute("SELECT * FROM candidates").fetchone(), strict=True))
    details = json.loads(row["details"])
    details["ladder"].append({"name": "src", "url": "https://cars.example/쏘나타.jpg"})
    row |= {
        "key": "c2", "state": "failed", "error_class": "host_left_alone",
        "details": json.dumps(details),
    }  # fmt: skip
    marks = ", ".join("?" for _ in names)
    catalog.execute(f"INSERT INTO candidates VALUES ({marks})", list(row.values()))
    catalog.commit()
    catalog.close()
    return Workspace.open(tmp_path / "w")


def test_the_candidates_of_an_older_catalog_are_read_with_all_their_addresses(old_workspace):
    first, second = CrawlLedger(old_workspace, Journal(old_workspace.root / "incoming")).queued()
    own = UrlCandidate("src", "https://cars.example/2.jpg")
    assert first.url_candidates == (own,)
    assert second.url_candidates == (own, UrlCandidate("src", "https://cars.example/쏘나타.jpg"))
    assert (second.brand, second.model, second.page_url) == (
        "Hyundai", "Sonata", "https://cars.example/",
    )  # fmt: skip


def test_the_error_class_of_an_older_catalog_gets_its_present_name(old_workspace):
    with old_workspace.catalog.read() as connection:
        classes = connection.execute(
            select(schema.candidates.c.error_class).order_by(schema.candidates.c.key)
        ).scalars()
        assert list(classes) == [None, "host_disabled"]
