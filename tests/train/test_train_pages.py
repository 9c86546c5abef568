"""Reports in a real browser, on a phone and on a desk; and summaries on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe import serious_violations
from labeling_browser import browser
from PIL import Image

import train
from bodyshop.commands.brief import brief
from train.evaluation.predictions import Evaluation
from train.metrics.classification import summary
from train.report.evaluation_parts import (
    baseline_rows,
    evaluation_block,
    metric_tiles,
    write_report_page,
)
from train.report.pages import write_table
from train.report.plots import plot_confusion, plot_ranking

WIDTHS = (390, 1280)

TOO_NARROW = """
return [...document.querySelectorAll('td, th')].filter(cell => {
  const text = cell.innerText.trim();
  const size = parseFloat(getComputedStyle(cell).fontSize);
  return text.length > 6 && cell.clientWidth < 4 * size;
}).map(cell => cell.innerText.trim().slice(0, 40));
"""

BEYOND = """
const wide = document.documentElement.clientWidth;
return [document.documentElement.scrollWidth - wide,
        [...document.querySelectorAll('h1, h2, p, .tile, .card, figure, footer, summary')]
          .filter(each => each.getBoundingClientRect().right > wide + 1)
          .map(each => each.tagName + ' ' + each.innerText.slice(0, 40))];
