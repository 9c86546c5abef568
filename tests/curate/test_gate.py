"""The gate: rules, the feature store, and the real network on pictures everybody has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filling import add_picture, jpeg, photo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import select

import curate
from bodyshop_core.backbones import fingerprint, imagenet_classes
from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError, MissingPartError, UsageError
from bodyshop_core.workspace import Workspace
from curate.gate.categories import CAR, indices, top
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.gate.framing import Framing
from curate.gate.gate import Gate
from curate.gate.probe import SHIPPED, Probe, find_probe, load_probe
from curate.gate.rules import Rule, choose_rule
from curate.gate_fitting.discover import most_frequent
from curate.gate_fitting.evaluate import roc_curve
from curate.gate_fitting.fit import choose_threshold
from curate.gate_fitting.intervals import proportion
from curate.policy import GatePolicy


def seen(*pictures: dict[str, float], features: int = 4) -> FeatureBatch:
    """Probabilities by category name; what is left goes to goldfish."""
    probabilities = np.zeros((len(pictures), 1000), np.float16)
    for row, picture in enumerate(pictures):
        for name, value in picture.items():
            probabilities[row, imagenet_classes().index(name)] = value
        probabilities[row, 1] = 1 - sum(picture.values())
    keys = tuple(f"k{index}" for index in range(len(pictures)))
    return FeatureBatch(keys, np.ones((len(keys), features), np.float16), probabilities, {})


def probe(**changes: object) -> Probe:
    facts: dict[str, object] = {
        "weights": np.array([1.0, -1.0, 0.5, 0.0], np.float32),
        "bias": -0.25,
        "threshold": 0.4,
        "fingerprint": "some-net",
        "card": {"pictures": 3},
    }
    return Probe(**{**facts, **changes})  # type: ignore[arg-type]


def test_top5_passes_on_any_trace_of_a_car_among_the_five_likeliest() -> None:
    rule = choose_rule(GatePolicy(rule="top5"), "net")
    noise = {"tench": 0.3, "hen": 0.2, "drake": 0.1, "otter": 0.05}
    values = rule.p_car(
        seen({"minivan": 0.01, "tench": 0.3}, noise, {**noise, "zebra": 0.04, "grille": 0.03})
    )
    assert (values >= rule.threshold).tolist() == [True, False, False]


def test_mass_sums_all_car_categories() -> None:
    rule = choose_rule(GatePolicy(rule="mass"), "net")
    assert rule.p_car(seen({"minivan": 0.25, "grille": 0.25}))[0] == pytest.approx(0.5, abs=1e-3)


def test_a_railway_coach_is_no_car() -> None:
    assert "passenger car" not in CAR
    assert len(indices(CAR)) == len(CAR)


def test_own_categories_replace_the_shipped_ones_and_change_the_id() -> None:
    own = choose_rule(GatePolicy(rule="top5", categories=("goldfish",)), "net")
    assert own.p_car(seen({}))[0] == pytest.approx(1)
    assert own.id != choose_rule(GatePolicy(rule="top5"), "net").id


def test_an_unknown_category_names_the_nearest_ones() -> None:
    rule = choose_rule(GatePolicy(rule="top5", categories=("minivann",)), "net")
    with pytest.raises(UsageError, match="minivan"):
        rule.p_car(seen({}))


def test_weights_without_a_top_need_a_probe_and_the_message_says_how() -> None:
    blind = FeatureBatch(("k",), np.ones((1, 4), np.float16), None, {})
    for name in ("top5", "mass"):
        with pytest.raises(MissingPartError, match="gate fit"):
            choose_rule(GatePolicy(rule=name), "net").p_car(blind)  # type: ignore[arg-type]
    assert Rule("probe", 0.5, probe=probe()).p_car(blind).shape == (1,)


def test_rule_probe_without_a_probe_says_how_to_make_one() -> None:
    with pytest.raises(MissingPartError, match="bodyshop gate fit"):
        choose_rule(GatePolicy(rule="probe"), "unheard-of")
    assert choose_rule(GatePolicy(), "unheard-of").name == "top5"


def test_a_probe_of_another_backbone_is_refused(tmp_path: Path) -> None:
    probe().save(tmp_path / "p.npz")
    with pytest.raises(MissingPartError, match="fitted on some-net"):
        choose_rule(GatePolicy(rule="probe", probe=tmp_path / "p.npz"), "other-net")


def test_a_probe_survives_the_disk_and_json(tmp_path: Path) -> None:
    made = probe(part_weights=np.array([0, 1, 0, 0], np.float32), part_bias=0.5)
    made.save(tmp_path / "p.npz")
    read = load_probe(tmp_path / "p.npz")
    again = Probe.from_dict(json.loads(json.dumps(made.as_dict())))
    features = np.random.default_rng(1).normal(size=(5, 4))
    for other in (read, again):
        assert other.digest == made.digest
        np.testing.assert_allclose(other.p_car(features), made.p_car(features), atol=1e-6)
        np.testing.assert_allclose(other.p_part(features), made.p_part(features), atol=1e-6)
    assert read.card == {"pictures": 3}


def test_a_shipped_probe_that_is_not_installed_is_an_error_and_no_other_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.gate.probe.resources.files", lambda _: tmp_path)
    name = fingerprint("efficientnet-lite0")
    with pytest.raises(MissingPartError, match=r"efficientnet-lite0\.npz is not in this"):
        choose_rule(GatePolicy(), name)
    with pytest.raises(MissingPartError, match="is not in this installation"):
        curate.open_gate(Workspace.open(tmp_path / "w"), policy=None)
    assert choose_rule(GatePolicy(), "vgg16-0123-p1").name == "top5"  # none is shipped for it


def test_every_shipped_probe_is_there_for_its_backbone() -> None:
    for name in SHIPPED:
        probe = find_probe(fingerprint(name))
        assert probe is not None and probe.fingerprint == fingerprint(name)


def test_features_of_an_erased_picture_do_not_come_back(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, erased = (add_picture(workspace, photo(seed)) for seed in range(2))
    gate = curate.open_gate(workspace)

    def extract(_scorer: object, files: list[tuple[str, Path]], **_: object) -> Iterator[Any]:
        batch = seen({"minivan": 0.5}, {"cab": 0.5}, features=1280)
        with workspace.catalog.begin() as connection:
            images = schema.images
            connection.execute(images.delete().where(images.c.sha256 == erased))
        yield FeatureBatch(tuple(key for key, _ in files), batch.features, batch.probabilities, {})

    monkeypatch.setattr(Gate, "load", lambda _: None)
    monkeypatch.setattr("curate.gate.stage.extract_features", extract)
    curate.score(workspace, gate)
    assert FeatureStore(workspace.features / gate.fingerprint).keys() == {kept}
    with workspace.catalog.read() as connection:
        assert connection.scalars(select(schema.gate_scores.c.sha256)).all() == [kept]


def test_a_file_that_is_no_probe_is_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "p.npz"
    bad.write_bytes(b"not a zip")
    with pytest.raises(BodyshopError, match=r"p\.npz is not a probe"):
        load_probe(bad)
    with pytest.raises(BodyshopError, match="there is no probe"):
        load_probe(tmp_path / "none.npz")


def test_brightness_of_the_features_does_not_matter_to_a_probe() -> None:
    features = np.random.default_rng(1).normal(size=(5, 4))
    np.testing.assert_allclose(probe().p_car(features), probe().p_car(3 * features), atol=1e-6)


def test_framing_by_classes_tells_interior_part_and_whole() -> None:
    told = Framing().classify(
        seen({"seat belt": 0.6}, {"minivan": 0.7}, {"car wheel": 0.5, "minivan": 0.31}, {})
    )
    assert told == ["interior", "full", "part", "part"]


def test_framing_by_probe_outweighs_the_classes() -> None:
    part = Framing(probe(part_weights=np.zeros(4, np.float32), part_bias=3.0))
    assert part.classify(seen({"minivan": 0.9})) == ["part"]
    blind = FeatureBatch(("k",), np.ones((1, 4), np.float16), None, {})
    assert part.classify(blind) == ["part"]
    assert Framing().classify(blind) == [None]


def test_the_feature_store_gives_back_what_went_in(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    first = seen({"minivan": 0.5}, {"cab": 0.5})
    store.add(first)
    store.add(FeatureBatch((), np.empty((0, 0), np.float16), None, {"broken": "truncated"}))
    assert store.keys() == {"k0", "k1", "broken"}
    back = store.load()
    assert back.keys == ("k0", "k1")
    np.testing.assert_array_equal(back.probabilities, first.probabilities)
    assert back.errors == {"broken": "truncated"}
    assert store.load(["k1"]).keys == ("k1",)
    assert store.forget("k0") == 1
    assert store.load().keys == ("k1",)


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    path = store.add(seen({}))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BodyshopError, match=path.name):
        store.load()


def test_the_most_frequent_classes_are_ordered_by_count_then_by_probability() -> None:
    probabilities = np.zeros((3, 1000), np.float32)
    for picture, classes in enumerate(([5, 7, 10, 11, 12], [5, 7, 9, 13, 14], [5, 9, 15, 16, 17])):
        probabilities[picture, classes] = 0.01
    probabilities[:, 5] = 0.3
    probabilities[1:, 9] = 0.4
    top5 = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    chosen, counts, sums = most_frequent(probabilities, top5, 3)
    assert chosen == [5, 9, 7]  # three times; twice with 0.8; twice with 0.02
    assert counts[[5, 9, 7]].tolist() == [3, 2, 2]
    assert sums[[5, 9, 7]] == pytest.approx([0.9, 0.8, 0.02], abs=1e-5)


def test_top_lists_names_with_probabilities() -> None:
    assert top(seen({"minivan": 0.75}).probabilities[0].tolist(), 2) == [  # type: ignore[index]
        ("minivan", 0.75),
        ("goldfish", 0.25),
    ]


@given(st.lists(st.floats(0, 1), min_size=1), st.lists(st.floats(0, 1), min_size=1))
def test_the_roc_area_is_the_chance_that_a_car_scores_higher(
    good: list[float], bad: list[float]
) -> None:
    area, curve = roc_curve(good, bad)
    wins = sum((g > b) + (g == b) / 2 for g in good for b in bad) / (len(good) * len(bad))
    assert area == pytest.approx(wins, abs=2e-5)
    recalls = [point["recall"] for point in curve]
    assert recalls == sorted(recalls, reverse=True)


@given(st.integers(0, 500), st.integers(1, 500))
def test_an_interval_holds_its_share(k: int, n: int) -> None:
    k = min(k, n)
    row = proportion(k, n)
    assert 0 <= row["ci95"][0] <= row["share"] + 1e-5
    assert row["share"] - 1e-5 <= row["ci95"][1] <= 1


def test_the_interval_agrees_with_the_published_example() -> None:
    """Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662."""
    assert proportion(81, 263)["ci95"] == pytest.approx([0.2553, 0.3662], abs=1e-4)


def test_the_threshold_accepts_at_most_one_in_two_hundred_rejects() -> None:
    random = np.random.default_rng(0)
    good, bad = random.beta(8, 2, 500).tolist(), random.beta(2, 8, 1000).tolist()
    threshold = choose_threshold(good, bad)
    assert sum(value >= threshold for value in bad) <= 5
    assert sum(value >= threshold - 0.02 for value in bad) > 5


def test_between_well_separated_kinds_the_threshold_lies_in_the_middle() -> None:
    assert choose_threshold([0.9] * 100, [0.1] * 100) == pytest.approx(0.5, abs=1e-3)


@pytest.fixture(scope="module")
def zoo() -> dict[str, bytes]:
    """A cat, an espresso, an astronaut: pictures that come with scikit-image."""
    from skimage import data

    return {
        name: jpeg(Image.fromarray(getattr(data, name)()))
        for name in ("chelsea", "coffee", "astronaut")
    }


def test_the_real_network_scores_a_workspace_and_resumes(
    workspace: Workspace, zoo: dict[str, bytes]
) -> None:
    shas = {name: add_picture(workspace, data) for name, data in zoo.items()}
    broken = add_picture(workspace, zoo["chelsea"][:2000])
    summary = curate.score(workspace)
    assert (summary.pictures, summary.scored, summary.errors) == (4, 4, 1)
    table = schema.gate_scores
    with workspace.catalog.read() as connection:
        rows = {row.sha256: row for row in connection.execute(select(table))}
    assert rows[shas["chelsea"]].top5[0][0] in {"Egyptian cat", "tabby"}
    assert rows[shas["coffee"]].top5[0][0] == "espresso"
    assert all(rows[sha].p_car < summary.threshold for sha in shas.values())
    assert "decoded" in rows[broken].error
    again = curate.score(workspace)
    assert again.scored == 0
    mass = curate.Policy.model_validate({"gate": {"rule": "mass"}})
    other = curate.score(workspace, policy=mass)
    assert other.scored == 0, "another rule needs no second look"
    assert other.gate != summary.gate


def test_a_gate_from_json_judges_like_the_one_it_came_from(
    workspace: Workspace, zoo: dict[str, bytes], tmp_path: Path
) -> None:
    gate = curate.open_gate(workspace)
    again = Gate.from_dict(json.loads(json.dumps(gate.as_dict())))
    assert again.id == gate.id
    file = tmp_path / "cat.jpg"
    file.write_bytes(zoo["chelsea"])
    answers = again.judge([file, zoo["coffee"], b"nothing", photo(1)])
    assert [answer.is_car for answer in answers[:3]] == [False, False, False]
    assert answers[2].error is not None
    assert answers[0].top5[0][0] in {"Egyptian cat", "tabby"}


def test_a_gate_with_other_weights_is_refused() -> None:
    facts = {
        "backbone": "efficientnet-lite0",
        "fingerprint": "efficientnet-lite0-0000-p1",
        "weights": None,
        "probe": None,
        "framing": None,
    }
    with pytest.raises(MissingPartError, match="same weights"):
        Gate.from_dict(facts)


def test_the_shipped_probe_fits_the_default_gate_and_is_the_default_rule(
    workspace: Workspace,
) -> None:
    name = fingerprint("efficientnet-lite0")
    shipped = find_probe(name)
    assert shipped is not None
    assert shipped.part_weights is not None
    assert curate.open_gate(workspace).rule.name == "probe"
    card, unseen = shipped.card["out_of_fold"], shipped.card["unseen"]
    cars = [card["accept"][name] for name in ("data1a damaged", "data1a whole whole")]
    assert sum(row["k"] for row in cars) >= 0.989 * sum(row["n"] for row in cars)
    assert card["reject"]["imagenet no car"]["k"] <= 0.005 * card["reject"]["imagenet no car"]["n"]
    easy = [row for name, row in card["reject"].items() if "cse151" not in name]
    assert sum(row["k"] for row in easy) <= 0.005 * sum(row["n"] for row in easy)
    assert unseen.keys() == card["accept"].keys() | card["reject"].keys()
    for name in card["accept"]:
        assert unseen[name]["share"] >= 0.91, name
    for name in card["reject"]:
        assert unseen[name]["k"] <= 1, name  # trucks, buses and motorcycles are among them
