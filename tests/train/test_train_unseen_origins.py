"""A test split of origins that nothing was learned from, and when a run may say so."""

from __future__ import annotations

import json

import pytest
from training_cases import fill_workspace, tiny_recipe

from bodyshop.cli import main
from bodyshop_core.catalog import now, schema
from bodyshop_core.workspace import Workspace
from train import evaluate_abroad, load_recipe, train, train_damage
from train.data.samples import load_samples
from train.evaluation.abroad.wording import UNSEEN


@pytest.fixture
def apart(workspace: Workspace) -> Workspace:
    """Two origins, too few to leave pairs out: one of the test split, one of the others."""
    fill_workspace(workspace, {"damaged": (8, 4, 4), "whole": (8, 4, 4)})
    rows = [
        {
            "key": item.sha256, "sha256": item.sha256, "source": "import",
            "origin": "new" if item.split == "test" else "old",
            "fetched_at": now(), "tool_version": "test",
        }
        for item in load_samples(workspace).items
    ]  # fmt: skip
    workspace.catalog.upsert(schema.sightings, rows)
    return workspace


def test_a_run_tested_on_new_origins_never_says_that_it_is_not_shown_abroad(
    apart: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = train(apart, tiny_recipe())
    assert summary.metrics[UNSEEN] == ["new"]
    assert summary.abroad["shown"] and "origins" in summary.abroad["why"]
    names = [name for name, _ in summary.lines()]
    assert names == ["abroad: accuracy on test", "abroad: left-out pairs of origins"]
    found = evaluate_abroad(None, apart)
    assert found.shown and found.pairs is None
    for page in (summary.report, summary.folder / "MODEL_CARD.md", found.report):
        assert "not shown abroad" not in page.read_text(encoding="utf-8")
    for words in (["--json"], []):
        with pytest.raises(SystemExit) as ended:
            main([*words, "-w", str(apart.root), "evaluate", "--abroad"])
        told = capsys.readouterr().out
        assert not ended.value.code and "not shown abroad" not in told
        assert json.loads(told)["shown"] if words else "that it did not learn from" in told


def test_a_run_that_starts_from_another_one_does_not_say_what_it_never_learned_from(
    apart: Workspace,
) -> None:
    earlier = train(apart, tiny_recipe(head={"pooling": "average", "layers": [{"dense": 8}] * 2}))
    recipe = load_recipe(
        "head-swap", overrides={"start.run": str(earlier.folder), "stages.0.epochs": 1}
    )
    summary = train(apart, recipe)
    assert UNSEEN not in summary.metrics and not summary.abroad["shown"]
    assert [name for name, _ in summary.lines()] == ["abroad", "home: accuracy"]
    page = summary.report.read_text(encoding="utf-8")
    assert "did not learn from" not in page and "starts from another run" in page
    metrics = json.loads((summary.folder / "metrics.json").read_text("utf-8"))
    metrics["test"][UNSEEN] = ["new"]  # as an older version wrote them
    (summary.folder / "metrics.json").write_text(json.dumps(metrics), "utf-8")
    found = evaluate_abroad(summary.folder, apart)
    assert not found.shown and "starts from another run" in str(found.why)


@pytest.mark.slow
def test_a_damage_model_near_the_shipped_one_does_not_say_what_that_never_learned_from(
    apart: Workspace,
) -> None:
    adapted = train_damage(apart)
    assert UNSEEN not in adapted.metrics and not adapted.abroad["shown"]
    assert [name for name, _ in adapted.lines()] == ["abroad", "home: accuracy"]
    for page in (adapted.report, adapted.folder / "MODEL_CARD.md"):
        text = page.read_text(encoding="utf-8")
        assert "did not learn from" not in text and "doctor --models" in text
    own = train_damage(apart, overrides={"near": "nothing"})
    assert own.metrics[UNSEEN] == ["new"] and own.abroad["shown"]
    assert [name for name, _ in own.lines()] == ["abroad: accuracy on test"]
