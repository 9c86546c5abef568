"""Measuring every picture of a workspace, bad ones included."""

from __future__ import annotations

import io
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.engine import compute_shards
from bodyshop_core.errors import TransientError
from bodyshop_core.workspace import Workspace
from curate.measure import stage as measuring
from curate.measure.stage import VERSION, measure_images, store_measurements


def photo(seed=0, size=(320, 240)):
    """Smooth blobs with some edges: enough structure to hash."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    picture = small.resize(size, Image.Resampling.BICUBIC)
    picture.paste((200, 30, 30), (size[0] // 4, size[1] // 3, size[0] // 2, size[1] // 2))
    return picture


def encoded(picture, format="JPEG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def png_bomb(side=22_500):
    """A valid PNG header that declares 506 megapixels, and nearly no data."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def put(workspace, data, extension="jpg"):
    blob = workspace.blobs.put_bytes(data, extension)
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=extension, facts={})
    return blob.sha256


def measurements(workspace):
    with workspace.catalog.read() as connection:
        rows = connection.execute(schema.measurements.select()).mappings().all()
    return {row["sha256"]: dict(row) for row in rows}


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "workspace")


def test_every_picture_is_measured_once(workspace):
    first = put(workspace, encoded(photo(1)))
    summary = measure_images(workspace, workers=1)
    assert summary.as_dict() == {"pictures": 1, "measured": 1, "unreadable": 0, "worker_died": 0}
    second = put(workspace, encoded(photo(2)))
    assert measure_images(workspace, workers=1).measured == 1
    assert measure_images(workspace, workers=1).measured == 0
    rows = measurements(workspace)
    assert rows.keys() == {first, second}
    assert {row["version"] for row in rows.values()} == {VERSION}
    assert rows[first]["width"] == 320 and rows[first]["phash"] != rows[second]["phash"]
    assert not (workspace.root / "shards").exists()


