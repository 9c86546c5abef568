from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from training_cases import Told, draw, tiny_recipe

from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.workspace import Workspace
from train import load_run, train
from train.data.samples import load_samples
from train.fit.features import FOLDER, purge_feature_cache
from train.models.run_folder import read_json
from train.recipes.recipe import Recipe


def _backbone_recipe(**changes: object) -> Recipe:
    data = {
        "name": "small-lite0",
        "description": "for tests",
        "backbone": "efficientnet-lite0",
        "input_size": 64,
        "head": {"layers": [{"dropout": 0.1}]},
        "stages": [
            {"name": "head", "epochs": 6, "batch_size": 8, "optimizer": {"learning_rate": 0.01}},
            {
                "name": "tune",
                "epochs": 2,
                "batch_size": 8,
                "trainable": {"from_block": "b15_"},
                "optimizer": {"learning_rate": 0.0005},
            },
        ],
    }
    return Recipe.model_validate(data | changes)


def test_a_run_leaves_everything_needed_and_its_numbers_are_true(finished, carried) -> None:
    summary, workspace = finished
    assert summary.accuracy >= 0.9
    names = {path.name for path in carried.iterdir()}
    assert {
        "model.keras",
        "run.json",
        "plan.json",
        "metrics.json",
        "history.json",
        "report.html",
        "MODEL_CARD.md",
        "curves.png",
        "steps.png",
        "predictions-test.csv",
        "tensorboard",
    } <= names
    assert "state" not in names
    assert json.loads(json.dumps(summary.as_dict()))["n"] == 16
    assert str(summary.folder) not in (carried / "run.json").read_text(encoding="utf-8")

    run = load_run(carried)
    test = load_samples(workspace).of("test")
    predictions = run.classify([item.path for item in test])
    right = np.mean([p.label == s.label for p, s in zip(predictions, test, strict=True)])
    assert right == summary.accuracy
    assert run.classes == ("whole", "damaged")
    assert run.gate == {"name": "efficientnet-lite0", "rule": "top5", "classes": ["minivan"]}
    for prediction in predictions:
        assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert prediction.probability == prediction.probabilities[prediction.label]


def test_paths_bytes_and_arrays_are_classified_alike(finished) -> None:
    summary, workspace = finished
    run = load_run(summary.folder)
    path = load_samples(workspace).of("test")[0].path
    rgb = np.asarray(Image.open(path))
    first, second, third = run.classify([path, path.read_bytes(), rgb])
    assert first == second == third


