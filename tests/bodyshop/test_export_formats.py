"""Exports with masks, and the formats that describe themselves, say what is there."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from export_photos import files_of
from PIL import Image

from bodyshop.export import COLUMNS, export
from bodyshop.export.selection import PictureOptions, choose
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace


def test_coco_holds_the_masks_exactly_and_whole_cars_as_negatives(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    from labeling.formats import coco
    from labeling.formats.polygons import rasterise

    workspace, names = curated
    folder = tmp_path / "out"
    export(workspace, "coco", folder)
    train = json.loads((folder / "train" / "annotations.json").read_text("utf-8"))
    assert [category["name"] for category in train["categories"]] == ["scratch"]
    assert {image["sha256"] for image in train["images"]} == set(names[:3])
    drawn = {drawing.sha256: drawing for drawing in coco.read(folder / "train")}
    for name in names[:2]:
        with Image.open(workspace.masks / f"{name}.png") as image:
            truth = np.asarray(image) > 0
        (part,) = drawn[name].shapes
        assert np.array_equal(rasterise(part.rings, *truth.shape), truth)
    assert drawn[names[2]].shapes == ()
    for image in train["images"]:
        with Image.open(folder / "train" / image["file_name"]) as picture:
            # Readers of COCO ignore EXIF: the size they see is that of the masks.
            assert picture.size == (image["width"], image["height"])
            assert picture.getexif().get(0x0112, 1) == 1
    validation = json.loads((folder / "validation" / "annotations.json").read_text("utf-8"))
    assert [image["sha256"] for image in validation["images"]] == [names[4]]  # no mask, not whole


def test_yolo_has_labels_beside_pictures_and_a_config(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    export(workspace, "yolo", folder)
    config = yaml.safe_load((folder / "data.yaml").read_text("utf-8"))
    assert config == {
        "train": "train/images",
        "val": "validation/images",
        "test": "test/images",
        "names": {0: "scratch"},
    }
    label = (folder / "train" / "labels" / f"{names[0]}.txt").read_text("utf-8").split()
    corners = np.array(label[1:], float).reshape(-1, 2) * (48, 32)
    assert label[0] == "0"
    assert corners.min(0) == pytest.approx((4, 4))
    assert corners.max(0) == pytest.approx((20, 12))
    assert (folder / "train" / "labels" / f"{names[2]}.txt").read_text("utf-8") == ""
    for split in ("train", "validation", "test"):
        images = {path.stem for path in (folder / split / "images").iterdir()}
        assert images == {path.stem for path in (folder / split / "labels").iterdir()}


def test_webdataset_shards_hold_pictures_classes_and_masks_and_keep_their_size(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    summary = export(workspace, "webdataset", folder)
    assert (summary.pictures, summary.written) == (6, 6)
    index = json.loads((folder / "index.json").read_text("utf-8"))
    assert index["classes"] == ["whole", "파손"]
    assert index["splits"]["train"] == {"shards": ["train-000000.tar"], "samples": 3}
    before = (folder / "train-000000.tar").read_bytes()
    with tarfile.open(folder / "train-000000.tar") as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    keys = [name.split(".")[0] for name in members]
    assert keys == sorted(keys)  # the members of a sample are neighbours
    assert set(keys) == set(names[:3])
    for name in names[:2]:
        about = json.loads(members[f"{name}.json"])
        assert index["classes"][int(members[f"{name}.cls"])] == about["label"] == "파손"
        assert about["masks"] == {"scratch": "mask0.png"}
        with Image.open(io.BytesIO(members[f"{name}.mask0.png"])) as mask:
            extension = "png" if f"{name}.png" in members else "jpg"
            with Image.open(io.BytesIO(members[f"{name}.{extension}"])) as image:
                assert image.size == mask.size
    export(workspace, "webdataset", folder)
    assert (folder / "train-000000.tar").read_bytes() == before


def test_a_webdataset_shard_ends_before_it_is_too_large(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = curated
    from bodyshop.export import webdataset

    chosen = choose(workspace, "damage")
    options = PictureOptions(upright=True)
    sizes = []
    for shard in webdataset._shards(workspace, chosen, {}, ["whole", "파손"], [], options, 9000):
        webdataset._write(tmp_path / "x.tar", shard)
        sizes.append((len(shard), (tmp_path / "x.tar").stat().st_size))
    assert sum(count for count, _ in sizes) == 6
    assert len(sizes) > 1
    # A tar file is padded to 10,240 bytes.
    assert all(size <= 10_240 or count == 1 for count, size in sizes)


def test_coco_without_any_mask_is_said(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = curated
    with workspace.catalog.begin() as connection:
        connection.execute(schema.annotations.delete())
    with pytest.raises(NothingFoundError, match="no kept picture in a split has a mask"):
        export(workspace, "coco", tmp_path / "out")


def test_hf_folder_names_every_file_in_its_metadata(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    export(workspace, "hf", folder)
    for split, expected in (("train", names[:3]), ("validation", names[3:5]), ("test", names[5:6])):
        rows = pq.read_table(folder / split / "metadata.parquet").to_pylist()
        assert sorted(row["sha256"] for row in rows) == sorted(expected)
        on_disk = files_of(folder / split) - {"metadata.parquet"}
        drawn = [file for row in rows for file in row["masks_file_names"]]
        assert {row["file_name"] for row in rows} | set(drawn) == on_disk
        assert len(drawn) == {"train": 2}.get(split, 0)
    header = (folder / "README.md").read_text("utf-8").split("---\n")[1]
    card = yaml.safe_load(header)
    assert card["license"] == "other"
    assert {entry["split"] for entry in card["configs"][0]["data_files"]} == {
        "train",
        "validation",
        "test",
    }


def test_croissant_describes_the_files_that_are_there(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = curated
    folder = tmp_path / "out"
    export(workspace, "croissant", folder)
    document = json.loads((folder / "croissant.json").read_text("utf-8"))
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    table, images = document["distribution"]
    content = (folder / table["contentUrl"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == table["sha256"]
    matched = {path for pattern in images["includes"] for path in folder.glob(pattern)}
    rows = pq.read_table(io.BytesIO(content)).to_pylist()
    assert {path.name for path in matched} == {row["file_name"] for row in rows}
    (records,) = document["recordSet"]
    columns = {
        field["source"]["extract"]["column"]
        for field in records["field"]
        if "fileObject" in field["source"]
    }
    assert columns == set(COLUMNS)
    assert document["license"] == ["CC BY 4.0"]
