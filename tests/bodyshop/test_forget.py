from __future__ import annotations

import io

import pytest
from PIL import Image
from sqlalchemy import func, select

from bodyshop.forget import forget
from bodyshop_core.catalog import is_forgotten, now, register_image, schema
from bodyshop_core.errors import NothingFoundError


def see(workspace, colour, *urls):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "PNG")
    blob = workspace.blobs.put_bytes(buffer.getvalue(), "png")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="png", facts={"format": "PNG"})
        workspace.catalog.upsert(
            schema.sightings,
            [
                {
                    "key": f"{blob.sha256[:20]}{url}"[:64],
                    "sha256": blob.sha256,
                    "url": url,
                    "source": "pages",
                    "fetched_at": now(),
                    "tool_version": "0",
                }
                for url in urls
            ],
            connection=connection,
        )
    return blob


def count(workspace, table):
    with workspace.catalog.read() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def derived(workspace, blob):
    files = [
        workspace.variants / "p" / f"{blob.sha256}-0.jpg",
        workspace.masks / f"{blob.sha256}-dent.png",
        workspace.reports / "curate" / "thumbs" / f"{blob.sha256}.jpg",
        workspace.root / "labelstudio" / "pictures" / f"{blob.sha256}.png",
        workspace.root / "labelstudio" / "media" / "upload" / "3" / f"0a1b2c3d-{blob.sha256}.jpg",
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return files


def test_picture_goes_with_everything_made_from_it_and_stays_away(workspace):
    gone, kept = see(workspace, "red", "http://a/1"), see(workspace, "blue", "http://a/2")
    files, others = derived(workspace, gone), derived(workspace, kept)
    summary = forget(workspace, gone.sha256)
    assert summary.pictures == 1 and summary.files == 1 + len(files)
    assert not gone.path.exists() and not any(file.exists() for file in files)
    assert kept.path.exists() and all(file.exists() for file in others)
    assert count(workspace, schema.images) == count(workspace, schema.sightings) == 1
    with workspace.catalog.read() as connection:
        assert is_forgotten(connection, "sha256", gone.sha256)


def test_features_of_the_picture_are_taken_out_of_their_shard(workspace):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    gone, kept = see(workspace, "red", "http://a/1"), see(workspace, "blue", "http://a/2")
    shard = workspace.features / "gate" / "0.parquet"
    shard.parent.mkdir(parents=True)
    pq.write_table(pa.table({"key": [gone.sha256, kept.sha256], "x": [1.0, 2.0]}), shard)
    forget(workspace, gone.sha256)
    assert pq.read_table(shard)["key"].to_pylist() == [kept.sha256]


def test_host_takes_what_was_seen_nowhere_else(workspace):
    only = see(workspace, "red", "https://bad.example/1.jpg")
    both = see(workspace, "blue", "https://bad.example/2.jpg", "https://good.example/2.jpg")
    summary = forget(workspace, "bad.example")
    assert (summary.pictures, summary.sightings) == (1, 2)
    assert not only.path.exists() and both.path.exists()
    with workspace.catalog.read() as connection:
        assert is_forgotten(connection, "host", "bad.example")


def test_dry_run_erases_nothing(workspace):
    blob = see(workspace, "red", "http://a/1")
    assert forget(workspace, "http://a/1", dry_run=True).pictures == 1
    assert blob.path.exists() and count(workspace, schema.tombstones) == 0


def test_unknown_picture_is_put_on_the_list_all_the_same(workspace):
    with pytest.raises(NothingFoundError, match="will not be collected"):
        forget(workspace, "https://never.example/x.jpg")
    with workspace.catalog.read() as connection:
        assert is_forgotten(connection, "url", "https://never.example/x.jpg")


def test_reports_that_showed_the_picture_are_removed(workspace):
    blob = see(workspace, "red", "http://a/1")
    page = workspace.reports / "curate" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<img>")
    assert forget(workspace, blob.sha256).reports_stale and not page.exists()
