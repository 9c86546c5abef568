"""One decode of a new picture gives what the separate stages give."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from filling import add_picture
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, schema
from bodyshop_core.engine.task import PUT_BACK
from bodyshop_core.imaging import load_rgb
from bodyshop_core.workspace import Workspace
from curate.gate.extract import read_square
from curate.gate.feature_store import FeatureStore
from curate.gate.stage import open_gate, score
from curate.look.shard import look_at_pictures, square_of
from curate.look.stage import look
from curate.measure.picture import decode_for_measuring, measure_picture
from curate.measure.stage import measure_images


def scene(seed: int, size: tuple[int, int], kind: str = "JPEG", **options) -> bytes:
    """Smooth colours with an edge, so that the scale of a decode shows."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    image.paste((20, 20, 20), (0, size[1] // 2, size[0] // 3, size[1]))
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(seed: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return scene(seed, (1400, 900), exif=exif)


PICTURES = {
    "small": scene(1, (320, 240)),
    "the same scale for both": scene(2, (1600, 1200)),
    "the network needs more pixels": scene(3, (1024, 768)),
    "the network needs fewer": scene(4, (2000, 1800)),
    "turned": turned(5),
    "png": scene(6, (900, 700), "PNG"),
    "grey": io.BytesIO(),
    "broken": scene(7, (640, 480))[:3000],
}
grey = io.BytesIO()
Image.open(io.BytesIO(scene(8, (1600, 1200)))).convert("L").save(grey, "JPEG")
PICTURES["grey"] = grey.getvalue()


def fill(root: Path) -> Workspace:
    workspace = Workspace.open(root)
    for data in PICTURES.values():
        add_picture(workspace, data)
    return workspace


def stored(workspace: Workspace) -> dict[str, dict]:
    found = {}
    with workspace.catalog.read() as connection:
        for table in (schema.measurements, schema.gate_scores):
            rows = connection.execute(select(table)).mappings()
            found[table.name] = {row["sha256"]: dict(row) for row in rows}
    return found


def test_one_pass_stores_what_the_separate_stages_store_bit_by_bit(tmp_path):
    one, two = fill(tmp_path / "one"), fill(tmp_path / "two")
    gate = open_gate(one)
    counts = look(one, gate, workers=1)
    assert (counts.measured, counts.scored) == (len(PICTURES), len(PICTURES) - 1)
    measure_images(two, workers=1)
    score(two, gate)
    assert stored(one) == stored(two)
    batches = [
        FeatureStore(each.features / gate.fingerprint).load(stored(one)["gate_scores"])
        for each in (one, two)
    ]
    rows = [dict(zip(batch.keys, batch.features, strict=True)) for batch in batches]
    assert rows[0].keys() == rows[1].keys()
    for key, vector in rows[0].items():
        np.testing.assert_array_equal(vector, rows[1][key])
    thumbnails = list((one.reports / "curate" / "thumbnails").rglob("*.jpg"))
    assert len(thumbnails) == len(PICTURES) - 1
    assert all(max(load_rgb(file).shape) == 220 for file in thumbnails)
    again = look(one, gate, workers=1)
    assert (again.measured, again.scored) == (0, 0)


@pytest.mark.parametrize("name", sorted(set(PICTURES) - {"broken"}))
def test_the_square_of_the_network_does_not_depend_on_the_way(name):
    data = PICTURES[name]
    picture = decode_for_measuring(data)
    np.testing.assert_array_equal(square_of(picture, data, 224), read_square(data, 224))


def test_most_pictures_are_decoded_once(monkeypatch, tmp_path):
    decoded = []
    monkeypatch.setattr("curate.look.shard.read_square", lambda data, side: decoded.append(data))
    for data in PICTURES.values():
        if data is not PICTURES["broken"]:
            square_of(decode_for_measuring(data), data, 224)
    again = [name for name, data in PICTURES.items() if data in decoded]
    assert again == ["the network needs more pixels", "the network needs fewer"]


def test_a_broken_picture_costs_itself_alone_and_a_lost_one_is_put_back(tmp_path):
    items = []
    for name, data in PICTURES.items():
        path = tmp_path / f"{len(items)}.bin"
        path.write_bytes(data)
        items.append({"key": name, "blob": BlobRef(path)})
    items.append({"key": "gone", "blob": BlobRef(tmp_path / "gone")})
    rows = look_at_pictures(items, backbone="efficientnet-lite0", weights=None)
    assert [row["key"] for row in rows] == [item["key"] for item in items]
    assert {row["key"] for row in rows if row.get("error")} == {"broken"}
    assert [row["key"] for row in rows if PUT_BACK in row] == ["gone"]
    assert rows[0]["measured"] == measure_picture(PICTURES["small"])


def test_a_picture_erased_meanwhile_leaves_nothing(tmp_path, monkeypatch):
    from curate.look import stage

    workspace = fill(tmp_path / "workspace")
    with workspace.catalog.read() as connection:
        erased = connection.execute(select(schema.images.c.sha256)).scalars().first()
    real = stage.compute_shards

    def compute(*args, **options):
        for rows in real(*args, **options):
            with workspace.catalog.begin() as connection:
                connection.execute(schema.images.delete().where(schema.images.c.sha256 == erased))
            yield rows

    monkeypatch.setattr(stage, "compute_shards", compute)
    look(workspace, open_gate(workspace), workers=1)
    assert all(erased not in rows for rows in stored(workspace).values())
    assert not list(workspace.reports.rglob(f"{erased}.jpg"))