def test_bad_pictures_get_a_row_with_the_cause_and_spoil_nothing(workspace):
    good = put(workspace, encoded(photo(1)))
    whole = encoded(photo(2, size=(640, 480)))
    bad = {
        put(workspace, b""): "empty (0 bytes)",
        put(workspace, whole[: len(whole) // 2]): "can't be decoded",
        put(workspace, b"<html>no picture</html>"): "not a picture",
        put(workspace, png_bomb(), "png"): "too many pixels",
    }
    summary = measure_images(workspace, workers=1)
    assert (summary.measured, summary.unreadable) == (5, 4)
    rows = measurements(workspace)
    assert rows[good]["error"] is None and rows[good]["sharpness"] > 0
    for sha256, cause in bad.items():
        assert cause in rows[sha256]["error"]
        assert rows[sha256]["phash"] is None


def test_an_unreadable_picture_is_tried_again_only_on_request(workspace):
    sha256 = put(workspace, encoded(photo(1)))
    broken = put(workspace, encoded(photo(2))[:200])
    failed = [{"key": sha256, "error": "[Errno 5] Input/output error: 'blobs'"}]
    store_measurements(workspace.catalog, failed)  # as an older version wrote it
    assert measure_images(workspace, workers=1).unreadable == 1
    assert measure_images(workspace, workers=1).measured == 0
    assert measure_images(workspace, workers=1, retry_failed=True).measured == 2
    rows = measurements(workspace)
    assert rows[sha256]["error"] is None and rows[broken]["error"]


@pytest.mark.parametrize("harm", ["gone", "cut"])
def test_a_picture_that_storage_does_not_give_is_measured_when_it_is_back(
    workspace, monkeypatch, harm
):
    monkeypatch.setattr(measuring, "SLICE", 2)
    shas = sorted(put(workspace, encoded(photo(seed))) for seed in range(5))
    lost = [workspace.image_path(sha256) for sha256 in (shas[0], shas[3])]
    whole = [path.read_bytes() for path in lost]
    for path, data in zip(lost, whole, strict=True):
        path.unlink() if harm == "gone" else path.write_bytes(data[:200])
    with pytest.raises(TransientError, match="pictures left to do: 2") as caught:
        measure_images(workspace, workers=1)
    assert [key for key, _ in caught.value.left] == [shas[0], shas[3]]
    assert str(lost[0]) in caught.value.message
    rows = measurements(workspace)
    assert rows.keys() == set(shas) - {shas[0], shas[3]}
    assert all(row["error"] is None for row in rows.values())
    for path, data in zip(lost, whole, strict=True):
        path.write_bytes(data)
    summary = measure_images(workspace, workers=1)
    assert (summary.measured, summary.unreadable) == (2, 0)


def test_memory_is_bounded_by_slices_and_every_slice_is_ingested(workspace, monkeypatch):
    monkeypatch.setattr(measuring, "SLICE", 2)
    shas = {put(workspace, encoded(photo(seed))) for seed in range(5)}
    shas.add(put(workspace, b""))
    ticks = []

    class Progress:
        def task(self, name, total=None):
            from contextlib import nullcontext

            ticks.append(("total", total))
            return nullcontext(lambda n=1, note="": ticks.append(n))

        def log(self, message):
            raise AssertionError(message)

    measure_images(workspace, workers=1, progress=Progress())
    assert measurements(workspace).keys() == shas
    assert ticks[0] == ("total", 6) and sum(ticks[1:]) == 6


def test_results_do_not_depend_on_the_number_of_workers(tmp_path):
    results = []
    for workers in (1, 2):
        workspace = Workspace.open(tmp_path / str(workers))
        for seed in range(40):
            put(workspace, encoded(photo(seed, size=(64, 48))))
        measure_images(workspace, workers=workers)
        results.append(measurements(workspace))
    assert results[0] == results[1]


def test_a_picture_erased_while_it_is_measured_does_not_come_back(workspace, monkeypatch):
    """Erased between its measuring and the write: by its sha256, or with its host."""
    kept, by_sha256, with_host = (put(workspace, encoded(photo(seed))) for seed in range(3))

    def erase_first(*arguments, **options):
        for rows in compute_shards(*arguments, **options):
            with workspace.catalog.begin() as connection:
                row = {"kind": "sha256", "value": by_sha256, "at": now()}
                workspace.catalog.upsert(schema.tombstones, [row], connection=connection)
                connection.execute(
                    schema.images.delete().where(schema.images.c.sha256 == with_host)
                )
            yield rows

    monkeypatch.setattr(measuring, "compute_shards", erase_first)
    measure_images(workspace, workers=1)
    assert measurements(workspace).keys() == {kept}


def fill(workspace, count):
    return {put(workspace, encoded(photo(seed, size=(96, 72)))) for seed in range(count)}


@pytest.mark.slow
def test_dask_measures_the_same(tmp_path):
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    results = []
    for engine in ("local", "dask"):
        workspace = Workspace.open(tmp_path / engine)
        fill(workspace, 40)
        put(workspace, b"no picture at all")
        assert measure_images(workspace, engine=engine, workers=2).unreadable == 1
        results.append(measurements(workspace))
    assert results[0] == results[1]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kills process groups")
def test_measuring_goes_on_after_kill_9(tmp_path):
    undisturbed = Workspace.open(tmp_path / "undisturbed")
    shas = fill(undisturbed, 1_400)
    measure_images(undisturbed, workers=2)
    killed = Workspace.open(tmp_path / "killed")
    fill(killed, 1_400)
    script = (
        "from bodyshop_core.workspace import Workspace\n"
        "from curate.measure.stage import measure_images\n"
        # One worker: two would write two shards at a time, and too few would be left when a busy
        # machine looks late.
        f"measure_images(Workspace.open({str(killed.root)!r}), workers=1)"
    )
    kept = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", script])
        deadline = time.monotonic() + 240
        while len(measurements(killed)) == kept and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert len(measurements(killed)) > kept  # the shard that was written is not lost
        kept = len(measurements(killed))
        assert kept % 256 == 0  # a shard is written whole or not at all
        assert process.returncode == -signal.SIGKILL
    measure_images(killed, workers=2)
    rows = measurements(killed)
    assert rows.keys() == shas
    assert rows == measurements(undisturbed)
