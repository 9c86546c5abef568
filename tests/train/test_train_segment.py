from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from no_tensorflow import run_without_tensorflow
from PIL import Image
from small_runs import lite0_recipe, save_run
from training_cases import Told, draw, fill_workspace

import train
from bodyshop.networks import bring_along
from bodyshop.prediction import predict
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace
from train.data.mask_samples import load_pairs, load_squeezed_masks, masked_samples
from train.data.samples import load_samples
from train.data.tiles import Tiling
from train.fit import loop as fitting
from train.fit.learn_masks import MaskObjective
from train.fit.loop import History
from train.models.run_folder import pictures_seen, read_json
from train.models.segmenter import damage_maps
from train.recipes.segment_recipe import SegmentRecipe
from train.report.plots import plot_curves, plot_steps
from train.windows.classifier import NETWORK_FILE, shipped_folder


def _recipe(**changes: object) -> SegmentRecipe:
    return train.load_segment_recipe("segment").model_copy(
        update={"input_size": 96, "decoder": (16, 16, 8, 8, 8), **changes}
    )


def _red(picture: np.ndarray) -> np.ndarray:
    return (picture[..., 0] > 190) & (picture[..., 1] < 40)


def _annotate(workspace: Workspace, label: str = "scratch") -> None:
    rows = []
    workspace.masks.mkdir(exist_ok=True)
    for item in load_samples(workspace).items:
        if item.label != "damaged":
            continue
        with Image.open(item.path) as image:
            mask = _red(np.asarray(image.convert("RGB")))
        file = workspace.masks / f"{item.sha256}.png"
        Image.fromarray((mask * 255).astype(np.uint8)).save(file)
        rows.append(
            {
                "key": item.sha256,
                "sha256": item.sha256,
                "project": "damage",
                "annotator": "me",
                "kind": "mask",
                "label": label,
                "file": str(file.relative_to(workspace.root)),
                "value": None,
                "state": "current",
                "updated_at": now(),
            }
        )
    workspace.catalog.upsert(schema.annotations, rows)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[train.TrainSummary, Workspace]:
    """A segmenter that has learned to mark the stroke, and its workspace."""
    workspace = Workspace.open(tmp_path_factory.mktemp("trained") / "workspace")
    fill_workspace(workspace, {"damaged": (20, 5, 6), "whole": (4, 2, 2)})
    _annotate(workspace)
    stage = train.load_segment_recipe().stages[0]
    stages = (stage.model_copy(update={"epochs": 12, "learning_rate": 0.01}),)
    return train.segment(workspace, _recipe(stages=stages)), workspace


def test_a_segmenter_learns_the_stroke_and_beats_any_constant_mask(trained) -> None:
    summary, workspace = trained
    scratch = summary.metrics["per_class"]["scratch"]
    assert scratch["iou"] > 2 * summary.baseline["constant_iou"]["scratch"]
    assert scratch["recall"] == 1.0

    segmenter = train.load_segmenter(summary.folder)
    assert segmenter.record.split_set == summary.split_set == "first"
    learned = pictures_seen(summary.folder, segmenter.record, ("train",))
    assert learned == {item.sha256 for item in load_samples(workspace).of("train")}
    picture = draw("damaged", 7777)
    found = segmenter.segment([picture])[0]
    assert found.masks["scratch"].shape == picture.shape[:2]
    real = _red(picture)
    assert (found.masks["scratch"] & real).sum() > 0.3 * real.sum()
    test = {item.sha256 for item in load_samples(workspace).of("test")}
    shown = {file.stem for file in (summary.folder / "thumbs").iterdir()}
    assert shown == test
    assert summary.report.read_text(encoding="utf-8").count("<figure") == len(test)
    with pytest.raises(UsageError, match="segmenter, not a classifier"):
        train.load_run(summary.folder)


class _Killed(BaseException):
    """As sudden as a signal: nothing may catch it."""


def _short(**changes: object) -> SegmentRecipe:
    stage = train.load_segment_recipe().stages[0]
    stages = tuple(
        stage.model_copy(update={"name": name, "epochs": epochs, **changes})
        for name, epochs in (("decoder", 3), ("more", 2))
    )
    light = {"backbone": "mobilenet", "weights": "none", "decoder": (8,) * 5}
    return _recipe(input_size=64, **light, stages=stages)


