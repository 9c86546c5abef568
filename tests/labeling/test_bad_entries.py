"""A bad entry of an annotation file costs itself alone, and is named with its place."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from annotation_files import (
    AREA,
    CATEGORIES,
    IMAGE,
    POLYGON,
    RLE,
    SQUARE,
    H,
    W,
    annotation,
    coco,
    drawn,
    put,
    region,
    via,
)

from labeling import import_masks
from labeling.records.regions import current_instances

TWO = annotation(id=2, segmentation=[[50, 10, 60, 10, 60, 20, 50, 20]])
BAD = {
    "orphan": (coco(annotation(image_id=99), TWO), r"1 annotations \(1\) refer to picture 99"),
    "no image id": (coco({"id": 1}, TWO), r"annotations\[0\]: it lacks 'image_id'"),
    "a fraction as image id": (
        coco(annotation(image_id=1.5), TWO), r"annotations\[0\]: its image_id: .* not 1.5"
    ),
    "a truth as image id": (coco(annotation(image_id=True), TWO), "must be a number or text"),
    "a list as image id": (coco(annotation(image_id=[1]), TWO), r"not \[1\]"),
    "infinity as image id": (coco(annotation(image_id=float("inf")), TWO), "not inf"),
    "unknown category": (coco(annotation(category_id=7), TWO), "annotation 1: its category 7"),
    "no area at all": (
        coco(annotation(segmentation=None, bbox=None), TWO), "neither a segmentation nor a box"
    ),
    "two corners": (
        coco(annotation(segmentation=[[5, 5, 6, 6]]), TWO), "at least three corners, not 2"
    ),
    "odd": (coco(annotation(segmentation=[[*SQUARE, 3]]), TWO), "odd number of coordinates: 9"),
    "not finite": (
        coco(annotation(segmentation=[[float("nan"), *SQUARE[1:]]]), TWO), "is not finite: nan"
    ),
    "text in a polygon": (
        coco(annotation(segmentation=[["x", *SQUARE[1:]]]), TWO), "is not a number: x"
    ),
    "short RLE": (
        coco(annotation(segmentation={"size": [H, W], "counts": RLE[:2]}), TWO),
        "run lengths do not match 64 x 48",
    ),
    "swapped RLE": (
        coco(annotation(segmentation={"size": [W, H], "counts": RLE}), TWO),
        "its RLE has 48 x 64 pixels, but its picture 64 x 48",
    ),
    "RLE without size": (
        coco(annotation(segmentation={"counts": RLE}), TWO), "its RLE has no size"
    ),
    "outside": (
        coco(annotation(segmentation=[[v + 900 for v in SQUARE]]), TWO), "covers no pixel"
    ),
    "a picture without a name": (
        coco(TWO, images=[{"id": 5}, IMAGE]), r"images\[0\]: it lacks 'file_name'"
    ),
    "a picture that is no object": (coco(TWO, images=[None, IMAGE]), r"images\[0\]"),
    "two pictures of one id": (
        coco(TWO, images=[IMAGE, IMAGE | {"file_name": "b.jpg"}]), "another picture has its id 1"
    ),
    "a segmentation that is text": (
        coco(annotation(segmentation="[[1, 2, 3]]"), TWO), "its segmentation is no list"
    ),
    "fractions": (
        coco(annotation(segmentation=[[v / W for v in SQUARE]]), TWO), "coordinates fractions"
    ),
    "an annotation that is no object": (coco(None, TWO), r"annotations\[0\]"),
    "a category without a name": (
        coco(TWO, categories=[{"id": 4}, *CATEGORIES]), r"categories\[0\]: it lacks 'name'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_bad_entry_of_a_coco_file_costs_itself_and_is_named(case, workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
    document, message = BAD[case]
    source = put(tmp_path / "set", {"a.json": document})
    summary = import_masks(workspace, "coco", source / "a.json", pictures=folder)
    assert drawn(workspace, sha)["dent"].sum() == 100
    with pytest.raises(AssertionError, match=message):
        raise AssertionError("\n".join(summary.problems))


def test_a_good_ring_survives_a_bad_one_and_all_rings_are_one_instance(workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
    more = [42, 10, 50, 10, 50, 20, 42, 20]
    document = coco(annotation(segmentation=[SQUARE, [5, 5, 6, 6], more, SQUARE]))
    source = put(tmp_path / "set", {"a.json": document})
    summary = import_masks(workspace, "coco", source / "a.json", pictures=folder)
    assert summary.problems == (
        "a.jpg: annotation 1, part 1: a polygon needs at least three corners, not 2",
    )
    assert summary.regions == 1
    # The square is there twice: parts are united, they do not cancel each other.
    assert drawn(workspace, sha)["dent"].sum() == AREA + 80


def test_a_file_without_annotations_lists_its_pictures_and_says_so(workspace, a_jpg, tmp_path):
    _, folder = a_jpg
    source = put(tmp_path / "set", {"a.json": {"images": [IMAGE], "categories": CATEGORIES}})
    summary = import_masks(workspace, "coco", source / "a.json", pictures=folder)
    assert (summary.pictures, summary.masks) == (1, 0)
    assert summary.problems == ("a.json: the file has no list of annotations",)


OPEN, CLOSED = "2,2;9,20;30,9", "10,10;30,10;30,25;10,25;10,11"


def test_a_line_of_cvat_has_an_area_only_where_it_comes_back(workspace, a_jpg, tmp_path):
    shapes = "".join(f'<polyline label="dent" points="{points}"/>' for points in (CLOSED, OPEN))
    text = f'<annotations><image name="a.jpg" width="80" height="60">{shapes}</image></annotations>'
    source = put(tmp_path / "set", {"annotations.xml": text})
    summary = import_masks(workspace, None, source, pictures=a_jpg[1])
    assert summary.regions == 1
    assert summary.problems == (
        "a.jpg: shape 1: an open line has no area: its ends are 29 pixels apart; draw a polygon",
    )


HEAD = "filename,file_size,region_shape_attributes,region_attributes"


def test_a_via_csv_file_may_hold_many_corners_and_another_one_endless_names(
    workspace, a_jpg, tmp_path
):
    turn = np.linspace(0, 2 * np.pi, 30_000)
    shape = {"name": "polygon", "all_points_x": [*(40 + 20 * np.cos(turn)).round(3)],
             "all_points_y": [*(30 + 20 * np.sin(turn)).round(3)]}  # fmt: skip
    text = io.StringIO()
    csv.writer(text).writerow(["a.jpg", "", json.dumps(shape), '{"type": "dent"}'])
    files = {"a.csv": f"{HEAD}\n{text.getvalue()}", "b.csv": "x" * 9_000_000 + ",y\n1,2\n"}
    summary = import_masks(workspace, None, put(tmp_path / "set", files), pictures=a_jpg[1])
    assert summary.regions == 1 and summary.masks == 1
    assert drawn(workspace, a_jpg[0])["dent"].sum() == pytest.approx(np.pi * 400, rel=0.05)


BAD_VIA = {
    "no class": (via([region(), region(type="dent")]), "region 0: it has no class; name one with"),
    "no attributes": (via([{"shape_attributes": POLYGON}, region(type="dent")]), "no class"),
    "two attributes": (
        via([region(colour="red", maker="x"), region(type="dent")]),
        r"which of its attributes \['colour', 'maker'\]",
    ),
    "two ticked": (
        via([region(damage={"dent": True, "crack": True}), region(type="dent")]),
        "2 classes are ticked",
    ),
    "a point": (
        via([region({"name": "point", "cx": 5, "cy": 5}, type="dent"), region(type="dent")]),
        "a point has no area",
    ),
    "an open line": (
        via([
            region({"name": "polyline", "all_points_x": [2, 9, 30], "all_points_y": [2, 20, 9]},
                   type="dent"),
            region(type="dent"),
        ]),
        "an open line has no area: its ends are 29 pixels apart; draw a polygon",
    ),
    "an entry without regions": (
        via([region(type="dent")]) | {"b.jpg2": {"filename": "b.jpg", "size": 1}},
        "b.jpg: it has no regions",
    ),
    "an entry without a name": (via([region(type="dent")]) | {"c": {"regions": []}}, "no filename"),
    "an entry that is no object": (via([region(type="dent")]) | {"c": 3}, "c: it has no filename"),
}  # fmt: skip


for stated in ("²", "9" * 5000, "٣" * 5000, "wide", [64], True):
    odd = via([region(type="dent")])
    next(iter(odd.values()))["file_attributes"] = {"width": stated, "height": "48"}
    BAD_VIA[f"the width {str(stated)[:8]}"] = (odd, "a.jpg: its width is not")


@pytest.mark.parametrize("case", BAD_VIA)
def test_one_bad_entry_of_a_via_file_costs_itself_and_is_named(case, workspace, a_jpg, tmp_path):
    sha, folder = a_jpg
    document, message = BAD_VIA[case]
    source = put(tmp_path / "set", {"v.json": document})
    summary = import_masks(workspace, "via", source / "v.json", pictures=folder)
    assert drawn(workspace, sha)["dent"].sum() == AREA
    with pytest.raises(AssertionError, match=message):
        raise AssertionError("\n".join(summary.problems))


@pytest.mark.parametrize("attributes", [{}, {"severity": "minor", "part": "door"}])
def test_a_class_from_the_command_line_fills_in_where_the_file_has_none(
    workspace, a_jpg, tmp_path, attributes
):
    sha, folder = a_jpg
    source = put(tmp_path / "set", {"v.json": via([region(**attributes)])})
    summary = import_masks(workspace, None, source, pictures=folder, label="scratch")
    assert summary.problems == ()
    (shape,) = current_instances(workspace)[sha].shapes()
    assert shape.label == "scratch"
    assert (shape.severity, shape.part) == (attributes.get("severity"), attributes.get("part"))


def test_masks_as_large_as_a_country_are_refused_before_memory_is_allocated(
    workspace, a_jpg, tmp_path
):
    _, folder = a_jpg
    huge = 1_000_000
    rle = {"size": [huge, huge], "counts": [huge * huge]}
    document = coco(annotation(segmentation=rle), TWO, images=[
        IMAGE | {"width": huge, "height": huge}])  # fmt: skip
    source = put(tmp_path / "set", {"a.json": document})
    summary = import_masks(workspace, "coco", source, pictures=folder)
    assert any("too large" in problem for problem in summary.problems)
