"""Exports hold what was kept, nothing a camera told, and what no longer belongs goes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from bodyshop.app.export import COLUMNS, export
from bodyshop.app.export.destination import RECORD
from bodyshop.app.export.metadata import without_metadata
from bodyshop.app.export.selection import folder_names
from bodyshop.catalog import add_labels, now, register_image, schema
from bodyshop.errors import NothingFoundError, UnreadableImageError, UsageError
from bodyshop.imaging import load_rgb, probe, sniff
from bodyshop.workspace import Workspace

GPS, SECRET = 0x8825, b"37.5665N 126.9780E"


def noise(seed: int, size: tuple[int, int] = (48, 32)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def exif(orientation: int = 1) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010F] = SECRET.decode()
    data.get_ifd(GPS)[1] = "N"
    return data


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def jpeg(seed: int, orientation: int = 1, **options: object) -> bytes:
    return encoded(
        noise(seed), "JPEG", quality=90, exif=exif(orientation), comment=SECRET, **options
    )


def pictures() -> Iterator[tuple[str, bytes, int]]:
    yield "jpeg", jpeg(1), 1
    yield "jpeg on its side", jpeg(2, 6), 6
    yield "progressive", jpeg(3, 3, progressive=True), 3
    yield "restarts", jpeg(4, restart_marker_blocks=1), 1
    yield "two in one", jpeg(5) + jpeg(6), 1
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    yield "png", encoded(noise(7), "PNG", exif=exif(8), pnginfo=text), 8
    yield "webp", encoded(noise(8), "WEBP", exif=exif(6), xmp=SECRET), 6
    yield "webp lossless", encoded(noise(9), "WEBP", lossless=True, exif=exif(), xmp=SECRET), 1
    yield "gif", encoded(noise(10).convert("P"), "GIF", comment=SECRET), 1
    frames = {"save_all": True, "append_images": [noise(12).convert("P")], "loop": 0}
    yield "animation", encoded(noise(11).convert("P"), "GIF", comment=SECRET, **frames), 1
    yield "tiff", encoded(noise(13), "TIFF", exif=exif()), 1
    yield "bmp", encoded(noise(14), "BMP"), 1


@pytest.mark.parametrize(
    ("data", "orientation"), [p[1:] for p in pictures()], ids=[p[0] for p in pictures()]
)
def test_metadata_go_and_pixels_and_orientation_stay(data: bytes, orientation: int) -> None:
    kind = sniff(data)
    assert kind is not None
    assert SECRET in data or kind == "bmp"
    clean, extension = without_metadata(data, kind, orientation)
    assert SECRET not in clean
    assert sniff(clean) == extension
    assert np.array_equal(load_rgb(clean), load_rgb(data))
    with Image.open(io.BytesIO(clean)) as image:
        assert not image.getexif().get_ifd(GPS)
        assert image.getexif().get(0x010F) is None
        assert not image.info.get("comment")
        if kind not in ("tif", "bmp"):
            assert image.getexif().get(0x0112, 1) == orientation
    assert without_metadata(clean, extension, orientation)[0] == clean


def test_the_colour_profile_stays() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for format, kind in (("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp")):
        data = encoded(noise(1), format, icc_profile=profile, exif=exif())
        with Image.open(io.BytesIO(without_metadata(data, kind)[0])) as image:
            assert image.info["icc_profile"] == profile


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([p[1] for p in pictures()][:10]), st.data())
def test_a_damaged_file_is_cleaned_or_refused_and_raises_nothing_else(
    data: bytes, draw: st.DataObject
) -> None:
    kind = sniff(data) or ""
    place = draw.draw(st.integers(12, len(data) - 1))
    broken = data[:place] + draw.draw(st.binary(max_size=4)) + data[place + 3 :]
    try:
        clean, _ = without_metadata(broken, kind)
    except UnreadableImageError:
        return
    assert isinstance(clean, bytes)


@given(st.lists(st.text(max_size=12), max_size=6))
def test_folder_names_are_safe_and_distinct(labels: list[str]) -> None:
    names = folder_names(labels)
    assert set(names) == set(labels)
    folded = [name.casefold() for name in names.values()]
    assert len(set(folded)) == len(folded)
    for name in names.values():
        assert name not in ("", ".", "..")
        assert not set(name) & set('/\\:*?"<>|\x00\n')
        assert Path(name).name == name


def test_hangul_class_names_stay_and_are_composed() -> None:
    decomposed = "\u1111\u1161\u1109\u1169\u11ab"  # 파손 as macOS writes it
    assert folder_names([decomposed])[decomposed] == "파손"
    assert folder_names(["a/b", "a:b"]) == {"a/b": "a_b", "a:b": "a_b_2"}


@pytest.fixture
def curated(workspace: Workspace) -> tuple[Workspace, list[str]]:
    """Six kept pictures in three splits and two classes, one reject; two have masks."""
    shots = [
        (jpeg(0), "파손", "train"),
        (jpeg(1, 6), "파손", "train"),
        (encoded(noise(2), "PNG"), "whole", "train"),
        (jpeg(3), "파손", "validation"),
        (jpeg(4), "whole", "validation"),
        (jpeg(5), "whole", "test"),
        (jpeg(6), "whole", None),
    ]
    names, catalog = [], workspace.catalog
    with catalog.begin() as connection:
        for data, _, _ in shots:
            extension = sniff(data) or ""
            blob = workspace.blobs.put_bytes(data, extension)
            register_image(connection, blob, extension=extension, facts=probe(data))
            names.append(blob.sha256)
    rows = list(zip(names, shots, strict=True))
    add_labels(catalog, [(n, "damage", s[1], "import", "") for n, s in rows])
    add_labels(catalog, [(names[0], "brand", "한빛", "query", "")])
    add_labels(catalog, [(names[0], "model", "한빛 바람", "query", "")])
    catalog.upsert(
        schema.sightings,
        [
            {
                "key": f"{number}-{name}",
                "sha256": name,
                "source": "pages",
                "url": f"https://example.org/{number}.jpg",
                "licence": "CC BY 4.0" if name == names[0] else None,
                "permission": {"robots": "allowed"},
                "fetched_at": f"2026-01-0{number + 1}T00:00:00+00:00",
                "tool_version": "0",
            }
            for number in range(2)
            for name in names
        ],
    )
    catalog.upsert(
        schema.verdicts,
        [
            {
                "sha256": name,
                "verdict": "keep" if split else "reject",
                "reasons": [] if split else ["blurry", "too_small"],
                "cluster": "c1",
                "representative": names[0],
                "group": name[:8],
                "policy": "p",
                "gate": "g",
                "decided_at": now(),
            }
            for name, (_, _, split) in rows
        ],
    )
    catalog.upsert(
        schema.gate_scores,
        [{"sha256": name, "gate": "g", "p_car": 0.75, "framing": "full"} for name in names],
    )
    split_set(workspace, {n: (s[2], s[1]) for n, s in rows if s[2]})
    for name, box in ((names[0], (4, 4, 20, 12)), (names[1], (2, 3, 9, 30))):
        draw_mask(workspace, name, box)
    return workspace, names


def split_set(workspace: Workspace, placed: dict[str, tuple[str, str]]) -> None:
    with workspace.catalog.begin() as connection:
        connection.execute(schema.splits.delete())
    row = {"name": "damage", "target": "damage", "seed": 7, "ratios": {}, "options": {}}
    workspace.catalog.upsert(schema.split_sets, [row | {"created_at": now()}])
    workspace.catalog.upsert(
        schema.splits,
        [
            {"split_set": "damage", "sha256": n, "split": s, "label": label, "group": n[:8]}
            for n, (s, label) in placed.items()
        ],
    )


def draw_mask(workspace: Workspace, name: str, box: tuple[int, int, int, int]) -> None:
    rgb = load_rgb(workspace.image_path(name))
    mask = np.zeros(rgb.shape[:2], np.uint8)
    mask[box[1] : box[3], box[0] : box[2]] = 255
    workspace.masks.mkdir(exist_ok=True)
    Image.fromarray(mask).save(workspace.masks / f"{name}.png")
    workspace.catalog.upsert(
        schema.annotations,
        [
            {
                "key": name,
                "sha256": name,
                "project": "damage",
                "annotator": "me",
                "kind": "mask",
                "label": "scratch",
                "file": f"masks/{name}.png",
                "state": "current",
                "updated_at": now(),
            }
        ],
    )


def files_of(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def digests(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files_of(folder)
    }


def test_manifest_has_one_row_per_picture_and_exactly_the_columns_of_the_contract(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    summary = export(workspace, "manifest", tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = {row["sha256"]: row for row in reader}
        assert ",".join(reader.fieldnames or ()) == (
            "sha256,file,source,label,brand,model,width,height,phash,sharpness,p_car,framing,"
            "verdict,reasons,cluster,representative,group,split,mask,licence,permission"
        )
    assert summary.pictures == len(rows) == 7
    first, last = rows[names[0]], rows[names[6]]
    assert first["file"] == "https://example.org/0.jpg"
    assert (first["label"], first["brand"], first["model"]) == ("파손", "한빛", "바람")
    assert (first["split"], first["verdict"], first["p_car"]) == ("train", "keep", "0.75")
    assert (first["mask"], first["licence"]) == (f"masks/{names[0]}.png", "CC BY 4.0")
    assert json.loads(first["permission"]) == {"robots": "allowed"}
    assert (last["verdict"], last["reasons"], last["split"]) == ("reject", "blurry;too_small", "")
    assert last["label"] == "whole"


def test_parquet_manifest_says_the_same_with_types(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    export(workspace, "manifest", tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert str(table.schema.field("width").type) == "int32"
    assert str(table.schema.field("p_car").type) == "double"
    assert sorted(table["sha256"].to_pylist()) == sorted(names)


def test_manifest_needs_no_split_and_a_known_ending(workspace: Workspace, tmp_path: Path) -> None:
    assert export(workspace, "manifest", tmp_path / "m.csv").pictures == 0
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        export(workspace, "manifest", tmp_path / "m.xlsx")


def test_imagefolder_has_class_folders_per_split_and_no_metadata(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    summary = export(workspace, "imagefolder", folder)
    assert files_of(folder) == {
        "classes.json",
        f"train/파손/{names[0]}.jpg",
        f"train/파손/{names[1]}.jpg",
        f"train/whole/{names[2]}.png",
        f"validation/파손/{names[3]}.jpg",
        f"validation/whole/{names[4]}.jpg",
        f"test/whole/{names[5]}.jpg",
    }
    assert summary.splits == {
        "test": {"whole": 1},
        "train": {"whole": 1, "파손": 2},
        "validation": {"whole": 1, "파손": 1},
    }
    for name in files_of(folder) - {"classes.json"}:
        written = folder / name
        assert SECRET not in written.read_bytes()
        assert np.array_equal(load_rgb(written), load_rgb(workspace.image_path(written.stem)))
    assert json.loads((folder / "classes.json").read_text("utf-8"))["파손"] == "파손"
    assert json.loads(json.dumps(summary.as_dict())) == summary.as_dict()


def test_keep_metadata_copies_the_original_bytes(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    export(workspace, "imagefolder", tmp_path / "out", keep_metadata=True)
    written = tmp_path / "out" / "train" / "파손" / f"{names[0]}.jpg"
    assert hashlib.sha256(written.read_bytes()).hexdigest() == names[0]


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_only_pictures_that_need_no_change_are_linked(
    curated: tuple[Workspace, list[str]], tmp_path: Path, link: str
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    export(workspace, "imagefolder", folder, link=link)
    plain = folder / "train" / "whole" / f"{names[2]}.png"
    changed = folder / "train" / "파손" / f"{names[0]}.jpg"
    assert plain.samefile(workspace.image_path(names[2]))
    assert not changed.samefile(workspace.image_path(names[0]))
    assert plain.is_symlink() == (link == "symlink")
    assert hashlib.sha256(workspace.image_path(names[0]).read_bytes()).hexdigest() == names[0]


def test_a_second_export_writes_nothing_and_one_cut_short_goes_on(
    curated: tuple[Workspace, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bodyshop import atomic

    workspace, _ = curated
    whole, folder = tmp_path / "whole", tmp_path / "cut"
    export(workspace, "imagefolder", whole)
    written = 0

    def cut(path: Path, data: bytes) -> None:
        nonlocal written
        if path.suffix in (".jpg", ".png"):
            written += 1
            if written == 4:
                raise KeyboardInterrupt
        real(path, data)

    real = atomic.write_bytes
    monkeypatch.setattr(atomic, "write_bytes", cut)
    with pytest.raises(KeyboardInterrupt):
        export(workspace, "imagefolder", folder)
    monkeypatch.undo()
    assert json.loads((folder / RECORD).read_text("utf-8"))["complete"] is False
    assert export(workspace, "imagefolder", folder).written == 3
    assert digests(folder) == digests(whole)
    assert export(workspace, "imagefolder", folder).written == 0
    assert json.loads((folder / RECORD).read_text("utf-8"))["complete"] is True


def test_what_moved_or_was_rejected_is_removed_and_strangers_stay(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    export(workspace, "imagefolder", folder)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    split_set(workspace, {names[0]: ("test", "파손"), names[2]: ("train", "whole")})
    summary = export(workspace, "imagefolder", folder)
    assert files_of(folder) == {
        "classes.json",
        "notes.txt",
        f"test/파손/{names[0]}.jpg",
        f"train/whole/{names[2]}.png",
    }
    assert (summary.written, summary.removed) == (1, 5)
    assert not (folder / "validation").exists()


def test_other_options_write_the_pictures_again(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    export(workspace, "imagefolder", tmp_path / "out")
    export(workspace, "imagefolder", tmp_path / "out", keep_metadata=True)
    written = tmp_path / "out" / "train" / "파손" / f"{names[0]}.jpg"
    assert SECRET in written.read_bytes()


def test_a_folder_with_something_else_in_it_is_refused(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = curated
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        export(workspace, "imagefolder", tmp_path / "mine")
    export(workspace, "imagefolder", tmp_path / "out")
    with pytest.raises(UsageError, match="export of format imagefolder"):
        export(workspace, "hf", tmp_path / "out")
    with pytest.raises(UsageError, match="is a file"):
        export(workspace, "hf", tmp_path / "mine" / "thesis.txt")
    with pytest.raises(UsageError, match="no export format 'voc'"):
        export(workspace, "voc", tmp_path / "x")
    with pytest.raises(UsageError, match="no split set 'other'"):
        export(workspace, "hf", tmp_path / "x", split_set="other")


def test_formats_with_splits_need_a_split(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split yet"):
        export(workspace, "imagefolder", tmp_path / "x")
    split_set(workspace, {})
    with pytest.raises(NothingFoundError, match="holds no kept picture"):
        export(workspace, "imagefolder", tmp_path / "x")


def test_coco_holds_the_masks_exactly_and_whole_cars_as_negatives(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    from curate.labeling.formats import coco
    from curate.labeling.polygons import rasterise

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
        (part,) = drawn[name].parts
        assert np.array_equal(rasterise(part.rings, *truth.shape), truth)
    assert drawn[names[2]].parts == ()
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
        on_disk = {path.name for path in (folder / split).iterdir()} - {"metadata.parquet"}
        assert {row["file_name"] for row in rows} == on_disk
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