def test_a_killed_segmenter_goes_on_after_its_last_epoch(
    fill, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    workspace = fill({"damaged": (6, 2, 2), "whole": (2, 1, 1)})
    _annotate(workspace)
    straight = train.segment(workspace, _short())
    real, calls = fitting.save_state, []

    def dying(*arguments: object) -> None:
        real(*arguments)
        calls.append(1)
        if len(calls) == 2:
            raise _Killed

    monkeypatch.setattr(fitting, "save_state", dying)
    with pytest.raises(_Killed):
        train.segment(workspace, _short(), anew=True)
    resumed = train.segment(workspace, _short(), progress=told)
    assert any("goes on after epoch 2" in message for message in told.messages)
    assert resumed.run != straight.run
    first, second = (read_json(run.folder / "history.json") for run in (straight, resumed))
    for one, other in zip(first, second, strict=True):
        assert other["step_losses"] == pytest.approx(one["step_losses"], rel=1e-4)
        assert [e["val_iou"] for e in other["epochs"]] == pytest.approx(
            [e["val_iou"] for e in one["epochs"]], abs=1e-3
        )
    assert not (resumed.folder / "state").exists()
    assert {"MODEL_CARD.md", "curves.png", "steps.png", "tensorboard"} <= {
        path.name for path in resumed.folder.iterdir()
    }
    again = train.segment(workspace, _short(), progress=told)
    assert (again.run, again.metrics) == (resumed.run, resumed.metrics)
    with pytest.raises(UsageError, match="finished"):
        train.segment(workspace, resume=resumed.run)


def test_masks_that_changed_end_a_resumed_run(fill, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (2, 1, 1)})
    _annotate(workspace)
    monkeypatch.setattr(fitting, "save_state", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train.segment(workspace, _short())
    (run,) = workspace.runs.glob("segment-*")
    first = next(workspace.masks.glob("*.png"))
    with Image.open(first) as image:
        Image.new("L", image.size, 255).save(first)
    with pytest.raises(BodyshopError, match="masks of 'first' changed since"):
        train.segment(workspace, resume=run.name)


def test_a_segmenter_out_of_memory_halves_the_batch(
    fill, monkeypatch: pytest.MonkeyPatch, told: Told
) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (2, 1, 1)})
    _annotate(workspace)
    real = MaskObjective.load

    def crowded(self: MaskObjective, rows: np.ndarray):
        if len(rows) > 4:
            raise MemoryError
        return real(self, rows)

    monkeypatch.setattr(MaskObjective, "load", crowded)
    recipe = _short()
    recipe = recipe.model_copy(update={"stages": recipe.stages[1:]})
    summary = train.segment(workspace, recipe, progress=told)
    assert "out of memory: stage 'more' again with batches of 4" in told.messages
    assert read_json(summary.folder / "history.json")[0]["batch_size"] == 4


def test_a_segmenters_loss_that_is_no_number_is_an_error(fill) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (2, 1, 1)})
    _annotate(workspace)
    with pytest.raises(BodyshopError, match=r"(loss|val_iou) became nan in epoch") as caught:
        train.segment(workspace, _short(learning_rate=1e38))
    assert "learning_rate" in str(caught.value.hint)


def test_a_mask_class_that_can_be_no_name_is_refused_before_training(fill) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (2, 1, 1)})
    _annotate(workspace, "scratch\tdeep")
    with pytest.raises(BodyshopError, match="can't be the name of a class"):
        train.segment(workspace, _short())


def test_recipes_of_segmenters_are_told_from_those_of_classifiers(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: x\ndecoder: [8, 8, 8, 8, 8]\n", encoding="utf-8")
    classifier = tmp_path / "other.yaml"
    classifier.write_text("name: x\nbackbone: mobilenet\n", encoding="utf-8")
    found = [train.is_segment_recipe(each) for each in ("segment", own, classifier, "default")]
    assert found == [True, True, False, False]
    changed = train.load_segment_recipe(overrides={"stages.0.epochs": 3})
    assert changed.stages[0].epochs == 3
    with pytest.raises(UsageError, match="no key"):
        train.load_segment_recipe(overrides={"stage.0.epochs": 3})


def test_a_run_of_one_epoch_and_one_step_can_be_drawn(tmp_path: Path) -> None:
    once = {"epoch": 1, "loss": 0.4, "val_iou": 0.1, "learning_rate": 0.1, "seconds": 1.0}
    history = History("decoder", epochs=[once], step_losses=[0.4], best_epoch=1)
    assert plot_curves([history], tmp_path / "curves.png", keys=("loss", "iou")).exists()
    assert plot_steps([history], tmp_path / "steps.png").exists()


def test_only_current_masks_and_pictures_known_to_be_whole_are_learned_from(fill) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (4, 2, 2)})
    _annotate(workspace)
    gone = load_samples(workspace).of("train")[0].sha256
    with workspace.catalog.begin() as connection:
        connection.execute(
            schema.annotations.update()
            .where(schema.annotations.c.sha256 == gone)
            .values(state="deleted")
        )
    samples = masked_samples(workspace, side=96)
    assert samples.classes == ("scratch",)
    label = {item.sha256: item.label for item in load_samples(workspace).items}
    for sample in samples.items:
        assert bool(sample.masks) == (label[sample.sha256] == "damaged")
        assert not (sample.sha256 == gone and label[gone] == "damaged")


def test_missing_and_misfitting_masks_are_named(fill) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (4, 2, 2)})
    with pytest.raises(NothingFoundError, match="label push"):
        train.segment(workspace, _recipe())
    _annotate(workspace)
    samples = masked_samples(workspace, side=96)
    masked = next(sample for sample in samples.items if sample.masks)
    file = masked.masks["scratch"][0].local()
    Image.new("L", (5, 5)).save(file)
    with pytest.raises(BodyshopError, match="is 5 x 5, its picture 112 x 96"):
        load_pairs([masked], samples.classes, 32)
    file.unlink()
    with pytest.raises(BodyshopError, match="label pull"):
        load_pairs([masked], samples.classes, 32)


