"""The consensus of one, several or contradicting annotators."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, effective_labels, schema
from labeling.consensus.agreement import cohens_kappa, measure_agreement
from labeling.consensus.update import update_consensus
from labeling.formats.mask_file import read_mask
from labeling.formats.shapes import Shape
from labeling.records.annotations import Annotation, current_masks, mark_deleted, store_annotations
from labeling.records.regions import current_instances


def box(left, right, width=40, height=30):
    mask = np.zeros((height, width), bool)
    mask[:, left:right] = True
    return mask


@pytest.fixture
def say(workspace):
    """say(sha256, annotator, masks=…, …): one annotation arrives; the next id is its remote id."""
    count = iter(range(1, 100))

    def _say(sha256, annotator, *, instance="srv", remote_id=None, at="2026-01-01", **said):
        remote_id = next(count) if remote_id is None and instance else remote_id
        annotation = Annotation(
            sha256, "damage", instance, remote_id, annotator, f"{at}T00:00:00.000000+00:00", **said
        )
        with workspace.catalog.begin() as connection:
            update_consensus(
                connection, workspace, store_annotations(connection, workspace, [annotation])
            )
        return remote_id

    return _say


def drawn(workspace, sha256):
    files = current_masks(workspace).get(sha256, {})
    return {label: read_mask(workspace.root / file) for label, file in files.items()}


def states(workspace):
    table = schema.annotations
    with workspace.catalog.read() as connection:
        return [
            (row.annotator, row.label, row.state)
            for row in connection.execute(select(table).order_by(table.c.annotator, table.c.label))
        ]


def decision(workspace, sha256):
    table = schema.decisions
    with workspace.catalog.read() as connection:
        return connection.execute(select(table).where(table.c.sha256 == sha256)).one_or_none()


def damage(workspace, sha256):
    return effective_labels(workspace.catalog, Field.DAMAGE).get(sha256)


def test_masks_of_a_single_annotator_are_used_as_drawn(workspace, add, say):
    sha = add()
    say(sha, "ana", masks={"dent": box(0, 9), "scratch": box(5, 20)})
    masks = drawn(workspace, sha)
    assert np.array_equal(masks["dent"], box(0, 9))
    assert np.array_equal(masks["scratch"], box(5, 20))
    assert damage(workspace, sha).value == "damaged"


def test_three_annotators_give_a_majority_mask_and_keep_their_own(workspace, add, say):
    sha = add()
    for name, right in (("ana", 10), ("bo", 14), ("cy", 20)):
        say(sha, name, masks={"dent": box(0, right)})
    assert np.array_equal(drawn(workspace, sha)["dent"], box(0, 14))
    rows = [row for row in states(workspace) if row[1] == "dent"]
    assert ("consensus", "dent", "current") in rows
    assert [row[2] for row in rows].count("superseded") == 3


def test_what_the_closest_annotator_lacks_keeps_the_severity_that_others_gave(workspace, add, say):
    sha = add()
    pieces = {"minor": box(0, 8), "moderate": box(12, 20), "severe": box(28, 36)}
    for name, drew in (("ana", ("minor", "moderate")), ("bo", ("minor", "severe")),
                       ("cy", ("moderate", "severe"))):  # fmt: skip
        shapes = [
            Shape("dent", mask=pieces[each], kind="mask", severity=each, part=f"{each} part")
            for each in drew
        ]
        say(sha, name, shapes=shapes, size=(40, 30))
    found = {s.severity: s for s in current_instances(workspace)[sha].shapes()}
    assert set(found) == set(pieces)
    for severity, shape in found.items():
        assert shape.part == f"{severity} part"
        assert np.array_equal(shape.mask, pieces[severity])


def test_two_annotators_have_to_agree_on_a_pixel(workspace, add, say):
    sha = add()
    say(sha, "ana", masks={"dent": box(0, 10), "scratch": box(30, 40)})
    say(sha, "bo", masks={"dent": box(5, 20)})
    masks = drawn(workspace, sha)
    assert np.array_equal(masks["dent"], box(5, 10))
    assert "scratch" not in masks


def test_deleting_an_annotation_restores_the_mask_of_the_other_annotator(workspace, add, say):
    sha = add()
    say(sha, "ana", masks={"dent": box(0, 10)})
    gone = say(sha, "bo", masks={"dent": box(5, 20)})
    with workspace.catalog.begin() as connection:
        update_consensus(connection, workspace, mark_deleted(connection, "srv", [gone]))
    assert np.array_equal(drawn(workspace, sha)["dent"], box(0, 10))


def test_an_updated_annotation_loses_the_classes_it_no_longer_has(workspace, add, say):
    sha = add()
    same = say(sha, "ana", masks={"dent": box(0, 10), "crack": box(0, 3)})
    say(sha, "ana", remote_id=same, at="2026-01-02", masks={"dent": box(0, 12)})
    masks = drawn(workspace, sha)
    assert set(masks) == {"dent"}
    assert np.array_equal(masks["dent"], box(0, 12))


def test_an_annotator_with_a_new_e_mail_address_has_one_vote(workspace, add, say):
    sha = add()
    same = say(sha, "ana@old.example.com", masks={"dent": box(0, 10)})
    mask = {"dent": box(20, 30)}
    say(sha, "ana@new.example.com", remote_id=same, at="2026-01-02", masks=mask)
    assert np.array_equal(drawn(workspace, sha)["dent"], box(20, 30))
    assert ("consensus", "dent", "current") not in states(workspace)


def test_the_newest_annotation_of_an_annotator_counts(workspace, add, say):
    sha = add()
    say(sha, "ana", at="2026-01-02", masks={"dent": box(0, 10)})
    say(sha, "ana", at="2026-01-01", masks={"dent": box(20, 30)})
    assert np.array_equal(drawn(workspace, sha)["dent"], box(0, 10))


def test_drawn_masks_replace_imported_ones(workspace, add, say):
    sha = add()
    say(sha, "import:x", instance="", at="2026-02-01", masks={"dent": box(0, 30)})
    assert np.array_equal(drawn(workspace, sha)["dent"], box(0, 30))
    say(sha, "ana", masks={"dent": box(0, 10)})
    assert np.array_equal(drawn(workspace, sha)["dent"], box(0, 10))


def test_drawn_masks_replace_masks_without_choices(workspace, add, say):
    sha = add()
    plain = {
        "key": "demo", "sha256": sha, "project": "showroom", "annotator": "showroom",
        "kind": "mask", "label": "dent", "file": "masks/x.png", "state": "current",
        "updated_at": "2026-05-01T00:00:00+00:00",
    }  # fmt: skip
    workspace.catalog.upsert(schema.annotations, [plain])
    say(sha, "ana", masks={"dent": box(0, 10)})
    assert np.array_equal(drawn(workspace, sha)["dent"], box(0, 10))
    assert ("showroom", "dent", "superseded") in states(workspace)


@pytest.mark.parametrize("state", ["skipped", "draft"])
def test_skipped_and_draft_annotations_are_ignored(workspace, add, say, state):
    sha = add()
    say(sha, "ana", state=state, masks={"dent": box(0, 10)})
    assert drawn(workspace, sha) == {}
    assert damage(workspace, sha) is None


def test_contradicting_annotators_give_a_label_conflict(workspace, add, say):
    sha = add()
    say(sha, "ana", choices={"state": ["damaged"]})
    say(sha, "bo", choices={"state": ["whole"]})
    assert damage(workspace, sha).value is None
    assert damage(workspace, sha).conflict == ("damaged", "whole")


def test_a_label_is_removed_with_its_annotation(workspace, add, say):
    sha = add()
    only = say(sha, "ana", choices={"state": ["whole"]})
    assert damage(workspace, sha).value == "whole"
    with workspace.catalog.begin() as connection:
        update_consensus(connection, workspace, mark_deleted(connection, "srv", [only]))
    assert damage(workspace, sha) is None


def test_reviewers_decide_by_majority_and_their_label_wins(workspace, add, say):
    sha = add()
    say(sha, "dan", choices={"state": ["damaged"]})
    keep = {"decision": ["keep"], "framing": ["part"], "state": ["whole"]}
    say(sha, "ana", choices=keep)
    say(sha, "bo", choices={"decision": ["reject"], "reason": ["blurry"]})
    assert decision(workspace, sha) is None
    say(sha, "cy", choices=keep)
    row = decision(workspace, sha)
    assert (row.decision, row.framing, row.by) == ("keep", "part", "labelstudio:ana, cy")
    assert damage(workspace, sha).value == "whole"


def test_a_later_decision_made_elsewhere_is_kept(workspace, add, say):
    sha = add()
    own = {"sha256": sha, "decision": "keep", "framing": None, "note": None,
           "by": "cli", "at": "2026-03-01T00:00:00+00:00"}  # fmt: skip
    workspace.catalog.upsert(schema.decisions, [own])
    say(sha, "ana", choices={"decision": ["reject"], "reason": ["blurry", "watermark"]})
    assert decision(workspace, sha).by == "cli"
    say(sha, "ana", at="2026-04-01", choices={"decision": ["reject"], "reason": ["blurry"]})
    assert decision(workspace, sha).decision == "reject"
    assert decision(workspace, sha).note == "blurry"


def test_a_second_update_of_the_consensus_changes_nothing(workspace, add, say):
    sha = add()
    say(sha, "ana", masks={"dent": box(0, 10)})
    say(sha, "bo", masks={"dent": box(5, 20)})
    before = states(workspace), sorted(p.name for p in workspace.masks.rglob("*.png"))
    with workspace.catalog.begin() as connection:
        update_consensus(connection, workspace, [sha])
    assert before == (states(workspace), sorted(p.name for p in workspace.masks.rglob("*.png")))


def test_a_class_name_from_outside_never_leaves_the_masks_folder(workspace, add, say):
    sha = add()
    say(sha, "ana", masks={"../../../evil": box(0, 10), "긁힘": box(1, 5)})
    files = [workspace.root / f for f in current_masks(workspace)[sha].values()]
    assert len(files) == 2
    assert all(f.resolve().is_relative_to(workspace.masks.resolve()) for f in files)


def test_cohens_kappa_of_a_table_with_a_known_result():
    # 20 x both yes, 5 x yes/no, 10 x no/yes, 15 x both no: (0.7 - 0.5) / (1 - 0.5).
    answers = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohens_kappa(answers) == pytest.approx(0.4)
    assert cohens_kappa([("y", "n"), ("n", "y")]) == -1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answers", [[], [("y", "y")] * 3])
def test_cohens_kappa_is_undefined_without_two_different_answers(answers):
    assert cohens_kappa(answers) is None


def test_agreement_compares_the_newest_annotation_of_each_annotator(workspace, add, say):
    first, second = add(seed=1), add(seed=2)
    say(first, "ana", at="2026-01-01", masks={"dent": box(30, 40)})
    say(first, "ana", at="2026-01-02", masks={"dent": box(0, 10)})
    say(first, "bo", masks={"dent": box(5, 15)})
    say(second, "ana", masks={"scratch": box(0, 10)})
    found = measure_agreement(workspace)
    assert (found.pictures, found.iou) == (1, {"dent": pytest.approx(1 / 3)})
    assert found.pairs == ({"annotators": ["ana", "bo"], "pictures": 1,
                            "iou": pytest.approx(1 / 3)},)  # fmt: skip
    assert [each["sha256"] for each in found.worst] == [first]


def test_consensus_masks_of_an_older_catalog_keep_the_number_of_annotators(tmp_path):
    old_catalog = Path(__file__).parents[1] / "bodyshop_core" / "catalog_v1.sql"
    path = tmp_path / "bodyshop.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(old_catalog.read_text("utf-8"))
        (sha,) = old.execute("SELECT sha256 FROM images").fetchone()
        for key, annotator, value in (
            ("a", "consensus", '{"pixels": 9, "voices": 3, "drew": 2}'),
            ("b", "ana", '{"pixels": 7}'),
            ("c", "consensus", None),
        ):
            old.execute(
                "INSERT INTO annotations (key, sha256, project, instance, annotator, kind, value,"
                " state, updated_at) VALUES (?, ?, 'damage', '', ?, 'mask', ?, 'current', 't')",
                (key, sha, annotator, value),
            )
        old.commit()
    table = schema.annotations
    with Catalog(path).read() as connection:
        values = dict(connection.execute(select(table.c.key, table.c.value)).all())
    assert values["a"] == {"pixels": 9, "annotators": 3, "drew": 2}
    assert values["b"] == {"pixels": 7}
    assert values["c"] is None
