from __future__ import annotations

import csv
import json
import re
import shutil
import urllib.parse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import binom
from training_cases import draw, tiny_recipe

import train
from bodyshop.cli import app, normalise
from bodyshop_core.errors import (
    BodyshopError,
    NothingFoundError,
    UnreadableImageError,
    UsageError,
)
from bodyshop_core.workspace import Workspace
from train.data.samples import Sample, load_samples
from train.evaluation.baseline import baselines
from train.evaluation.crossval import assign_folds, cross_validate, write_out_of_fold
from train.evaluation.names import file_stem, result_stem
from train.evaluation.predictions import UnknownLabelError, evaluate_samples, save_evaluation
from train.metrics.paired import mcnemar, paired_bootstrap
from train.models.run_folder import read_json, save_samples, write_json
from train.report.evaluation_report import write_evaluation_report
from train.report.model_card import write_model_card


def _folder(root: Path, counts: dict[str, int], names: dict[str, str] | None = None) -> Path:
    for label, count in counts.items():
        kind = root / (names or {}).get(label, label)
        kind.mkdir(parents=True)
        for number in range(count):
            Image.fromarray(draw(label, 5000 + number)).save(kind / f"{number}.png")
    return root


def test_evaluating_the_test_split_gives_the_figures_of_training(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    found = train.evaluate(summary.run, workspace=workspace, out=tmp_path / "e")
    assert found.metrics["accuracy"] == summary.accuracy
    assert found.as_dict()["per_class"] == summary.as_dict()["per_class"]
    assert found.report.read_text(encoding="utf-8").count("confusion-test.png") == 1
    newest = train.evaluate(workspace=workspace, out=tmp_path / "f")
    assert newest.run == summary.run


def test_another_data_set_is_evaluated_without_the_pictures_learned_from(
    finished, carried: Path, tmp_path: Path
) -> None:
    _, workspace = finished
    names = {"damaged": "broken", "whole": "fine"}
    other = _folder(tmp_path / "other", {"damaged": 6, "whole": 5}, names)
    seen = load_samples(workspace).of("train")[0]
    shutil.copy(seen.path, other / names[seen.label] / "seen.png")
    rename = {new: old for old, new in names.items()}
    found = train.evaluate(carried, cross=other, rename=rename)
    assert (found.metrics["n"], found.left_out) == (11, 1)
    assert found.metrics["accuracy"] > 0.8
    assert "trained or tuned on them: 1" in found.report.read_text(encoding="utf-8")
    with pytest.raises(UnknownLabelError, match="labels 'broken', 'fine'"):
        train.evaluate(carried, cross=other)
    with pytest.raises(UsageError, match="no class folder 'brokn'"):
        train.evaluate(carried, cross=other, rename={"brokn": "damaged"})


def test_a_carried_run_is_evaluated_on_a_folder_without_any_workspace(
    carried: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    other = _folder(tmp_path / "other", {"damaged": 4, "whole": 4}, {"damaged": "00-broken"})
    words = ["--json", "evaluate", "--run", str(carried), "--cross", str(other)]
    app(normalise([*words, "--rename", "00-broken=damaged"]), standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 8
    assert set(found["per_class"]) == {"damaged", "whole"}
    assert not (tmp_path / "workspace").exists()


def _pretend_trained_on(run: Path, pictures: Iterable[Sample], split: str) -> None:
    """Rewrite the list of a run's pictures as training would have written it."""
    record = read_json(run / "run.json")
    digest = save_samples(run, {item.sha256: split for item in pictures})
    record["data"]["samples"] = digest
    write_json(run / "run.json", record)


def test_pictures_that_another_run_was_trained_on_count_for_neither(
    finished, carried: Path, tmp_path: Path
) -> None:
    summary, workspace = finished
    _pretend_trained_on(carried, load_samples(workspace).of("test")[:5], "train")
    found = train.evaluate(
        summary.run, workspace=workspace, against=carried, out=tmp_path / "compared"
    )
    assert (found.metrics["n"], found.left_out) == (11, 5)


def test_pictures_that_a_run_was_tuned_on_count_only_as_its_own_validation_split(
    finished, carried: Path, tmp_path: Path
) -> None:
    _, workspace = finished
    samples = load_samples(workspace)
    _pretend_trained_on(carried, samples.of("test")[:3], "validation")
    found = train.evaluate(carried, workspace=workspace, out=tmp_path / "test")
    assert (found.metrics["n"], found.left_out) == (13, 3)
    _pretend_trained_on(carried, samples.of("validation"), "validation")
    found = train.evaluate(
        carried, workspace=workspace, split="validation", out=tmp_path / "validation"
    )
    assert (found.metrics["n"], found.left_out) == (16, 0)


@pytest.mark.parametrize("harm", ["missing", "shortened"])
def test_without_the_list_of_its_training_pictures_a_run_is_not_evaluated(
    finished, carried: Path, tmp_path: Path, harm: str
) -> None:
    summary, workspace = finished
    file = carried / "samples.csv"
    if harm == "missing":
        file.unlink()
    else:
        file.write_text("\n".join(file.read_text().splitlines()[:-5]), encoding="utf-8")
    other = _folder(tmp_path / "other", {"damaged": 2, "whole": 2})
    with pytest.raises(BodyshopError, match=r"samples\.csv"):
        train.evaluate(carried, cross=other)
    with pytest.raises(BodyshopError, match=r"samples\.csv"):
        train.evaluate(summary.run, workspace=workspace, against=carried, out=tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_folders_of_one_name_and_relative_ones_get_reports_of_their_own(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in carried.iterdir() if path.is_file()}
    one = _folder(tmp_path / "one" / "test", {"damaged": 1, "whole": 1})
    two = _folder(tmp_path / "two" / "test", {"damaged": 2, "whole": 1})
    reports = {train.evaluate(carried, cross=folder).report for folder in (one, two)}
    monkeypatch.chdir(one / "damaged")
    reports |= {
        train.evaluate(carried, cross=Path(folder)).report for folder in ("..", "../../test")
    }
    assert len(reports) == 2
    shutil.rmtree(one)  # other pictures in the same place: the first result stays
    _folder(one, {"damaged": 3, "whole": 1})
    reports.add(train.evaluate(carried, cross=one).report)
    assert len(reports) == 3
    assert all(report.exists() for report in reports)
    assert {report.parent.parent for report in reports} == {carried / "evaluations"}
    assert {path: path.read_bytes() for path in before} == before


def test_an_unreadable_picture_of_a_folder_costs_only_itself(carried: Path, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "photos", {"damaged": 2, "whole": 2})
    whole = train.evaluate(carried, cross=folder)
    picture = folder / "damaged" / "0.png"
    (folder / "damaged" / "torn.png").write_bytes(picture.read_bytes()[:200])
    (folder / "whole" / "IMG_1.HEIC").touch()
    (folder / "whole" / "._0.png").write_bytes(b"left by a Mac")
    (folder / ".thumbnails").mkdir()
    shutil.copy(picture, folder / ".thumbnails")
    found = train.evaluate(carried, cross=folder)
    assert found.metrics["n"] == 4
    assert found.metrics["accuracy"] == whole.metrics["accuracy"]
    assert {Path(file).name for file in found.unreadable} == {"torn.png", "IMG_1.HEIC"}
    assert "can&#39;t be read: 2 (" in found.report.read_text(encoding="utf-8")
    picture.unlink()
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(UnreadableImageError):
        train.evaluate(carried, cross=folder)


HOSTILE = ("<img src=x onerror=alert(1)>$\\frac{$", "../../" + "길" * 300)
"""HTML, broken TeX and Markdown, a path, a name longer than file systems allow."""


@pytest.mark.parametrize("names", [HOSTILE, HOSTILE[::-1]])
def test_hostile_class_names_break_no_page_and_no_file(
    finished, tmp_path: Path, names: tuple[str, str]
) -> None:
    summary, _ = finished
    run = train.load_run(summary.folder)
    run.record = replace(run.record, classes=names, positive=names[1])
    samples = []
    for number in range(12):
        file = tmp_path / f"{number}.png"
        Image.fromarray(draw(("whole", "damaged")[number % 2], 8000 + number)).save(file)
        samples.append(Sample(f"{number:064d}", file, names[number % 2], "test", str(number)))
    evaluation = evaluate_samples(run, samples, name=f"{names[0]}/{names[1]}")
    out = tmp_path / "out"
    save_evaluation(evaluation, out)
    baseline = baselines([item.label for item in samples])
    page = write_evaluation_report(out, run, evaluation, baseline)
    write_model_card(out, run.record, evaluation, baseline, ())
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert {file.parts[0].partition("-")[0] for file in files} == {
        "MODEL_CARD.md",
        "calibration",
        "confusion",
        "predictions",
        "ranking",
        "report.html",
        "thumbs",
    }
    html = page.read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    for source in re.findall(r'src="([^"]+)"', html):
        assert (out / urllib.parse.unquote(source)).is_file()
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "<img" not in card.replace(r"\<img", "")


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_name_becomes_a_file_name_of_its_own(one: str, other: str) -> None:
    first, second = file_stem(one), file_stem(other)
    assert (first == second) == (one == other)
    for stem in (first, second):
        assert stem == "" or Path(stem).name == stem
        assert len(f"predictions-{stem}.csv".encode()) <= 255


def test_a_result_on_another_split_set_replaces_none_on_the_runs_own() -> None:
    assert result_stem("folds-5", None, "first") == "folds-5"
    assert result_stem("folds-5", "first", "first") == "folds-5"
    assert result_stem("folds-5", "second", "first") == "second-folds-5"
    assert "/" not in result_stem("abroad", "../다른", "first")


def test_a_report_shows_thresholds_calibration_and_heat_maps(finished) -> None:
    summary, _ = finished
    page = summary.report.read_text(encoding="utf-8")
    for words in (
        "Decision thresholds",
        "best balanced accuracy",
        "threshold for 95 % recall",
        "Grad-CAM",
        "before temperature scaling",
        "calibration-test.png",
    ):
        assert words in page
    heats = sorted((summary.folder / "thumbs").glob("*-heat.jpg"))
    assert len(heats) >= 8
    for heat in heats:
        assert f"thumbs/{heat.name}" in page
        with (
            Image.open(heat) as shown,
            Image.open(heat.with_name(heat.name.replace("-heat", ""))) as plain,
        ):
            assert shown.size == plain.size
    metrics = read_json(summary.folder / "metrics.json")["test"]["calibration"]
    assert set(metrics) == {
        "temperature",
        "ece_before",
        "ece_after",
        "loss_before",
        "loss_after",
    }


def test_folds_of_a_runs_recipe_are_reported(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    run = train.load_run(summary.folder)
    quick = {**run.record.recipe, "stages": [{**run.record.recipe["stages"][0], "epochs": 3}]}
    run.record = replace(run.record, recipe=quick)
    found = train.evaluate_folds(run, workspace, folds=3, out=tmp_path / "folds")
    told = json.loads(json.dumps(found.as_dict()))
    assert (told["n"], len(told["folds"])) == (80, 3)
    assert told["baseline"]["majority"]["accuracy"] == 0.5
    page = found.report.read_text(encoding="utf-8")
    assert "accuracy over 3 folds" in page
    assert len(list(csv.DictReader(found.predictions.open()))) == 80


def test_a_run_compared_with_itself_is_no_different(finished, tmp_path: Path) -> None:
    summary, workspace = finished
    found = train.evaluate(
        summary.run, workspace=workspace, against=summary.folder, out=tmp_path / "e"
    )
    assert found.against is not None
    assert found.against["mcnemar"] == {"only_first": 0, "only_second": 0, "p": 1.0}
    assert found.against["bootstrap"] == {"difference": 0.0, "ci95": [0.0, 0.0]}


def test_what_cannot_be_evaluated_is_said(finished, tmp_path: Path, workspace: Workspace) -> None:
    summary, filled = finished
    with pytest.raises(NothingFoundError, match="no run 'nowhere'"):
        train.evaluate("nowhere", workspace=filled)
    with pytest.raises(NothingFoundError, match="no finished run"):
        train.evaluate(workspace=workspace)
    with pytest.raises(UsageError, match="train, validation, test"):
        train.evaluate(summary.run, workspace=filled, split="dev")
    with pytest.raises(UsageError, match="workspace"):
        train.evaluate(summary.folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingFoundError, match="one folder per class"):
        train.evaluate(summary.folder, cross=tmp_path / "empty")


def test_mcnemar_is_the_exact_binomial_test() -> None:
    first = np.array([True] * 10 + [False] * 2 + [True] * 30)
    second = np.array([False] * 10 + [True] * 2 + [True] * 30)
    found = mcnemar(first, second)
    assert (found["only_first"], found["only_second"]) == (10, 2)
    assert found["p"] == pytest.approx(2 * binom.cdf(2, 12, 0.5))


@given(st.integers(0, 1000), st.integers(5, 60))
def test_swapping_the_two_models_turns_the_difference_around(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.random(n) < 0.8, random.random(n) < 0.6
    forth = paired_bootstrap(first, second, resamples=50)
    back = paired_bootstrap(second, first, resamples=50)
    assert forth["difference"] == pytest.approx(-back["difference"])
    assert forth["ci95"] == pytest.approx([-back["ci95"][1], -back["ci95"][0]])
    assert mcnemar(first, second)["p"] == pytest.approx(mcnemar(second, first)["p"])


def test_near_duplicates_widen_the_interval() -> None:
    random = np.random.default_rng(1)
    first, second = random.random(40) < 0.9, random.random(40) < 0.6
    alone = paired_bootstrap(np.repeat(first, 9), np.repeat(second, 9))
    grouped = paired_bootstrap(
        np.repeat(first, 9), np.repeat(second, 9), groups=np.repeat(np.arange(40), 9)
    )
    width = [found["ci95"][1] - found["ci95"][0] for found in (alone, grouped)]
    assert width[1] > 2 * width[0]


@given(st.integers(3, 5), st.integers(0, 20), st.integers(1, 4))
def test_folds_keep_groups_together_and_use_every_picture(k: int, seed: int, size: int) -> None:
    samples = [
        Sample(f"{label}{number}", Path("x"), label, "train", f"{label}{number // size}")
        for label in ("a", "b")
        for number in range(30)
    ]
    folds = assign_folds(samples, k, seed)
    assert set(folds.tolist()) == set(range(k))
    homes: dict[str, set[int]] = {}
    for item, fold in zip(samples, folds, strict=True):
        homes.setdefault(item.group, set()).add(int(fold))
    assert all(len(where) == 1 for where in homes.values())


def test_too_few_groups_for_the_folds_name_the_class() -> None:
    samples = [
        Sample(f"{label}{n}", Path("x"), label, "train", f"{label}{n if label == 'a' else n // 10}")
        for label in ("a", "b")
        for n in range(20)
    ]
    with pytest.raises(BodyshopError, match="class 'b' has 2 independent groups"):
        assign_folds(samples, 3, 7)


def test_folds_that_leave_nothing_to_train_on_are_refused(finished, tmp_path: Path) -> None:
    _, workspace = finished
    with pytest.raises(UsageError, match="2 folds are too few"):
        cross_validate(tiny_recipe(), load_samples(workspace), tmp_path, folds=2)


def test_cross_validation_tests_every_picture_once(finished, tmp_path: Path) -> None:
    _, workspace = finished
    samples = load_samples(workspace)
    result = cross_validate(tiny_recipe(), samples, tmp_path / "features", folds=3)
    assert result.metrics["n"] == len(samples.items) == 80
    assert result.probabilities.sum(axis=1) == pytest.approx(1.0)
    assert np.bincount(result.folds).min() >= 26
    rows = list(csv.DictReader(write_out_of_fold(result, tmp_path / "oof.csv").open()))
    assert {row["sha256"] for row in rows} == {item.sha256 for item in samples.items}
    assert result.correct.mean() == result.metrics["accuracy"]
