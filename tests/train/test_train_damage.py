"""`train damage`: a damage model by windows, fitted to a split set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import fill_workspace

import bodyshop
import train
from bodyshop.cli import main
from bodyshop.commands.brief import brief
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.workspace import Workspace
from train import TrainSummary
from train.data.samples import load_samples
from train.fit import learn_windows
from train.models.window_run import WindowClassifier
from train.report.classifier_report import _notes
from train.windows.classifier import DamageClassifier, shipped_folder, squares_of
from train.windows.grid import SIDE
from train.windows.model import load_model_file

LABELS = ("whole", "damaged")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainSummary, Workspace]:
    workspace = Workspace.open(tmp_path_factory.mktemp("damage") / "workspace")
    fill_workspace(workspace, {"damaged": (12, 6, 6), "whole": (12, 6, 6)})
    _draw_masks(workspace, 6)
    return train.train_damage(workspace), workspace


def _draw_masks(workspace: Workspace, count: int) -> None:
    """Mark the red stroke in some of the damaged training pictures."""
    damaged = [each for each in load_samples(workspace).of("train") if each.label == "damaged"]
    workspace.masks.mkdir(exist_ok=True)
    rows = []
    for item in damaged[:count]:
        with Image.open(item.path) as image:
            pixels = np.asarray(image.convert("RGB"))
        file = workspace.masks / f"{item.sha256}.png"
        red = (pixels[..., 0] > 190) & (pixels[..., 1] < 40)
        Image.fromarray((red * 255).astype(np.uint8)).save(file)
        rows.append(
            {
                "key": item.sha256, "sha256": item.sha256, "project": "damage", "annotator": "me",
                "kind": "mask", "label": "scratch", "file": str(file.relative_to(workspace.root)),
                "value": None, "state": "current", "updated_at": now(),
            }
        )  # fmt: skip
    workspace.catalog.upsert(schema.annotations, rows)


def test_it_learns_the_strokes_and_says_where_they_are(
    trained: tuple[TrainSummary, Workspace],
) -> None:
    summary, workspace = trained
    assert summary.metrics["accuracy"] >= 0.9
    run = train.load_run(summary.folder)
    assert isinstance(run, WindowClassifier)
    damaged = next(each for each in load_samples(workspace).of("test") if each.label == "damaged")
    with Image.open(damaged.path) as image:
        red = np.asarray(image.convert("RGB"))
    answer = run.windows.answer(run.views_of(damaged.path))[0]
    left, top, right, bottom = answer.place.box
    height, width = red.shape[:2]
    inside = red[
        round(top * height) : round(bottom * height), round(left * width) : round(right * width)
    ]
    assert ((inside[..., 0] > 190) & (inside[..., 1] < 40)).any()


def test_the_run_is_self_contained_and_known_again(
    trained: tuple[TrainSummary, Workspace], tmp_path: Path
) -> None:
    summary, workspace = trained
    names = {each.name for each in summary.folder.iterdir()}
    assert {"network.tflite", "damage.npz", "run.json", "samples.csv", "report.html"} <= names
    assert train.train_damage(workspace).run == summary.run
    fresh = train.train_damage(workspace, overrides={"near": "nothing"})
    assert fresh.run != summary.run
    # the shipped cells, which learned from other people's masks, have no part in it
    weights = [load_model_file(each.folder / "damage.npz").weights for each in (summary, fresh)]
    assert weights[0][-1] > 0 and weights[1][-1] == 0 and weights[1].any()


def test_evaluating_the_run_gives_the_figures_of_training(
    trained: tuple[TrainSummary, Workspace],
) -> None:
    summary, workspace = trained
    again = train.evaluate(summary.folder, workspace=workspace, split="test")
    assert again.metrics["accuracy"] == summary.metrics["accuracy"]


def test_the_figures_of_the_shipped_model_stand_beside_those_after_adapting(
    trained: tuple[TrainSummary, Workspace],
) -> None:
    summary, workspace = trained
    test = load_samples(workspace).of("test")
    shipped = DamageClassifier(shipped_folder())
    said = shipped.answer(squares_of([load_rgb(each.path, at_least=SIDE) for each in test]))
    damaged = [each.probability >= shipped.model.threshold for each in said]
    right = np.mean([a == (b.label == "damaged") for a, b in zip(damaged, test, strict=True)])
    assert summary.baseline["shipped"]["accuracy"] == right < summary.metrics["accuracy"]
    assert f"shipped model {100 * right:.1f} %" in dict(brief(summary))["to be beaten"]
    page = summary.report.read_text(encoding="utf-8")
    assert "the damage model that comes with bodyshop, before" in page


@pytest.mark.parametrize(("gain", "notes"), [(0.01, 0), (0.0, 1), (-0.01, 1)])
def test_a_red_note_says_that_adapting_was_no_gain_also_where_both_are_as_accurate(
    trained: tuple[TrainSummary, Workspace], gain: float, notes: int
) -> None:
    summary, _ = trained
    shipped = {"accuracy": summary.metrics["accuracy"] - gain}
    record = train.load_run(summary.folder).record
    # the private name: the notes alone, without another training that ends with these figures
    found = _notes(record, summary.metrics, {"shipped": shipped}, {})
    assert [note["good"] for note in found if "no gain" in note["text"]] == [False] * notes


def test_a_run_on_origins_that_it_learned_from_says_that_it_is_not_shown_abroad(
    trained: tuple[TrainSummary, Workspace],
) -> None:
    summary, _ = trained
    name, text = summary.lines()[0]
    assert name == "abroad" and "not shown abroad" in text and "splits: {by: origin}" in text
    # splits by origin alone do not show it: the shipped weights may know every origin
    assert "--set near=nothing" in text
    card = (summary.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.index("not shown abroad") < card.index("Test accuracy, at home")


def test_the_network_runs_once_per_picture_for_all_runs(
    trained: tuple[TrainSummary, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, workspace = trained

    def never(*args: object, **options: object) -> None:
        raise AssertionError("a picture was looked at again")

    monkeypatch.setattr(learn_windows, "load_rgb", never)
    base = DamageClassifier(shipped_folder())
    training = load_samples(workspace).of("train")
    looked = learn_windows.window_features(training, base, workspace.features)
    assert looked.shape == (24, 62, 513)


def test_more_than_two_classes_are_refused(workspace: Workspace) -> None:
    fill_workspace(workspace, {"dent": (4, 2, 2), "glass": (4, 2, 2), "whole": (4, 2, 2)})
    with pytest.raises(UsageError, match="two classes"):
        train.train_damage(workspace)


def test_what_needs_a_keras_network_says_that_there_is_none(
    trained: tuple[TrainSummary, Workspace],
) -> None:
    summary, workspace = trained
    with pytest.raises(UsageError, match="by windows"):
        train.export(train.load_run(summary.folder), "keras", workspace.root / "out")


def test_predict_shows_where_a_run_sees_damage(
    trained: tuple[TrainSummary, Workspace], tmp_path: Path
) -> None:
    summary, workspace = trained
    test = load_samples(workspace).of("test")
    files = {label: next(each.path for each in test if each.label == label) for label in LABELS}
    predictor = bodyshop.Predictor.open(summary.folder)
    whole, damaged = predictor.predict([files["whole"], files["damaged"]])
    assert (whole.label, whole.where, damaged.label) == ("whole", None, "damaged")
    assert damaged.where is not None and damaged.heat is not None


def test_an_interrupted_fit_is_not_resumed_but_made_again(
    trained: tuple[TrainSummary, Workspace], tmp_path: Path
) -> None:
    summary, workspace = trained
    folder = workspace.runs / "train-20260101-000000-abcdef"
    folder.mkdir()
    (folder / "plan.json").write_bytes((summary.folder / "plan.json").read_bytes())
    with pytest.raises(UsageError, match="nothing to resume"):
        train.train(workspace, resume=folder.name)


def test_start_shipped_is_the_recipe_damage(
    trained: tuple[TrainSummary, Workspace], capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(trained[1].root)
    with pytest.raises(SystemExit) as ended:
        main(["-w", root, "train", "--start", "shipped", "--abroad"])
    assert ended.value.code == 2 and "windows" in capsys.readouterr().err
    for words in (["--start", "mine"], ["finetune", "--start", "shipped"]):
        with pytest.raises(SystemExit) as ended:
            main(["-w", root, "train", *words])
        assert ended.value.code == 2 and "can't start from" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--abroad"], ["--target", "brand"], ["--epochs", "3"]])
def test_options_of_networks_are_refused(
    trained: tuple[TrainSummary, Workspace], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["-w", str(trained[1].root), "train", "damage", *words])
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err
