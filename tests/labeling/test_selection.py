"""Selection of the pictures to label."""

from __future__ import annotations

import pytest

from bodyshop_core.catalog import add_labels, now, schema
from bodyshop_core.errors import NothingFoundError
from labeling.records.selection import Selection, select_pictures
from labeling.sync.questions import questions


@pytest.fixture
def curated(workspace, add):
    """Four pictures: kept close-up, kept full view, reject near the line, duplicate."""
    shas = [add(40, 30, seed=n) for n in range(4)]
    facts = [
        ("keep", [], "part", 0.9), ("keep", [], "full", 0.99),
        ("reject", ["not_a_car"], "full", 0.45), ("reject", ["near_duplicate"], "full", 0.9),
    ]  # fmt: skip
    workspace.catalog.upsert(
        schema.verdicts,
        [
            {"sha256": sha, "verdict": verdict, "reasons": reasons, "policy": "p", "gate": "g",
             "human": False, "decided_at": now()}
            for sha, (verdict, reasons, _, _) in zip(shas, facts, strict=True)
        ],
    )  # fmt: skip
    workspace.catalog.upsert(
        schema.gate_scores,
        [
            {"sha256": sha, "gate": "g", "p_car": p_car, "framing": framing}
            for sha, (_, _, framing, p_car) in zip(shas, facts, strict=True)
        ],
    )
    add_labels(workspace.catalog, [(shas[0], "damage", "damaged", "import", "")])
    return shas


def test_a_damage_project_contains_kept_pictures(workspace, curated):
    assert select_pictures(workspace, "damage", Selection()) == sorted(curated[:2])
    assert select_pictures(workspace, "damage", Selection(framing="part")) == [curated[0]]
    assert select_pictures(workspace, "damage", Selection(label="damaged")) == [curated[0]]
    assert select_pictures(workspace, "damage", Selection(everything=True)) == sorted(curated)


def test_a_review_contains_borderline_rejects_without_a_decision(workspace, curated):
    assert select_pictures(workspace, "review", Selection()) == [curated[2]]
    assert select_pictures(workspace, "review", Selection(reasons=("near_duplicate",))) == [
        curated[3]
    ]
    row = {"sha256": curated[2], "decision": "keep", "framing": None, "note": None,
           "by": "cli", "at": now()}  # fmt: skip
    workspace.catalog.upsert(schema.decisions, [row])
    with pytest.raises(NothingFoundError, match="borderline and without a decision"):
        select_pictures(workspace, "review", Selection())


def test_a_split_is_that_of_the_newest_set_or_of_the_one_named(workspace, curated):
    for number, split in enumerate(("train", "test")):
        sets = {"name": f"s{number}", "target": "damage", "seed": 1, "ratios": {}, "options": {},
                "created_at": "2026-01-01", "revision": number}  # fmt: skip
        workspace.catalog.upsert(schema.split_sets, [sets])
        row = {"split_set": f"s{number}", "sha256": curated[0], "split": split,
               "label": "damaged", "group": "g"}  # fmt: skip
        workspace.catalog.upsert(schema.splits, [row])
    assert select_pictures(workspace, "damage", Selection(split="test")) == [curated[0]]
    assert select_pictures(workspace, "damage", Selection(split="train", split_set="s0")) == [
        curated[0]
    ]
    with pytest.raises(NothingFoundError, match="split train"):
        select_pictures(workspace, "damage", Selection(split="train"))


def test_annotated_and_skipped_pictures_are_not_selected_by_uncertainty(workspace, curated):
    part, full = curated[:2]
    asked = []

    def uncertainties(pictures):
        asked.append([picture.sha256 for picture in pictures])
        return {part: 0.1, full: 0.4}

    assert select_pictures(workspace, "damage", Selection(), uncertainty=uncertainties) == [
        full,
        part,
    ]
    for sha, state in ((full, "skipped"), (part, "superseded")):
        row = {"key": sha, "sha256": sha, "project": "damage", "instance": "srv", "remote_id": 1,
               "annotator": "ana", "kind": "choices", "state": state,
               "updated_at": now()}  # fmt: skip
        assert part in select_pictures(
            workspace, "damage", Selection(limit=2), uncertainty=uncertainties
        )
        workspace.catalog.upsert(schema.annotations, [row])
    assert asked[-1] == [part]
    assert len(select_pictures(workspace, "damage", Selection())) == 2
    with pytest.raises(NothingFoundError, match="all 2 matching pictures were annotated"):
        select_pictures(workspace, "damage", Selection(), uncertainty=uncertainties)


def test_without_pictures_or_verdicts_the_message_names_the_missing_step(workspace, add):
    with pytest.raises(NothingFoundError, match="bodyshop import FOLDER"):
        select_pictures(workspace, "damage", Selection())
    add(40, 30)
    with pytest.raises(NothingFoundError, match="bodyshop curate first"):
        select_pictures(workspace, "damage", Selection())


def test_the_question_of_a_review_shows_the_verdict_and_its_reasons(workspace, curated):
    asked = questions(workspace, curated)
    assert asked[curated[2]] == "Keep this picture? The policy says reject: not a car. Car: 45%."
    assert asked[curated[0]].endswith("Label: damaged.")


def test_pictures_of_one_origin_can_be_selected(workspace, curated):
    sighting = {"key": "k", "sha256": curated[1], "source": "import", "origin": "dealer",
                "fetched_at": now(), "tool_version": "test"}  # fmt: skip
    workspace.catalog.upsert(schema.sightings, [sighting])
    assert select_pictures(workspace, "damage", Selection(origin="dealer")) == [curated[1]]
    with pytest.raises(NothingFoundError, match="with origin yard"):
        select_pictures(workspace, "damage", Selection(origin="yard"))
