"""Fitting, discovering and evaluating gates: on numbers, and on real photos with the network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filling import add_folder, add_picture, photo, resaved

import curate
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import ConfigError, MissingPartError, NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace
from curate.gate.probe import load_probe
from curate.gate_fitting.discover import CategoryDiscovery

# _reviewed: which reviews become examples, without fitting a gate to them
# the private name: review answers are read within a fit that takes minutes
from curate.gate_fitting.fit import FitSummary, _reviewed, fit_gate, folder_examples
from curate.gate_fitting.framing import fit_framing, read_framing
from curate.gate_fitting.groups import Example, group_examples
from curate.gate_fitting.intervals import proportion
from curate.gate_fitting.logistic import fit_logistic
from curate.gate_fitting.make_probe import PROBES
from curate.gate_fitting.make_probe import main as make_probe
from curate.gate_fitting.unseen_source import evaluate_unseen
from curate.gate_fitting.views import VIEWS, varied


def separable(n: int, seed: int = 0) -> tuple[np.ndarray, list[bool]]:
    random = np.random.default_rng(seed)
    positive = [index % 2 == 0 for index in range(n)]
    features = random.normal(size=(n, 6)).astype(np.float32)
    features[:, 0] += np.where(positive, 3, -3)
    return features, positive


def test_out_of_fold_chances_come_from_a_fit_that_did_not_see_the_group() -> None:
    """With random labels and twins in one fold, nothing can be learned by heart."""
    random = np.random.default_rng(1)
    base = random.normal(size=(60, 40)).astype(np.float32)
    features = np.repeat(base, 2, axis=0)
    positive = np.repeat(random.random(60) < 0.5, 2).tolist()
    groups = np.repeat(np.arange(60), 2).tolist()
    _, _, chances = fit_logistic(features, positive, groups, 0)
    together = np.mean((chances >= 0.5) == np.array(positive))
    _, _, leaky = fit_logistic(features, positive, list(range(120)), 0)
    apart = np.mean((leaky >= 0.5) == np.array(positive))
    assert together < 0.7
    assert apart > 0.75


def test_a_clear_difference_is_learned() -> None:
    features, positive = separable(80)
    weights, bias, chances = fit_logistic(features, positive, list(range(80)), 0)
    assert np.mean((chances >= 0.5) == np.array(positive)) > 0.95
    assert np.mean((features @ weights + bias > 0) == np.array(positive)) > 0.95


def test_framing_needs_labels_of_both_kinds() -> None:
    features, positive = separable(40)
    told = [(index, "part" if positive[index] else "full") for index in range(40)]
    fit = fit_framing(told, features, list(range(40)), range(40), 0)
    assert fit.weights is not None
    assert fit.figures["part"]["n"] == 20
    assert fit_framing(told[:3], features, list(range(40)), range(40), 0).weights is None
    assert fit_framing([(0, None)], features, list(range(40)), range(40), 0).figures == {}


def test_framing_labels_are_matched_by_the_end_of_the_path(tmp_path: Path) -> None:
    examples = [
        Example(tmp_path / "a" / "1.jpg", True, "a"),
        Example(tmp_path / "b" / "1.jpg", True, "b"),
    ]
    labels = tmp_path / "framing.csv"
    labels.write_text("file,framing\nb/1.jpg,part\n")
    assert read_framing(labels, examples) == {tmp_path / "b" / "1.jpg": "part"}
    labels.write_text("file,framing\nb/1.jpg,half\n")
    with pytest.raises(ConfigError, match=r"framing\.csv:2"):
        read_framing(labels, examples)
    with pytest.raises(ConfigError, match="can't be read"):
        read_framing(tmp_path / "none.csv", examples)


def test_near_duplicates_share_a_fold(tmp_path: Path) -> None:
    for name, data in (("a", photo(1)), ("b", resaved(photo(1))), ("c", photo(2))):
        (tmp_path / f"{name}.jpg").write_bytes(data)
    first, second, third = group_examples(folder_examples(tmp_path, accept=True))
    assert first == second != third


def test_views_differ_in_size_and_are_the_same_for_the_same_seed() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    first = dict(varied(rgb, 5))
    second = dict(varied(rgb, 5))
    assert tuple(first) == VIEWS
    assert all(np.array_equal(first[name], second[name]) for name in VIEWS)
    assert max(first["equalised"].shape) == 256
    tiny = dict(varied(rgb[:8, :8], 5))
    assert all(view.size for view in tiny.values())


def test_a_source_is_judged_by_a_fit_that_saw_none_of_it() -> None:
    random = np.random.default_rng(0)
    sources = ["cars"] * 40 + ["vans"] * 40 + ["cats"] * 40 + ["odd"] * 10
    accepted = [name in {"cars", "vans"} for name in sources]
    features = random.normal(0, 0.1, (130, 4)).astype(np.float32)
    features[:, 0] += np.where([name == "cats" for name in sources], -1, 1)
    features[:, 1] += np.where(accepted, 0, 1)
    # Who has seen cats alone takes the odd ones for cars.
    found = evaluate_unseen(features, accepted, range(130), sources, range(130), 7)
    assert {name: (row["k"], row["n"]) for name, row in found.items()} == {
        "cars": (40, 40),
        "vans": (40, 40),
        "cats": (0, 40),
        "odd": (10, 10),
    }


def test_near_duplicates_of_a_judged_source_are_left_out_of_its_fit() -> None:
    sources = ["cars"] * 10 + ["copies"] * 10 + ["cats"] * 10
    groups = [*range(10), *range(10), *range(20, 30)]
    features = np.ones((30, 2), np.float32)
    accepted = [name != "cats" for name in sources]
    # Without the copies there is no car left to fit on.
    assert evaluate_unseen(features, accepted, groups, sources, range(30), 7) == {}


def test_nothing_to_learn_from_is_said_before_the_network_is_loaded(
    workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no examples to fit"):
        fit_gate(workspace)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingFoundError, match="no picture in"):
        fit_gate(workspace, accept=[tmp_path / "empty"], reject=[tmp_path / "empty"])
    (tmp_path / "empty" / "1.jpg").write_bytes(photo(1))
    with pytest.raises(NothingFoundError, match="too few"):
        fit_gate(workspace, accept=[tmp_path / "empty"], reject=[tmp_path / "empty"])


def some(source: Path, destination: Path, count: int) -> Path:
    destination.mkdir(parents=True)
    for path in sorted(source.iterdir())[:count]:
        shutil.copy(path, destination)
    return destination


@pytest.fixture(scope="module")
def folders(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("examples")
    cars = some(real_data / "damage" / "training" / "damaged", root / "cars", 24)
    return cars, some(real_data / "not_car", root / "others", 24)


@pytest.mark.slow
def test_a_probe_is_made_with_its_card_and_the_workspace_uses_its_own(
    workspace: Workspace, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    cars, others = folders
    sources = tmp_path / "sources.md"
    sources.write_text("## Sources\n\nA few photos.\n")
    summary = make_probe(
        [
            *("--accept", str(cars), "--reject", str(others)),
            *("--sources", str(sources), "--out", str(tmp_path)),
        ]
    )
    card = (tmp_path / "efficientnet-lite0.md").read_text()
    assert "A few photos." in card
    assert f"{summary.accept['cars']['k']} of 24" in card
    assert summary.accept["cars"]["k"] >= 22
    assert summary.reject["others"]["k"] <= 2
    own = fit_gate(workspace, accept=[cars], reject=[others])
    assert curate.open_gate(workspace).rule.probe is not None
    assert curate.open_gate(workspace).rule.id.endswith(load_probe(Path(own.probe)).digest)


def test_a_blurred_car_that_a_person_rejected_is_no_example_of_no_car(workspace: Workspace) -> None:
    decided, verdicts = [], []
    for seed, (decision, reasons) in enumerate(
        [
            ("keep", ["blurry"]),
            ("reject", ["human_reject", "blurry"]),
            ("reject", ["human_reject"]),
            ("reject", ["not_a_car", "human_reject"]),
            ("reject", None),  # never curated
        ]
    ):
        sha256 = add_picture(workspace, photo(seed))
        row = {"sha256": sha256, "decision": decision, "framing": None, "note": None}
        decided.append({**row, "by": "labelstudio:ann@example.org", "at": now()})
        if reasons is not None:
            verdict = {"sha256": sha256, "verdict": "reject", "reasons": reasons, "details": {}}
            more = dict.fromkeys(("cluster", "representative", "group"))
            more |= {"policy": "p", "gate": "g", "human": True, "decided_at": now()}
            verdicts.append({**verdict, **more})
    workspace.catalog.upsert(schema.decisions, decided)
    workspace.catalog.upsert(schema.verdicts, verdicts)
    learned = {one.path.stem: one.accept for one in _reviewed(workspace)}
    told = [learned.get(str(row["sha256"])) for row in decided]
    assert told == [True, None, False, False, False]


def test_the_shipped_probe_is_made_by_a_module_that_runs_and_knows_its_folder() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "curate.gate_fitting.make_probe", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--framing" in done.stdout
    assert (PROBES / "efficientnet-lite0.npz").is_file()


@pytest.mark.slow
def test_a_gate_learns_from_peoples_decisions(
    workspace: Workspace, folders: tuple[Path, Path]
) -> None:
    cars, others = folders
    rows = []
    for folder, decision in ((cars, "keep"), (others, "reject")):
        for sha256 in add_folder(workspace, sorted(folder.iterdir())[:12]):
            row = {"sha256": sha256, "decision": decision, "framing": None, "note": None}
            rows.append({**row, "by": "labelstudio:ann@example.org", "at": now()})
    workspace.catalog.upsert(schema.decisions, rows)
    summary = fit_gate(workspace, from_review=True)
    assert summary.accept["human review"]["n"] == 12
    assert summary.reject["human review"]["n"] == 12


@pytest.mark.long
def test_vgg16_without_its_top_works_by_probe_and_only_by_probe(
    workspace: Workspace, folders: tuple[Path, Path], real_weights: Path
) -> None:
    cars, others = folders
    weights = real_weights / "vgg16_notop.weights.h5"
    for folder, label in ((cars, "damaged"), (others, None)):
        add_folder(workspace, sorted(folder.iterdir())[:8], label=label)
    with pytest.raises(MissingPartError, match="no 1,000-class top") as raised:
        curate.curate(workspace, gate="vgg16", weights=weights)
    assert raised.value.exit_code == 5
    summary = fit_gate(workspace, accept=[cars], reject=[others], gate="vgg16", weights=weights)
    assert summary.accept["cars"]["k"] >= 21
    curated = curate.curate(workspace, gate="vgg16", weights=weights)
    assert curated.gate["rule"] == "probe"
    assert 6 <= curated.reasons["not_a_car"] <= 10
    assert curate.load_gate(workspace).backbone == "vgg16"


def test_what_discover_and_fit_print_says_k_of_n() -> None:
    row = {"name": "minivan", "pictures": 60, "probability": 11.0}
    found = CategoryDiscovery("net", 60, (row,), proportion(1, 60), proportion(3, 60))
    said = found.notes()[0]
    assert "1 of 60 1.67 %" in said
    assert "3 of 60 5.00 %" in said
    groups = {"accept": {"cars": proportion(59, 60)}, "reject": {"others": proportion(0, 60)}}
    unseen = {"others": proportion(2, 60)}
    fitted = FitSummary("p.npz", "net", 0.25, **groups, framing={}, unseen=unseen)
    assert [row[:3] for row in fitted.rows()] == [
        ("cars", "accept", "59 of 60"),
        ("others", "reject", "0 of 60"),
        ("others, held out", "reject", "2 of 60"),
    ]
    assert all(len(row) == len(fitted.columns) for row in fitted.rows())
    assert fitted.notes()[0] == "p.npz: a probability of 0.25 or more is accepted."
    assert "relied" not in " ".join(fitted.notes())


def test_a_fit_that_guesses_about_what_it_has_not_seen_says_so() -> None:
    groups = {"accept": {"clean": proportion(7, 20)}, "reject": {"marked": proportion(3, 20)}}
    fitted = FitSummary("p.npz", "net", 0.25, **groups, framing={}, unseen={})
    (said,) = (note for note in fitted.notes() if "relied" in note)
    assert "35% of those to accept and rejects 85% of those to reject" in said


@pytest.mark.slow
def test_discover_finds_car_categories_and_counts_what_they_miss(real_data: Path) -> None:
    found = curate.discover_categories(real_data / "damage" / "validation" / "whole", count=50)
    names = [row["name"] for row in found.categories]
    assert {"minivan", "sports car", "beach wagon"} <= set(names[:8])
    assert found.not_recognised["k"] == 0
    assert found.held_out["n"] == found.pictures == 120
    assert len(found.rows()[0]) == len(found.columns)


@pytest.mark.slow
def test_evaluate_counts_per_folder(workspace: Workspace, folders: tuple[Path, Path]) -> None:
    cars, others = folders
    result = curate.evaluate_gate(workspace, accept=[cars], reject=[others])
    assert result.recall["cars"]["n"] == 24
    assert result.recall["cars"]["k"] >= 23
    assert result.false_accepts["others"]["k"] <= 1
    assert result.auc > 0.99
    assert len(result.rows()[0]) == len(result.columns)


@pytest.mark.slow
def test_dask_workers_score_like_this_process(workspace: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    for seed in range(6):
        add_picture(workspace, photo(seed))
    add_picture(workspace, photo(9)[:300])
    other = Workspace.open(shutil.copytree(workspace.root, tmp_path / "other"))
    here = curate.score(workspace)
    there = curate.score(other, engine="dask", workers=1)
    assert (here.scored, here.errors) == (there.scored, there.errors) == (7, 1)
    rows = []
    for one in (workspace, other):
        with one.catalog.read() as connection:
            table = schema.gate_scores
            query = table.select().order_by(table.c.sha256)
            rows.append(list(connection.execute(query)))
    for one, two in zip(*rows, strict=True):
        assert (one.sha256, one.gate, one.framing, one.error) == (
            *(two.sha256, two.gate, two.framing, two.error),
        )
        assert one.p_car == pytest.approx(two.p_car, abs=1e-3)
