"""The detector finds the car's box; cropping and classifying boxes follow it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filling import add_folder, add_picture, photo
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import crop_to, load_rgb
from bodyshop_core.workspace import Workspace
from curate.detection.detector import (
    CARS,
    MAX_OVERLAP,
    Box,
    Detector,
    classify_boxes,
    largest_object,
    one_per_vehicle,
)
from curate.detection.stage import detect


def box(label: str, left: float, right: float, score: float = 0.9) -> Box:
    return Box(label, score, left, 0.2, right, 0.8)


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, counted on a grid of 200 x 200 points."""
    at = (np.arange(200) + 0.5) / 200
    inside = [
        np.outer((at > b.top) & (at < b.bottom), (at > b.left) & (at < b.right))
        for b in (one, other)
    ]
    return float((inside[0] & inside[1]).sum() / max(1, (inside[0] | inside[1]).sum()))


def test_the_largest_object_counts_whatever_else_is_larger() -> None:
    boxes = [box("person", 0, 1), box("car", 0, 0.2), box("truck", 0.2, 0.6), box("car", 0.9, 1)]
    assert largest_object(boxes) == boxes[2]
    assert largest_object([box("person", 0, 1)]) is None


def test_a_pickup_boxed_as_car_and_as_truck_is_one_vehicle() -> None:
    truck, car = box("truck", 0.1, 0.9, 0.8), box("car", 0.12, 0.95, 0.6)
    driver, beside = box("person", 0.1, 0.9, 0.5), box("car", 0.7, 1.0, 0.4)
    kept = one_per_vehicle([car, beside, truck, driver])
    assert kept == [truck, driver, beside]  # the surer box; people and neighbours stay


def test_two_cars_side_by_side_stay_two() -> None:
    row = [box("car", 0.0, 0.4), box("bus", 0.3, 0.7), box("car", 0.6, 1.0)]
    assert one_per_vehicle(row) == row


@given(
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_a_crop_is_never_empty_and_never_outside(
    xs: tuple[float, float], ys: tuple[float, float], width: int, height: int
) -> None:
    rgb = np.zeros((height, width, 3), np.uint8)
    cut = crop_to(rgb, (min(xs), min(ys), max(xs), max(ys)))
    assert 1 <= cut.shape[0] <= height
    assert 1 <= cut.shape[1] <= width


def test_a_file_without_labels_is_no_detector(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no detector"):
        Detector(tmp_path / "none.tflite")
    plain = tmp_path / "plain.tflite"
    plain.write_bytes(b"TFL3")
    with pytest.raises(UsageError, match="no label file"):
        Detector(plain)


@pytest.mark.slow
def test_cars_are_found_in_real_photos(
    workspace: Workspace, real_data: Path, real_weights: Path
) -> None:
    files = sorted((real_data / "damage" / "validation" / "whole").iterdir())[:20]
    add_folder(workspace, files)
    broken = add_picture(workspace, photo(1)[:400])
    model = real_weights / "coco_ssd_mobilenet_v1.tflite"
    summary = detect(workspace, model)
    assert summary.found >= 18
    assert summary.errors == 1
    with workspace.catalog.read() as connection:
        rows = {row.sha256: row for row in connection.execute(select(schema.detections))}
    assert rows[broken].error
    assert all(0 <= value <= 1 for row in rows.values() for value in row.box or ())
    assert detect(workspace, model).pictures == 0
    found = Detector(model)
    for file in files:
        vehicles = [one for one in found.boxes(load_rgb(file)) if one.label in CARS]
        for place, one in enumerate(vehicles):
            assert all(overlap(one, other) < MAX_OVERLAP + 0.03 for other in vehicles[:place])
    answers = classify_boxes(
        load_rgb(files[0]), Detector(model), lambda cuts: [cut.shape[0] for cut in cuts]
    )
    assert answers
    assert all(height >= 1 for _, height in answers)