def test_damage_at_the_end_of_a_wide_picture_is_searched_and_found(trained) -> None:
    segmenter = train.load_segmenter(trained[0].folder)
    damaged, whole = draw("damaged", 7777), draw("whole", 7778)
    for panorama in ([damaged, whole, whole], [whole, whole, damaged]):
        for axis in (1, 0):
            picture = np.concatenate(panorama, axis=axis)
            found = segmenter.segment([picture])[0].masks["scratch"]
            real = _red(picture)
            assert found.shape == picture.shape[:2]
            assert (found & real).sum() > 0.3 * real.sum()
            assert (found & ~real).sum() < 2 * real.sum()


def test_on_litert_a_segmenter_marks_the_same_and_needs_no_tensorflow(
    trained, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(trained[0].folder, tmp_path / "run"))
    picture = tmp_path / "a.png"
    Image.fromarray(draw("damaged", 7777)).save(picture)
    by_keras = train.load_segmenter(folder)
    lite = train.load_segmenter(folder)
    (carried,) = bring_along(folder).networks
    assert carried.file.parent == folder / "networks"
    assert lite.use_litert(convert=False)
    rgb = draw("damaged", 7777)
    tiling = Tiling.of(rgb.shape, lite.record.side, lite.recipe.rows, name="a")
    expected = damage_maps(by_keras.model, rgb, tiling)
    assert expected.max() > 0.5
    assert np.abs(damage_maps(lite._lite, rgb, tiling) - expected).max() <= 1e-3
    program = (
        "import sys\n"
        "from bodyshop.prediction.run_answers import open_segmenter\n"
        "(found,) = open_segmenter(sys.argv[1]).segment([sys.argv[2]])\n"
        "print({name: int(mask.sum()) for name, mask in found.masks.items()})\n"
    )
    told = run_without_tensorflow(program, str(folder), str(picture), folder=tmp_path)
    pixels = int(lite.segment([picture])[0].masks["scratch"].sum())
    assert told == f"{{'scratch': {pixels}}}\n"


def test_a_network_of_another_run_beside_a_segmenter_is_refused(trained, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained[0].folder, tmp_path / "run"))
    (carried,) = bring_along(folder).networks
    shutil.copy(shipped_folder() / NETWORK_FILE, carried.file)
    program = "import sys, train; train.load_segmenter(sys.argv[1]).use_litert()"
    with pytest.raises(AssertionError, match=r"not what run\.json says"):
        run_without_tensorflow(program, str(folder), folder=tmp_path)


def _thin(path: Path) -> Path:
    Image.new("RGB", (60_000, 1)).save(path, "PNG")
    return path


def test_a_picture_too_thin_for_a_mask_costs_itself_alone(trained, tmp_path: Path) -> None:
    classes = {"classes": ("dent", "scratch"), "positive": "dent"}
    run = save_run(tmp_path / "run", lite0_recipe(), **classes)
    good = tmp_path / "good.png"
    Image.fromarray(draw("damaged", 7777)).save(good)
    files = [_thin(tmp_path / "thin.png"), good]
    out, segmenter = tmp_path / "out", trained[0].folder
    thin, other = predict(run, files, segmenter=segmenter, out=out, annotate=True)
    assert "thin.png is too thin: 60000 x 1 pixels" in str(thin.error)
    assert thin.label in {"dent", "scratch"}
    assert thin.mask is None
    assert other.error is None
    assert other.mask is not None


def test_a_picture_too_thin_to_train_on_is_left_out_and_recorded(fill, told: Told) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (2, 1, 1)})
    _annotate(workspace)
    thin = next(item for item in load_samples(workspace).of("train") if item.label == "whole")
    _thin(thin.path)
    recipe = _short()
    stage = recipe.stages[0].model_copy(update={"epochs": 1})
    recipe = recipe.model_copy(update={"stages": (stage,)})
    summary = train.segment(workspace, recipe, progress=told)
    record = train.load_segmenter(summary.folder).record
    why = record.data["left_out"][thin.sha256]
    assert "60000 x 1" in why
    assert f"left out: {why}" in told.messages
    assert record.data["counts"] == {"train": 5, "validation": 3, "test": 3}


def test_the_maskless_ends_of_training_pictures_are_learned_from_too(fill) -> None:
    workspace = fill({"damaged": (4, 2, 2), "whole": (2, 1, 1)})
    _annotate(workspace)
    samples = masked_samples(workspace, side=96).of("train")
    pixels, masks = load_pairs(samples, ("scratch",), 64)
    assert len(pixels) == len(masks) == 2 * len(samples)  # 112 x 96: two squares each
    squeezed = load_squeezed_masks(samples, ("scratch",), 64)
    assert squeezed.shape == (len(samples), 64, 64, 1)
    assert (squeezed.any(axis=(1, 2, 3)) == [bool(sample.masks) for sample in samples]).all()
