"""Recipes fitted without some origins: what that exposes, and where it is said."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import Told, tiny_recipe

from bodyshop_core import imaging
from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.workspace import Workspace
from train import TrainSummary, evaluate_abroad, train
from train.data.mask_samples import mask_files
from train.data.pixels import View
from train.data.samples import Sample, load_samples
from train.evaluation.abroad.within_photo import Square, within_photo_of
from train.fit.features import load_pixels

# the private name: the margin alone, without fitting a model
from train.runs.abroad import _without_margin, masked_squares

ORIGINS = ("workshop 1", "workshop 2", "dealer 1", "dealer 2")

STAGE = {
    "name": "all",
    "trainable": "all",
    "epochs": 25,
    "batch_size": 8,
    "optimizer": {"learning_rate": 0.01},
}


def drawn(number: int, *, damaged: bool, framed: bool) -> tuple[np.ndarray, np.ndarray]:
    """A grey card and its mask; damage is a red patch, or hidden behind a green frame."""
    random = np.random.default_rng(number)
    picture = np.full((96, 112, 3), random.integers(90, 180), np.uint8)
    picture = (picture + random.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8)
    mask = np.zeros(picture.shape[:2], bool)
    if damaged:
        top, left = random.integers(12, 50), random.integers(12, 60)
        mask[top : top + 30, left : left + 34] = True
    if framed:
        for edge in (np.s_[:6], np.s_[-6:], np.s_[:, :6], np.s_[:, -6:]):
            picture[edge] = (20, 230, 20)
    else:
        picture[mask] = (210, 20, 20)
    return picture, mask


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def fill(workspace: Workspace, *, framed: bool, each: int = 16) -> Workspace:
    """Two damaged origins with masks, two whole ones.

    With `framed`, both damaged origins went through a tool that draws a frame, and the damage
    itself can't be seen.
    """
    (workspace.root / "masks").mkdir()
    splits, sightings, annotations = [], [], []
    with workspace.catalog.begin() as connection:
        for place, origin in enumerate(ORIGINS):
            damaged = place < 2
            for number in range(each):
                picture, mask = drawn(
                    1000 * place + number, damaged=damaged, framed=framed and damaged
                )
                data = png(picture)
                blob = workspace.blobs.put_bytes(data, "png")
                register_image(connection, blob, extension="png", facts=imaging.read_header(data))
                about = {"sha256": blob.sha256}
                keyed = about | {"key": blob.sha256}
                splits.append(
                    about
                    | {"split_set": "first", "group": blob.sha256}
                    | {"split": ("validation", "test", "train")[min(number % 4, 2)]}
                    | {"label": "damaged" if damaged else "whole"}
                )
                sightings.append(
                    keyed
                    | {"source": "import", "origin": origin}
                    | {"fetched_at": now(), "tool_version": "test"}
                )
                if damaged:
                    file = f"masks/{blob.sha256}.png"
                    grey = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
                    (workspace.root / file).write_bytes(png(grey))
                    annotations.append(
                        keyed
                        | {"project": "damage", "annotator": "test", "kind": "mask"}
                        | {"label": "dent", "file": file, "state": "current", "updated_at": now()}
                    )
    split_set = {"name": "first", "target": "damage", "seed": 7, "ratios": {}, "options": {}}
    workspace.catalog.upsert(schema.sightings, sightings)
    workspace.catalog.upsert(schema.split_sets, [{**split_set, "created_at": now()}])
    workspace.catalog.upsert(schema.splits, splits)
    workspace.catalog.upsert(schema.annotations, annotations)
    return workspace


def trained(workspace: Workspace, **options: object) -> TrainSummary:
    return train(workspace, tiny_recipe(stages=[STAGE]), seed=5, **options)  # type: ignore[arg-type]


def test_an_artefact_of_the_origins_is_exposed_by_squares_of_one_photo(
    workspace: Workspace,
) -> None:
    fill(workspace, framed=True)
    summary = trained(workspace)
    assert "evaluate --abroad measures it" in summary.abroad["why"]
    found = evaluate_abroad(None, workspace, most=2)
    assert found.shown and found.within_photo is not None and found.pairs is not None
    # At home, and even on left-out pairs, the frame is as good as damage ...
    assert found.home["accuracy"] > 0.9
    assert found.pairs["auc"] > 0.9
    # ... but it can't tell where in a photo the damage is.
    assert found.within_photo["ci95"][0] < 0.6
    assert found.within_photo["photos"] > 20
    assert found.lines()[0][0] == "abroad: AUC within photos"
    assert {row[0] for row in found.rows()} >= {"workshop 1", "dealer 1"}
    assert "workshop 1" in found.report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainSummary, Workspace]:
    """A run on visible damage from four origins, measured abroad as it was trained."""
    workspace = Workspace.open(tmp_path_factory.mktemp("measured") / "workspace")
    fill(workspace, framed=False, each=12)
    return trained(workspace, abroad=True), workspace


def test_damage_that_is_learned_is_shown_abroad(
    measured: tuple[TrainSummary, Workspace],
) -> None:
    abroad = measured[0].abroad
    assert abroad["shown"] and abroad["origins"] == 4
    assert abroad["pairs"]["auc"] > 0.9 and abroad["pairs"]["folds"] == 4
    assert abroad["within_photo"]["auc"] > 0.8
    assert set(abroad["within_photo"]["origins"]) == {"workshop 1", "workshop 2"}


def test_home_and_abroad_stand_side_by_side_abroad_first(
    measured: tuple[TrainSummary, Workspace],
) -> None:
    summary, _ = measured
    names = [name for name, _ in summary.lines()]
    assert names[0] == "abroad: AUC within photos" and names[-1] == "home: accuracy"
    card = (summary.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.index("abroad: AUC within photos") < card.index("Test accuracy, at home")
    page = summary.report.read_text(encoding="utf-8")
    assert page.index("AUC within photos") < page.index("test accuracy (at home)")
    assert "workshop 2" in page


def test_a_damaged_mask_costs_its_photo_only_and_any_scorer_of_squares_is_measured(
    workspace: Workspace, tmp_path: Path, told: Told
) -> None:
    fill(workspace, framed=False, each=12)
    items = load_samples(workspace).items
    masks = {
        sha256: [file for files in by_class.values() for file in files]
        for sha256, by_class in mask_files(workspace).items()
    }
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    masks |= {sha256: [broken] for sha256 in sorted(masks)[:2]}
    found = masked_squares(items, masks, progress=told)
    photos = {square.sha256 for squares in found.values() for square in squares}
    assert photos == set(masks) - set(sorted(masks)[:2])
    assert len(told.messages) == 2
    assert all("is left out of the AUC within photos" in each for each in told.messages)

    def sees_red(squares: Sequence[Square]) -> np.ndarray:
        pixels = [
            imaging.load_rgb(each.path)[
                round(each.box[1] * 96) : round(each.box[3] * 96),
                round(each.box[0] * 112) : round(each.box[2] * 112),
            ].astype(int)
            for each in squares
        ]
        return np.array([(each[..., 0] - each[..., 1]).mean() for each in pixels])

    area = within_photo_of(found, lambda origin: sees_red)  # a model of squares of one's own
    assert area is not None and area["auc"] == 1 and area["photos"] == len(photos)


def test_training_says_what_is_not_shown_before_anything_else(small: Workspace) -> None:
    summary = train(small, tiny_recipe(), seed=5)
    name, value = summary.lines()[0]
    assert name == "abroad"
    assert value.startswith("not shown abroad: the pictures come from 1 origin")
    page = summary.report.read_text(encoding="utf-8")
    assert page.index("not shown abroad") < page.index("test accuracy (at home)")
    card = (summary.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.index("not shown abroad") < card.index("Test accuracy, at home")


def test_a_square_is_shown_to_the_network_exactly_as_it_was_cut(tmp_path) -> None:
    """`crop_to` adds a margin for detected cars; a square beside damage must not reach it."""
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[40:60, 80:100] = 255  # the whole square, and nothing but it, is white
    (tmp_path / "a.png").write_bytes(png(picture))
    box = _without_margin((80 / 200, 40 / 100, 100 / 200, 60 / 100))  # private: exactness
    square = Sample("a" * 64, tmp_path / "a.png", "", "test", "a", box=box)
    pixels = load_pixels([square], View(20))
    assert pixels.shape == (1, 20, 20, 3) and pixels.min() == 255
