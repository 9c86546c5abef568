"""Instances keep their identity from the drawing to every file that is written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from labeling_pictures import add_picture, picture_bytes

from bodyshop_core.workspace import Workspace
from labeling import export_masks, import_masks
from labeling.consensus.update import update_consensus
from labeling.formats.instances import (
    MIN_PIXELS,
    pixel_rings,
    shape_mask,
    single_ring,
    split_instances,
)
from labeling.formats.polygons import rasterise, signed_area
from labeling.formats.shapes import Shape
from labeling.records.annotations import Annotation, current_masks, store_annotations
from labeling.records.regions import current_instances

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24))
W, H = 80, 60


def line(degrees, width, length=50):
    """A thin scratch as a polygon."""
    turn = np.deg2rad(degrees)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    a, b = np.array([8.0, 8.0]), np.array([8.0, 8.0]) + length * along
    half = across * width / 2
    return np.array([a + half, b + half, b - half, a - half])


@given(MASKS)
def test_the_instances_of_a_mask_are_disjoint_and_together_the_mask(mask):
    parts = split_instances(mask)
    assert np.array_equal(sum((part.astype(int) for part in parts), np.zeros(mask.shape, int)),
                          mask.astype(int))  # fmt: skip
    assert len(parts) < 2 or all(part.sum() >= MIN_PIXELS for part in parts)


@given(MASKS)
def test_every_mask_is_one_ring_for_formats_that_have_only_one(mask):
    ring = single_ring(Shape("x", mask=mask), *mask.shape)
    assert (ring is None) == (not mask.any())
    if ring is not None:
        assert np.array_equal(rasterise([ring], *mask.shape), mask)
        assert np.array_equal(rasterise(pixel_rings(mask), *mask.shape), mask)


@pytest.mark.parametrize("degrees", [10, 31, 45, 60])
@pytest.mark.parametrize("width", [0.8, 1.0, 1.5, 2.0, 3.0])
def test_a_thin_diagonal_scratch_is_one_instance_with_one_outline(degrees, width):
    mask = rasterise([line(degrees, width)], H, W)
    parts = split_instances(mask)
    assert len(parts) == 1
    outer = [ring for ring in pixel_rings(mask) if signed_area(ring) > 0]
    # A line of less than a pixel may have gaps.
    assert len(outer) == 1 or width < 1


def annotate(workspace, sha, who="ana", number=1, **said):
    annotation = Annotation(
        sha, "damage", "srv", number, who, "2026-01-01T00:00:00+00:00", size=(W, H), **said
    )
    with workspace.catalog.begin() as connection:
        touched = store_annotations(connection, workspace, [annotation])
        update_consensus(connection, workspace, touched)


def square(left, top, side, **facts):
    ring = np.add([[0, 0], [side, 0], [side, side], [0, side]], (left, top))
    return Shape("dent", (ring.astype(float),), **facts)


SHAPES = [
    square(5, 5, 20, severity="minor", part="door"),
    square(15, 15, 20, severity="severe", part="wheel"),  # overlaps the first
    square(50, 5, 10, kind="rectangle"),
    Shape("scratch", (line(31, 1.0),), severity="moderate"),
    Shape("scratch", mask=rasterise([line(70, 2.0, 40)], H, W), kind="mask"),
]

FORMATS = ["coco", "via", "labelstudio", "supervisely", "labelme", "cvat", "yolo"]


@pytest.mark.parametrize("form", FORMATS)
def test_as_many_instances_come_out_as_were_drawn_each_with_its_pixels(form, workspace, tmp_path):
    data = picture_bytes(W, H)
    sha = add_picture(workspace, data)
    annotate(workspace, sha, shapes=SHAPES)
    export_masks(workspace, form, tmp_path / "out")
    other = Workspace.open(tmp_path / "other")
    add_picture(other, data)
    summary = import_masks(other, None, tmp_path / "out")
    assert (summary.format, summary.regions, summary.problems) == (form, len(SHAPES), ())
    back = current_instances(other)[sha].shapes()
    keeps = form not in ("yolo", "supervisely")
    for before, after in zip(SHAPES, back, strict=True):
        assert after.label == before.label
        assert np.array_equal(shape_mask(after, H, W), shape_mask(before, H, W))
        if form != "yolo":
            assert (after.severity, after.part) == (before.severity, before.part)
        if keeps and before.kind == "polygon":
            assert np.allclose(after.rings[0], before.rings[0])


def test_a_class_mask_is_the_union_of_its_instances(workspace):
    from labeling.formats.mask_file import read_mask

    sha = add_picture(workspace, picture_bytes(W, H))
    annotate(workspace, sha, shapes=SHAPES)
    files = current_masks(workspace)[sha]
    assert read_mask(workspace.root / files["dent"]).sum() == 400 + 400 - 100 + 100
    drawn = current_instances(workspace)[sha]
    assert [row.area for row in drawn.rows][:3] == [400, 400, 100]
    assert drawn.rows[0].box == [5, 5, 20, 20]


def test_the_instances_of_a_replaced_annotation_are_gone(workspace):
    sha = add_picture(workspace, picture_bytes(W, H))
    annotate(workspace, sha, shapes=SHAPES)
    annotate(workspace, sha, shapes=SHAPES[:1])
    assert len(current_instances(workspace)[sha].shapes()) == 1
    annotate(workspace, sha, shapes=())
    assert current_instances(workspace) == {}


def test_annotators_who_agree_keep_the_instances_of_the_one_closest_to_the_consensus(workspace):
    sha = add_picture(workspace, picture_bytes(W, H))
    first = [square(5, 5, 20, severity="minor"), square(40, 5, 10, severity="severe")]
    annotate(workspace, sha, shapes=first)
    annotate(workspace, sha, "bo", 2, shapes=[square(5, 5, 18), square(40, 5, 10)])
    shapes = current_instances(workspace)[sha].shapes()
    areas = [int(shape_mask(shape, H, W).sum()) for shape in shapes]
    assert areas == [18 * 18, 100]
    annotate(workspace, sha, "cy", 3, shapes=[square(5, 5, 20), square(40, 5, 10)])
    shapes = current_instances(workspace)[sha].shapes()
    assert [int(shape_mask(shape, H, W).sum()) for shape in shapes] == [400, 100]


def test_masks_without_instances_are_cut_where_they_are_not_connected(workspace, tmp_path):
    sha = add_picture(workspace, picture_bytes(W, H))
    mask = shape_mask(square(5, 5, 20), H, W) | shape_mask(square(40, 5, 10), H, W)
    mask[30, 70] = True  # dust
    annotate(workspace, sha, masks={"dent": mask})
    export_masks(workspace, "coco", tmp_path)
    document = json.loads((tmp_path / "annotations.json").read_text())
    assert [each["area"] for each in document["annotations"]] == [400, 101]


@given(st.lists(st.tuples(st.integers(-30, 100), st.integers(-30, 80)), min_size=3, max_size=8))
def test_outlines_that_leave_the_picture_are_written_inside_it(corners):
    shape = Shape("x", (np.asarray(corners, float),))
    mask = shape_mask(shape, H, W)
    ring = single_ring(shape, H, W)
    if ring is None:
        assert not mask.any()
        return
    assert np.array_equal(rasterise([ring], H, W), mask)
    assert (ring >= 0).all()
    assert (ring <= (W, H)).all()


def test_the_real_polygons_come_out_as_they_went_in(workspace, real_data, tmp_path):
    source = real_data / "masks" / "annotations.json"
    document = json.loads(source.read_text())
    images = document["images"][:30]
    ids = {image["id"] for image in images}
    for image in images:
        add_picture(workspace, (real_data / "masks/images" / image["file_name"]).read_bytes())
    drawn = [each for each in document["annotations"] if each["image_id"] in ids]
    summary = import_masks(workspace, None, source)
    assert summary.regions == len(drawn)
    export_masks(workspace, "coco", tmp_path / "out", with_pictures=False)
    out = json.loads((tmp_path / "out/annotations.json").read_text())
    assert len(out["annotations"]) == len(drawn)
    names = {image["id"]: image["sha256"] for image in out["images"]}
    assert len(names) == len(images)
