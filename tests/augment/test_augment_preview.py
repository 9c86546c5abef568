"""The contact sheet shows what would be written and writes nothing else."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from shots import Fill, Shot, jpeg, mask, picture, pixels, png, size_of, tree
from sqlalchemy import func, select

from augment import augment, online, preview
from augment.contact_sheet import CELL, GAP, LOST
from augment.policy import parse_policy
from bodyshop_core.catalog import schema
from bodyshop_core.catalog.variants import current_variants
from bodyshop_core.errors import ConfigError, UsageError
from bodyshop_core.workspace import Workspace

GRAY = parse_policy(
    "name: gray\npicture: {format: png}\ntransforms:\n  - ToGray: {p: 1.0}\n  - Rotate: {p: 1.0}\n"
)


def counts(workspace: Workspace) -> dict[str, int]:
    with workspace.catalog.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in schema.metadata.sorted_tables
        }


def test_preview_touches_neither_catalog_nor_variants(workspace: Workspace, fill: Fill) -> None:
    fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(4)])
    before = counts(workspace)
    path = preview(workspace, "car-damage", n=3, copies=2)
    assert path == workspace.reports / "augment-car-damage.jpg"
    assert counts(workspace) == before
    assert not workspace.variants.exists()
    assert size_of(path) == (3 * (CELL + GAP) + 3 * GAP, 3 * (CELL + GAP) + GAP)


def test_preview_shows_the_variants_that_augment_writes(
    workspace: Workspace, fill: Fill, tmp_path: Path
) -> None:
    fill([Shot(png(picture(1, size=(CELL, CELL))))])
    sheet = pixels(preview(workspace, GRAY, n=1, copies=1, out=tmp_path / "sheet.jpg"))
    augment(workspace, GRAY, copies=1, workers=0)
    (variant,) = current_variants(workspace.catalog, "main")
    left = GAP + CELL + GAP + 2 * GAP
    shown = sheet[GAP : GAP + CELL, left : left + CELL].astype(int)
    written = pixels(workspace.root / variant.file).astype(int)
    assert np.abs(shown - written).mean() < 3  # the sheet is a JPEG
    original = sheet[GAP : GAP + CELL, GAP : GAP + CELL].astype(int)
    assert np.abs(original - written).mean() > 20


def test_preview_outlines_masks(workspace: Workspace, fill: Fill) -> None:
    fill(
        [
            Shot(
                png(picture(1, size=(CELL, CELL))),
                mask=png(mask((CELL, CELL), box=(90, 90, 150, 150))),
            )
        ]
    )
    sheet = pixels(preview(workspace, GRAY, n=1, copies=1)).astype(int)
    edge = sheet[GAP + 89, GAP + 100 : GAP + 140]
    assert np.abs(edge - (255, 61, 127)).mean() < 40


def test_preview_skips_what_does_not_decode_and_takes_classes_in_turn(
    workspace: Workspace, fill: Fill
) -> None:
    fill([Shot(jpeg(picture(n))[:200]) for n in range(3)] + [Shot(jpeg(picture(9)), label="whole")])
    assert size_of(preview(workspace, "light", n=4, copies=1))[1] == CELL + 2 * GAP


def test_preview_crosses_out_what_a_transform_cannot_work_on(
    workspace: Workspace, fill: Fill
) -> None:
    fill([Shot(png(picture(1, size=(40, 40))))])
    crop = parse_policy("name: c\ntransforms:\n  - RandomCrop: {height: 64, width: 64, p: 1.0}\n")
    sheet = pixels(preview(workspace, crop, n=1, copies=1)).astype(int)
    middle = sheet[GAP + CELL // 2, 4 * GAP + CELL + CELL // 2]
    assert np.abs(middle - LOST).mean() < 30


def test_a_wrong_policy_stops_before_any_work(
    workspace: Workspace, fill: Fill, tmp_path: Path
) -> None:
    fill([Shot(jpeg(picture(1)))])
    policy = tmp_path / "p.yaml"
    policy.write_text("name: p\ntransforms:\n  - Sharpn: {p: 1}\n", encoding="utf-8")
    before = tree(workspace.root / "blobs")
    for function in (augment, preview):
        with pytest.raises(ConfigError, match=r"(?s)p\.yaml:3.*did you mean 'Sharpen'"):
            function(workspace, policy)
    assert tree(workspace.root / "blobs") == before
    assert not workspace.variants.exists()
    with pytest.raises(UsageError, match="at least 1 picture"):
        preview(workspace, "light", n=0)


@pytest.mark.parametrize("name", ["car-damage", "light"])
def test_online_gives_the_same_variant_in_the_same_epoch(name: str) -> None:
    rgb = np.asarray(picture(3))
    augmenter = online(name)
    copy = pickle.loads(pickle.dumps(augmenter))
    first = augmenter(rgb, sha256="a" * 64, copy=1)
    assert first.dtype == np.uint8
    assert first.shape == rgb.shape
    assert np.array_equal(first, copy(rgb, sha256="a" * 64, copy=1))
    assert not np.array_equal(first, augmenter(rgb, sha256="a" * 64, copy=2))
    assert not np.array_equal(first, augmenter(rgb, sha256="b" * 64, copy=1))


def test_a_variant_that_was_cropped_online_is_enlarged_smoothly() -> None:
    ramp = np.repeat(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], 60, axis=0)
    ramp = np.repeat(ramp, 3, axis=2)
    crop = "Crop: {x_min: 10, x_max: 40, y_min: 10, y_max: 40, p: 1.0}"
    drawn = online(parse_policy(f"name: c\ntransforms: [{crop}]\n"))(ramp, sha256="a", copy=1)
    steps = np.diff(drawn[30, 2:-2, 0].astype(int))
    assert drawn.shape == ramp.shape
    assert set(steps) <= {1, 2, 3}  # 4 per pixel, enlarged twice; blocks would give 0 and 4


def test_online_and_offline_draw_the_same(workspace: Workspace, fill: Fill) -> None:
    (name,) = fill([Shot(png(picture(5)))])
    augment(workspace, GRAY, copies=1, workers=0)
    (variant,) = current_variants(workspace.catalog, "main")
    drawn = online(GRAY)(np.asarray(picture(5)), sha256=name, copy=1)
    assert np.array_equal(drawn, pixels(workspace.root / variant.file))
