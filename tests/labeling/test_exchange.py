"""Mask files of other tools, in and out, pixel for pixel."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from labeling_pictures import add_picture, picture_bytes
from PIL import Image, ImageOps

from bodyshop_core.errors import ConfigError, NothingFoundError, UsageError
from bodyshop_core.imaging import coco_rle
from bodyshop_core.workspace import Workspace
from labeling import export_masks, import_masks
from labeling.consensus.update import update_consensus
from labeling.exchange.fitting import rotated
from labeling.formats.mask_file import read_mask
from labeling.formats.polygons import signed_area
from labeling.formats.shapes import MaskFormatError
from labeling.records.annotations import Annotation, current_masks, store_annotations

FORMATS = ["coco", "via", "labelstudio", "supervisely", "labelme", "cvat", "yolo", "png"]
MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20))


def masks_of(workspace):
    return {
        sha: {label: read_mask(workspace.root / file) for label, file in files.items()}
        for sha, files in current_masks(workspace).items()
    }


def annotate(workspace, sha, masks):
    annotation = Annotation(
        sha, "damage", "srv", 1, "ana", "2026-01-01T00:00:00+00:00", masks=masks
    )
    with workspace.catalog.begin() as connection:
        update_consensus(
            connection, workspace, store_annotations(connection, workspace, [annotation])
        )


def random_masks(rng, width, height):
    return {
        "dent": rng.random((height, width)) < 0.5,
        "scratch": np.ones((height, width), bool),
        "유리 깨짐": np.pad(np.zeros((height - 4, width - 4), bool), 2, constant_values=True),
    }


def equal(left, right):
    return left.keys() == right.keys() and all(
        a.keys() == right[sha].keys() and all(np.array_equal(a[k], right[sha][k]) for k in a)
        for sha, a in left.items()
    )


@pytest.mark.parametrize("form", FORMATS)
def test_exported_masks_come_back_pixel_exact(form, workspace, tmp_path):
    rng = np.random.default_rng(3)
    other = Workspace.open(tmp_path / "other")
    for number, orientation in enumerate([1, 3, 6, 8]):
        data = picture_bytes(31, 22, seed=number, orientation=orientation)
        sha = add_picture(workspace, data)
        add_picture(other, data)
        size = (31, 22) if orientation in {1, 3} else (22, 31)
        annotate(workspace, sha, random_masks(rng, *size))
    summary = export_masks(workspace, form, tmp_path / "out")
    assert (summary.pictures, summary.masks) == (4, 12)
    back = import_masks(other, form, tmp_path / "out")
    assert (back.pictures, back.masks, back.unmatched, back.problems) == (4, 12, (), ())
    ours, theirs = masks_of(workspace), masks_of(other)
    if form == "png":
        theirs = {s: {k.replace("_", " "): m for k, m in v.items()} for s, v in theirs.items()}
    assert equal(ours, theirs)


def test_exported_pictures_have_the_size_their_masks_have(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(30, 20, orientation=6))
    annotate(workspace, sha, {"dent": np.ones((30, 20), bool)})
    export_masks(workspace, "coco", tmp_path / "out")
    document = json.loads((tmp_path / "out/annotations.json").read_text())
    (image,) = document["images"]
    with Image.open(tmp_path / "out" / image["file_name"]) as picture:
        assert picture.size == (image["width"], image["height"]) == (20, 30)
        assert picture.getexif().get(0x0112, 1) == 1


@given(MASKS)
def test_coco_run_lengths_round_trip(mask):
    assert np.array_equal(coco_rle.decode(coco_rle.encode(mask), *mask.shape), mask)
    assert np.array_equal(coco_rle.decode(coco_rle.to_counts(mask), *mask.shape), mask)


def test_coco_run_lengths_are_those_of_the_reference_implementation():
    # Computed with pycocotools.mask.encode of the same masks.
    mask = np.zeros((5, 7), np.uint8)
    mask[1:4, 2:5] = 1
    assert coco_rle.to_counts(mask.astype(bool)) == [11, 3, 2, 3, 2, 3, 11]
    assert coco_rle.encode(mask.astype(bool)) == ";320009"


@given(st.text(st.characters(codec="ascii"), max_size=20), st.integers(1, 6), st.integers(1, 6))
def test_damaged_coco_run_lengths_raise_a_named_error(text, height, width):
    with contextlib.suppress(MaskFormatError):
        assert coco_rle.decode(text, height, width).shape == (height, width)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_rotate_as_pillow_rotates_the_picture(orientation):
    mask = np.random.default_rng(1).random((5, 8)) < 0.5
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(
        rotated(mask, orientation), np.asarray(ImageOps.exif_transpose(image)) > 0
    )


def test_polygons_drawn_on_the_unrotated_picture_are_rotated(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(30, 20, orientation=6))
    document = {
        "images": [{"id": 1, "file_name": f"{sha}.jpg", "width": 30, "height": 20}],
        "categories": [{"id": 7, "name": "dent"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 7,
             "segmentation": [[0, 0, 5, 0, 5, 3, 0, 3]]}
        ],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(document))
    import_masks(workspace, "coco", tmp_path / "c.json")
    expected = np.zeros((30, 20), bool)
    expected[0:5, 17:20] = True
    assert np.array_equal(masks_of(workspace)[sha]["dent"], expected)


def test_masks_of_a_scaled_copy_are_scaled_and_others_refused(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(40, 20))
    (tmp_path / "dent").mkdir()
    (tmp_path / "crack").mkdir()
    half = np.zeros((10, 20), np.uint8)
    half[:5] = 1
    Image.fromarray(half).save(tmp_path / "dent" / f"{sha}.png")
    summary = import_masks(workspace, "png", tmp_path)
    expected = np.zeros((20, 40), bool)
    expected[:10] = True
    assert np.array_equal(masks_of(workspace)[sha]["dent"], expected)
    Image.fromarray(np.ones((20, 20), np.uint8)).save(tmp_path / "dent" / f"{sha}.png")
    summary = import_masks(workspace, "png", tmp_path)
    assert "20 x 20 pixels, but the picture has 40 x 20" in summary.problems[0]


def test_classes_are_renamed_merged_and_left_out(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(10, 10))
    square = [[0, 0, 5, 0, 5, 5, 0, 5]]
    names = ["minor-dent", "severe-dent", "severity-damage"]
    document = {
        "images": [{"id": 1, "file_name": f"{sha}.jpg", "width": 10, "height": 10}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": n,
             "segmentation": [[v + n for v in square[0]]]} for n in range(3)
        ],
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(document))
    classes = {"minor-dent": "dent", "severe-dent": "dent", "severity-damage": ""}
    summary = import_masks(workspace, "coco", tmp_path / "c.json", classes=classes)
    assert summary.masks == 1
    assert masks_of(workspace)[sha]["dent"].sum() == 25 + 9


@pytest.mark.parametrize("apart", [1, 3])
def test_a_picture_that_a_file_lists_twice_keeps_the_masks_of_both(
    workspace, tmp_path, monkeypatch, apart
):
    monkeypatch.setattr("labeling.exchange.mask_import.BATCH", 2)
    shas = [add_picture(workspace, picture_bytes(20, 10, seed=n)) for n in range(4)]
    listed = [shas[0], *shas[1:apart], shas[0], *shas[apart:]]
    shapes = {0: [0, 0, 5, 0, 5, 5, 0, 5], apart: [10, 0, 14, 0, 14, 5, 10, 5]}
    document = {
        "images": [
            {"id": n, "file_name": f"{sha}.jpg", "width": 20, "height": 10}
            for n, sha in enumerate(listed)
        ],
        "categories": [{"id": 0, "name": "dent"}, {"id": apart, "name": "scratch"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": c, "segmentation": [shapes[n]]}
            for n in shapes
            for c in {0, n}
        ],
    }
    (tmp_path / "c.json").write_text(json.dumps(document))
    summary = import_masks(workspace, "coco", tmp_path / "c.json")
    assert (summary.pictures, summary.masks) == (4, 2)
    masks = masks_of(workspace)[shas[0]]
    assert {label: int(mask.sum()) for label, mask in masks.items()} == {"dent": 45, "scratch": 20}


def test_every_via_shape_is_read(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(60, 50))
    shapes = [
        {"name": "rect", "x": 0, "y": 0, "width": 10, "height": 5},
        {"name": "circle", "cx": 30, "cy": 25, "r": 10},
        {"name": "ellipse", "cx": 45, "cy": 25, "rx": 4, "ry": 10},
        {"name": "polygon", "all_points_x": [0, 10, 0], "all_points_y": [40, 50, 50]},
        {"name": "point", "cx": 3, "cy": 3},
    ]
    entry = {
        "filename": f"{sha}.jpg", "size": 1,
        "regions": {
            str(n): {"shape_attributes": shape, "region_attributes": {"label": f"c{n}"}}
            for n, shape in enumerate(shapes)
        },
    }  # fmt: skip
    (tmp_path / "via.json").write_text(json.dumps({"x": entry}))
    summary = import_masks(workspace, "via", tmp_path / "via.json")
    areas = {label: int(mask.sum()) for label, mask in masks_of(workspace)[sha].items()}
    assert areas["c0"] == 50
    assert areas["c1"] == pytest.approx(np.pi * 100, rel=0.03)
    assert areas["c2"] == pytest.approx(np.pi * 40, rel=0.05)
    assert areas["c3"] == pytest.approx(50, abs=5)
    assert summary.problems == (f"{sha}.jpg: region 4: a point has no area",)


def test_importing_again_replaces_and_another_name_is_another_annotator(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(10, 10))
    (tmp_path / "dent").mkdir()
    file = tmp_path / "dent" / f"{sha}.png"
    for right in (8, 4):
        mask = np.zeros((10, 10), np.uint8)
        mask[:, :right] = 255
        Image.fromarray(mask).save(file)
        import_masks(workspace, "png", tmp_path, name="first")
    assert masks_of(workspace)[sha]["dent"].sum() == 40
    mask[:] = 0
    mask[:, 2:] = 255
    Image.fromarray(mask).save(file)
    import_masks(workspace, "png", tmp_path, name="second")
    assert masks_of(workspace)[sha]["dent"].sum() == 20


def test_pictures_that_are_not_in_the_catalog_are_named(workspace, tmp_path):
    add_picture(workspace, picture_bytes(10, 10))
    (tmp_path / "dent").mkdir()
    Image.new("L", (4, 4), 255).save(tmp_path / "dent" / "stranger.png")
    with pytest.raises(NothingFoundError, match=r"stranger.*\n.*bodyshop import FOLDER"):
        import_masks(workspace, "png", tmp_path)


@pytest.mark.parametrize(
    ("form", "content", "message"),
    [
        ("coco", "{", "not valid JSON"),
        ("coco", "[]", "not a COCO file"),
        ("coco", '{"annotations": [], "categories": []}', "not a COCO file"),
        ("via", '{"a": 1}', "not a VIA file"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(form, content, message, workspace, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ConfigError, match=message) as caught:
        import_masks(workspace, form, tmp_path / "x.json")
    assert "x.json" in str(caught.value)


def test_a_yolo_folder_without_class_names_says_so_and_boxes_are_counted(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(10, 10))
    (tmp_path / "labels").mkdir()
    labels = tmp_path / "labels" / f"{sha}.txt"
    labels.write_text("0 0.5 0.5 1 1\n7 0 0 1 0 1 1\n0 0 0 1 0 1 1 0 1\n")
    with pytest.raises(ConfigError, match=r"neither data.yaml nor classes.txt"):
        import_masks(workspace, "yolo", tmp_path)
    (tmp_path / "classes.txt").write_text("dent\n")
    summary = import_masks(workspace, "yolo", tmp_path)
    assert [problem.split(": ")[1] for problem in summary.problems] == ["class 7 has no name"]
    assert (summary.regions, summary.boxes) == (2, 1)
    assert masks_of(workspace)[sha]["dent"].all()


def test_an_unknown_format_and_an_empty_export_say_what_to_do(workspace, tmp_path):
    with pytest.raises(UsageError, match="coco, via, labelstudio"):
        import_masks(workspace, "pascal", tmp_path)
    with pytest.raises(NothingFoundError, match="no picture has a mask"):
        export_masks(workspace, "coco", tmp_path)


def test_the_real_damage_polygons_keep_their_areas(workspace, real_data, tmp_path):
    source = real_data / "masks" / "annotations.json"
    document = json.loads(source.read_text())
    for image in document["images"][:40]:
        add_picture(workspace, (real_data / "masks/images" / image["file_name"]).read_bytes())
    summary = import_masks(workspace, "coco", source)
    assert summary.pictures == 40
    assert summary.problems == ()
    assert len(summary.unmatched) == len(document["images"]) - 40
    chosen = {image["id"] for image in document["images"][:40]}
    outlines = (
        np.reshape(polygon, (-1, 2))
        for a in document["annotations"]
        if a["image_id"] in chosen
        for polygon in a["segmentation"]
    )
    # Not the file's own "area": that tool wrote the area of the box for some of them.
    stated = sum(abs(signed_area(ring)) for ring in outlines)
    found = sum(int(m.sum()) for masks in masks_of(workspace).values() for m in masks.values())
    # Shapes of one class may overlap, so a little less than their sum.
    assert 0.9 * stated <= found <= 1.01 * stated