"""


def _evaluation(classes: tuple[str, ...], per_class: int = 6) -> Evaluation:
    """Made-up predictions, of which about a quarter is wrong, mostly between neighbours."""
    random = np.random.default_rng(7)
    labels = np.repeat(np.arange(len(classes)), per_class)
    probabilities = 0.2 * random.random((len(labels), len(classes)))
    probabilities[np.arange(len(labels)), labels] += 0.6
    wrong = random.random(len(labels)) < 0.25
    probabilities[wrong, (labels[wrong] + len(classes) // 2) % len(classes)] += 1.0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    metrics = summary(labels, probabilities, classes)
    metrics["calibration"] = {"temperature": 1.0, "ece_before": 0.1, "ece_after": 0.1}
    predicted = probabilities.argmax(axis=1)
    return Evaluation("test", (), classes, labels, probabilities, predicted, metrics, probabilities)


def _run_page(folder: Path, classes: tuple[str, ...]) -> Path:
    """A report with every part of the template filled."""
    folder.mkdir(parents=True)
    evaluation = _evaluation(classes)
    Image.new("RGB", (320, 240), "navy").save(folder / "photo.jpg")
    item = {"file": "photo.jpg", "heat": "photo.jpg", "name": "0123456789ab"}
    item |= {"truth": classes[0], "predicted": classes[1], "probability": 0.98}
    item |= {"sha256": "0123456789ab" + "0" * 52}
    threshold = {"name": "threshold for 95 % recall", "threshold": 0.31, "recall": 0.95}
    threshold |= {"precision": 0.9, "false_positive_rate": 0.1, "accuracy": 0.9}
    threshold |= {"missed": 3, "false": 120, "cost": 1.234}
    majority = {"majority": {"label": classes[0], "accuracy": 0.03}}
    stage = {"name": "finetune", "epochs": 30, "best": 12, "ended": "early, no improvement"}
    return write_report_page(
        folder / "report.html",
        {
            "title": "densenet121-144 · model",
            "subtitle": f"train-20261126-200000-abcdef · trained on 'first' · {classes[0]}",
            "tiles": metric_tiles(evaluation.metrics),
            "notes": [{"good": False, "text": "Is it the car or the camera? " * 8}],
            "baselines": baseline_rows(evaluation.metrics, majority),
            "blocks": [evaluation_block(folder, evaluation)],
            "thresholds": [threshold],
            "costs": [threshold],
            "errors": [item] * 5,
            "curves": [{"file": "photo.jpg", "alt": "curves"}],
            "stages": [stage | {"batch": 64, "seconds": "123.4", "accuracy": 0.9}],
            "facts": [("data hash", "0f" * 32), ("pictures", "; ".join(classes) * 3)],
            "recipe": "name: x\n" + "description: " + "long " * 60,
        },
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    models = tuple(f"Brand{i % 5} Model number {i} long wheelbase" for i in range(33))
    long = ("x" * 300, "undamaged 정상 " + "길" * 120)
    rows = [["-".join(["stages.0.optimizer.learning_rate=0.0001"] * 4), "93.1 %", "failed"]]
    table = write_table(
        folder / "table.html",
        title="sweep " + "y" * 90,
        subtitle="recipe finetune",
        note="Best on validation: " + "z" * 120,
        columns=["trial", "validation accuracy", "95 % interval", "loss", "seconds", "peak MiB"],
        rows=[[*row, "0.123", "12", "error: " + "memory ran out " * 9] for row in rows * 4],
    )
    return [
        _run_page(folder / "33", models),
        _run_page(folder / "two", ("damaged", "whole")),
        _run_page(folder / "long", long),
        table,
    ]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened.window


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_the_screen_and_no_column_a_letter_wide(
    pages: list[Path], window: Any, width: int
) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for page in pages:
        window.get(page.as_uri())
        over, beyond = window.execute_script(BEYOND)
        assert (over, beyond) == (0, []), page
        assert window.execute_script(TOO_NARROW) == [], page


def test_the_small_print_of_wide_plots_is_readable_on_a_phone(
    pages: list[Path], window: Any
) -> None:
    metrics = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for page in pages[:3]:
        window.get(page.as_uri())
        widths = window.execute_script(
            "return [...document.querySelectorAll('img.plot')].map(each => "
            "[each.alt, each.clientWidth, each.parentElement.tabIndex])"
        )
        ranking = [each[1:] for each in widths if each[0].startswith("ROC")]
        assert ranking == [[720, 0]]  # nine inches: eight points are nine pixels; the card scrolls
        confusion = [each[1:] for each in widths if each[0].startswith("confusion")]
        assert (confusion == [[720, 0]]) == (page.parent.name != "two")


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_in_the_pages(pages: list[Path], window: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for page in pages:
        window.get(page.as_uri())
        assert not serious_violations(window), page


def test_confused_classes_stand_side_by_side(tmp_path: Path) -> None:
    # the private name: the order and size of a plot can not be read from its PNG
    from train.report.plots import _most_confused, _side_by_side

    evaluation = _evaluation(tuple(f"class {i}" for i in range(33)))
    matrix = np.array(evaluation.metrics["confusion"])
    order = _side_by_side(matrix)
    assert sorted(order) == list(range(33))

    def spread(matrix: np.ndarray) -> float:
        rows, columns = np.nonzero(matrix)
        return float((np.abs(rows - columns) * matrix[rows, columns]).sum())

    assert spread(matrix[np.ix_(order, order)]) < spread(matrix) / 3
    many = np.diag(np.full(1000, 3))
    many[7, 900] = many[900, 7] = 2
    assert {7, 900} <= set(_most_confused(many, 60)) and len(_most_confused(many, 60)) == 60
    with Image.open(plot_confusion(evaluation, tmp_path / "confusion.png")) as image:
        assert min(image.size) > 900


def test_every_class_has_a_curve_and_the_worst_are_named(tmp_path: Path, monkeypatch) -> None:
    from train.report import plots

    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: drawn.append(figure))
    plot_ranking(_evaluation(tuple(f"class {i}" for i in range(33))), tmp_path / "x.png")
    roc = drawn[0].axes[0]
    assert len(roc.lines) == 33 + 1  # and the diagonal
    assert len(roc.get_legend().get_texts()) == 8
    assert "8 of 33 classes" in drawn[0].get_suptitle()


def test_a_terminal_shows_at_most_ten_lines_with_rounded_figures(finished) -> None:
    run, workspace = finished
    evaluated = train.evaluate(
        run.run, workspace=workspace, against=run.folder, costs=train.Costs(missed=20, false=1)
    )
    metrics = _evaluation(tuple(f"class {i}" for i in range(33))).metrics
    many = train.FoldsSummary(
        "run", "5 folds", metrics | {"folds": [0.71, 0.72]}, {}, Path("report.html"), Path("p.csv")
    )
    abroad = replace(evaluated, left_out=3, unreadable={"a.jpg": "a.jpg can't be decoded"})
    assert dict(brief(abroad))["left out"].endswith("trained on, unreadable: 1")
    for found in (run, evaluated, abroad, many):
        rows = brief(found)
        assert len(rows) <= 10
        for name, text in rows:
            assert len(text) < 120, (name, text)
            assert not any(len(word.partition(".")[2]) > 5 for word in text.split(" "))
    assert "lowest of 33 classes" in dict(brief(many))["recall"]
