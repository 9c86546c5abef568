"""A set that is read in parts has the state, manifest and counts of one that is read whole."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filling import add_picture, photo, pretend_scores

import curate
from bodyshop.export import COLUMNS, export, manifest_rows, rows, tables
from bodyshop.forget import forget
from bodyshop.status import status
from bodyshop_core.catalog import UNKNOWN, add_labels, picture_origins, register_image
from bodyshop_core.imaging import read_header
from bodyshop_core.snapshots import load_state, read_state, reading, record_state, state
from bodyshop_core.workspace import Workspace


@pytest.fixture
def large(workspace: Workspace) -> Workspace:
    """Thirty pictures of three origins, curated; a label is disputed."""
    for seed in range(30):
        sha = add_picture(
            workspace,
            photo(seed),
            labels={
                "damage": ("damaged", "whole")[seed % 2],
                "brand": "b",
                "model": f"b m{seed % 3}",
            },
            file=f"/photos/{seed}.jpg",
            origin=("x", "y", None)[seed % 3],
            permission={"robots": "allowed", "host": str(seed % 2)} if seed % 4 else None,
        )
    add_labels(workspace.catalog, [(sha, "damage", "damaged", "import", "")])
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    return workspace


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read and write four pictures at a time."""
    for module in (reading, rows, tables):
        monkeypatch.setattr(module, "PART", 4)
    monkeypatch.setattr(reading, "WHOLE", 4)


@pytest.mark.parametrize(("whole_up_to", "plain"), [(30, 2**20), (4, 2**20), (4, 900)])
def test_parts_make_the_same_state_and_manifest(
    large: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_up_to: int, plain: int
) -> None:
    whole = read_state(large)
    table = manifest_rows(large)
    for suffix in ("csv", "parquet"):
        export(large, "manifest", tmp_path / f"whole.{suffix}")
    for module in (reading, rows, tables):
        monkeypatch.setattr(module, "PART", 4)
    monkeypatch.setattr(reading, "WHOLE", whole_up_to)
    monkeypatch.setattr(state, "PLAIN", plain)
    packed = read_state(large)
    assert packed.id == whole.id
    assert dict(packed.chunks) == whole.chunks
    assert dict(packed.encoded) == whole.encoded
    assert (packed.size, packed.pictures) == (whole.size, whole.pictures)
    assert manifest_rows(large) == table
    for suffix in ("csv", "parquet"):
        outcome = export(large, "manifest", tmp_path / f"parts.{suffix}")
        assert (outcome.pictures, outcome.snapshot) == (30, whole.id)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    one, many = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "parts"))
    assert one.equals(many) and one.column_names == list(COLUMNS)
    assert pq.ParquetFile(tmp_path / "parts.parquet").num_row_groups == 8


def test_a_state_is_recorded_in_parts_and_without_erased_pictures(
    large: Workspace, parts: None
) -> None:
    recorded = record_state(large)
    again = load_state(large, recorded.id)
    assert again.chunks == dict(recorded.chunks) and again.size == recorded.size == 30
    gone = sorted(recorded.pictures)[5]
    forget(large, gone)
    assert gone not in read_state(large).pictures
    assert record_state(large).size == 29


def test_no_picture_is_a_manifest_with_a_header(workspace: Workspace, tmp_path: Path) -> None:
    for suffix in ("csv", "parquet"):
        assert export(workspace, "manifest", tmp_path / f"m.{suffix}").pictures == 0
    assert (tmp_path / "m.csv").read_text(encoding="utf-8").strip() == ",".join(COLUMNS)
    assert pq.read_table(tmp_path / "m.parquet").column_names == list(COLUMNS)


def test_status_counts_origins_as_picture_origins_names_them(large: Workspace) -> None:
    data = photo(99)
    with large.catalog.begin() as connection:  # a picture that was never sighted
        blob = large.blobs.put_bytes(data, "jpg")
        register_image(connection, blob, extension="jpg", facts=read_header(data))
    found = status(large).origins
    names = list(picture_origins(large.catalog).values())
    assert {name: row["pictures"] for name, row in found.items()} == {
        name: names.count(name) for name in set(names)
    }
    assert found[UNKNOWN] == {"pictures": 1, "kept": 0}
    assert sum(row["kept"] for row in found.values()) == status(large).stages["curate"]["kept"]