def test_an_unreadable_picture_is_an_error_or_a_recorded_one(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff not much")
    good = load_samples(workspace).of("test")[0].path
    run = load_run(summary.folder)
    with pytest.raises(UnreadableImageError, match=r"broken\.jpg"):
        run.classify([good, broken])
    fine, bad, also_fine = run.classify([good, broken, good], on_error="record")
    assert fine.label
    assert also_fine == fine
    assert bad.label is None
    assert "broken.jpg" in str(bad.error)


def test_the_catalog_knows_the_run(finished) -> None:
    summary, workspace = finished
    with workspace.catalog.read() as connection:
        row = connection.execute(select(schema.runs)).one()
    assert (row.id, row.state, row.command) == (summary.run, "done", "train")
    assert row.counts["accuracy"] == summary.accuracy


def test_the_same_seed_gives_the_same_model(small: Workspace) -> None:
    first, second = (train(small, tiny_recipe(), seed=11, anew=True) for _ in range(2))
    a, b = (read_json(run.folder / "history.json") for run in (first, second))
    assert a[0]["step_losses"] == pytest.approx(b[0]["step_losses"], rel=1e-4)
    other = train(small, tiny_recipe(), seed=12)
    assert read_json(other.folder / "history.json")[0]["step_losses"] != a[0]["step_losses"]


def test_features_are_computed_once_for_all_runs_and_can_be_forgotten(small: Workspace) -> None:
    told = Told()
    train(small, _backbone_recipe(), progress=told)
    assert told.tasks["features"] >= len(load_samples(small).items)
    again = Told()
    summary = train(
        small,
        _backbone_recipe(),
        overrides={"stages.0.optimizer.learning_rate": 0.02},
        progress=again,
    )
    assert "features" not in again.tasks
    assert summary.baseline["linear_probe"]["accuracy"] > 0.9  # the stroke is easy to see

    gone = load_samples(small).of("train")[0].sha256
    assert purge_feature_cache(small.features, [gone]) > 0
    for shard in (small.features / FOLDER).rglob("*.npz"):
        with np.load(shard) as content:
            assert not any(str(key).startswith(gone) for key in content["keys"])


def test_the_newest_set_of_augmented_copies_joins_the_train_split_only(small: Workspace) -> None:
    samples = load_samples(small)
    originals = (samples.of("train")[0], samples.of("test")[0])
    rows, sets = [], []
    for policy, at in (("old", "2026-01-01"), ("new", "2026-02-02")):
        sets.append(
            {
                "policy": policy,
                "split_set": "first",
                "name": policy,
                "content": {},
                "copies": 1,
                "balance": False,
                "versions": {},
                "updated_at": at,
            }
        )
        for number, item in enumerate(originals):
            file = small.variants / f"{policy}{number}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(draw("whole", 1000 + number)).save(file)
            rows.append(
                {
                    "sha256": item.sha256,
                    "policy": policy,
                    "copy": 1,
                    "split_set": "first",
                    "label": item.label,
                    "group": item.group,
                    "file": str(file.relative_to(small.root)),
                    "made_at": now(),
                    "current": True,
                    "inputs": "",
                    "digest": f"{policy}{number}",
                }
            )
    small.catalog.upsert(schema.variant_sets, sets)
    small.catalog.upsert(schema.variants, rows)
    found = load_samples(small)
    copies = [item for item in found.items if item.variant]
    assert [(item.content, item.split) for item in copies] == [("new0", "train")]
    assert len(found.of("test")) == len(samples.of("test"))
    assert found.digest() != samples.digest()
    assert not [item for item in load_samples(small, variants=False).items if item.variant]


def test_the_same_request_is_answered_from_the_finished_run(finished) -> None:
    summary, workspace = finished
    recipe = Recipe.model_validate(read_json(summary.folder / "plan.json")["recipe"])
    gate = load_run(summary.folder).gate
    told = Told()
    again = train(workspace, recipe, gate=gate, seed=5, progress=told)
    assert again == summary
    assert not told.tasks
    assert summary.run in told.messages[0]


def test_fresh_augmentation_sees_every_original_in_every_epoch_and_no_copy(
    small: Workspace,
) -> None:
    seen: list[tuple[str, int]] = []

    def augmenter(rgb: np.ndarray, *, sha256: str, copy: int) -> np.ndarray:
        seen.append((sha256, copy))
        return rgb[:, ::-1]

    summary = train(small, tiny_recipe(), augmenter=augmenter)
    originals = {item.sha256 for item in load_samples(small).of("train")}
    assert set(seen) == {(sha, epoch) for sha in originals for epoch in range(4)}
    assert read_json(summary.folder / "plan.json")["augmenter"] == "augmenter"


def test_a_leak_is_said_and_equalised_everywhere(fill) -> None:
    audit = {"leak": True, "equalise": {"longest_side": 60, "jpeg_quality": 70}}
    workspace = fill({"damaged": (8, 4, 4), "whole": (8, 4, 4)}, audit=audit)
    told = Told()
    summary = train(workspace, tiny_recipe(), progress=told)
    assert "60 pixels" in told.messages[0]
    view = load_run(summary.folder).record.view
    assert (view.equalise.longest_side, view.equalise.jpeg_quality) == (60, 70)
    plain = train(workspace, tiny_recipe(), equalise=False)
    assert load_run(plain.folder).record.view.equalise is None


def test_hangul_labels_come_through_in_reports_and_predictions(fill) -> None:
    workspace = fill({"파손": (4, 2, 2), "정상": (4, 2, 2)})
    summary = train(workspace, tiny_recipe())
    run = load_run(summary.folder)
    assert run.classes == ("정상", "파손")
    assert run.record.positive == "파손"
    assert "파손" in (summary.folder / "report.html").read_text(encoding="utf-8")


def test_the_report_escapes_what_came_from_outside(fill) -> None:
    workspace = fill({"<script>alert(1)</script>": (4, 2, 2), "whole": (4, 2, 2)})
    summary = train(workspace, tiny_recipe())
    text = summary.report.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_class_weights_and_mixed_precision_train_to_a_report(fill) -> None:
    workspace = fill({"damaged": (12, 2, 2), "whole": (3, 2, 2)})
    plain = train(workspace, tiny_recipe())
    weighted = train(workspace, tiny_recipe(data={"class_weights": True}))
    losses = [read_json(run.folder / "history.json")[0]["step_losses"] for run in (plain, weighted)]
    assert losses[0] != pytest.approx(losses[1])
    mixed = train(workspace, tiny_recipe(mixed_precision=True))
    run = load_run(mixed.folder)
    assert {layer.compute_dtype for layer in run.model.layers if "conv" in layer.name} == {
        "bfloat16"
    }
    assert mixed.report.exists()
