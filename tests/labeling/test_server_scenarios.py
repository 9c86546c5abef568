"""Scenarios of a labelling project, on the real server and on its recorded responses."""

from __future__ import annotations

import json
from contextlib import contextmanager

import numpy as np
import pytest
from labeling_stage import box
from sqlalchemy import select, update

import labeling
from bodyshop_core.catalog import Field, effective_labels, schema
from bodyshop_core.errors import ConfigError, MissingPartError
from labeling import PreAnnotation, Selection
from labeling.configs.label_config import load_label_config
from labeling.sync import pull as pulling
from labeling.sync.results import write_result

EVERYTHING = Selection(everything=True)


def propose(pictures):
    for picture in pictures:
        mask = box(picture.width, picture.height, 2, 3, 9, 8)
        yield PreAnnotation(picture.sha256, {"dent": mask}, {"state": "damaged"}, 0.7)


def prepare(stage, count=3, kind="damage", **options):
    pictures = [stage.add(24 + n, 18, seed=n) for n in range(count)]
    labeling.init(stage.workspace, kind, connection=stage.client, **options)
    labeling.push(stage.workspace, kind, selection=EVERYTHING, connection=stage.client)
    return pictures


def pull(stage, kind="damage", **options):
    return labeling.pull(stage.workspace, kind, connection=stage.client, **options)


def damage(stage, sha):
    found = effective_labels(stage.workspace.catalog, Field.DAMAGE).get(sha)
    return found and found.value


def test_a_second_push_adds_nothing_and_predictions_are_never_pulled(stage):
    for n in range(3):
        stage.add(24 + n, 18, seed=n)
    first = labeling.init(stage.workspace, "damage", connection=stage.client)
    again = labeling.init(stage.workspace, "damage", connection=stage.client)
    assert first.created
    assert not again.created
    assert first.remote_id == again.remote_id
    options = {"selection": EVERYTHING, "predict": propose, "connection": stage.client}
    summary = labeling.push(stage.workspace, model_version="m1", **options)
    assert (summary.pushed, summary.already, summary.predictions) == (3, 0, 3)
    summary = labeling.push(stage.workspace, model_version="m1", **options)
    assert (summary.pushed, summary.already, summary.predictions) == (0, 3, 0)
    summary = labeling.push(stage.workspace, model_version="m2", **options)
    assert (summary.pushed, summary.predictions) == (0, 3)
    task = stage.client.task(next(iter(stage.tasks().values())))
    assert {p["model_version"] for p in task["predictions"]} == {"m1", "m2"}
    summary = pull(stage)
    assert (summary.annotations, summary.masks, summary.pictures) == (0, 0, 0)


def test_masks_come_back_pixel_exact_and_an_unchanged_pull_brings_nothing(stage):
    pictures = prepare(stage)
    rng = np.random.default_rng(0)
    drawn = {}
    for sha in pictures:
        width, height = stage.sizes[sha]
        drawn[sha] = {"dent": rng.random((height, width)) < 0.5,
                      "scratch": np.ones((height, width), bool)}  # fmt: skip
        stage.annotate(sha, masks=drawn[sha], choices={"state": "damaged", "severity": "minor"})
    summary = pull(stage)
    assert (summary.annotations, summary.masks, summary.problems) == (3, 6, ())
    for sha, masks in drawn.items():
        assert all(np.array_equal(stage.masks(sha)[label], masks[label]) for label in masks)
        assert damage(stage, sha) == "damaged"
    again = pull(stage)
    assert (again.annotations, again.pictures) == (0, 0)


def test_changed_skipped_and_deleted_annotations_are_noticed(stage):
    first, second, third = prepare(stage)
    one = stage.annotate(first, masks={"dent": stage.box(first, 0, 0, 5, 5)})
    two = stage.annotate(second, masks={"dent": stage.box(second, 0, 0, 5, 5)})
    stage.annotate(third, masks={"dent": stage.box(third, 0, 0, 5, 5)}, was_cancelled=True)
    summary = pull(stage)
    assert (summary.annotations, summary.skipped) == (2, 1)
    assert stage.masks(third) == {}
    stage.change(one, {"crack": stage.box(first, 1, 1, 4, 4)})
    stage.erase(two)
    summary = pull(stage)
    assert (summary.annotations, summary.deleted) == (1, 1)
    assert set(stage.masks(first)) == {"crack"}
    assert stage.masks(second) == {}
    assert damage(stage, second) is None


def test_a_deleted_task_deletes_its_annotations_and_can_be_pushed_again(stage):
    first, second, _ = prepare(stage)
    for sha in (first, second):
        stage.annotate(sha, masks={"dent": stage.box(sha, 0, 0, 5, 5)})
    pull(stage)
    tasks = stage.tasks()
    stage.client.delete_tasks(stage.project().remote_id, [tasks[second]])
    # Pushed again before the pull: the number of tasks is unchanged, and ids may be reused.
    summary = labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    assert (summary.pushed, summary.already) == (1, 2)
    summary = pull(stage)
    assert summary.deleted == 1
    assert stage.masks(second) == {}
    assert set(stage.masks(first)) == {"dent"}


def test_a_deleted_task_is_noticed_when_somebody_added_another(stage):
    first, second, _ = prepare(stage)
    stage.annotate(second, masks={"dent": stage.box(second, 0, 0, 5, 5)})
    pull(stage)
    page = {"at": "2026-01-01T00:00:00+00:00", "masks": {"m": "2026-01-01"}}
    table = schema.label_tasks
    with stage.workspace.catalog.begin() as connection:
        connection.execute(update(table).where(table.c.sha256 == first).values(shown=page))
    project = stage.project().remote_id
    stage.client.delete_tasks(project, [stage.tasks()[second]])
    stage.client.import_tasks(project, [{"data": {"image": "/data/own.png", "ext_id": "own"}}])
    assert pull(stage).deleted == 1
    assert stage.masks(second) == {}
    assert pull(stage).deleted == 0
    # What the other pages show is still known.
    with stage.workspace.catalog.read() as connection:
        query = select(table.c.shown).where(table.c.sha256 == first)
        assert connection.scalars(query).all() == [page]


def test_annotators_are_stored_separately_and_their_agreement_is_reported(stage):
    first, second, _ = prepare(stage, annotators=2)
    stage.annotate(first, "ana", masks={"dent": stage.box(first, 0, 0, 10, 10)})
    stage.annotate(first, "bo", masks={"dent": stage.box(first, 5, 0, 15, 10)})
    stage.annotate(second, "ana", choices={"state": "whole"})
    stage.annotate(second, "bo", choices={"state": "whole"})
    summary = pull(stage)
    assert summary.agreement["pictures"] == 2
    assert summary.agreement["iou"] == {"dent": pytest.approx(50 / 150)}
    assert summary.agreement["kappa"]["damage"] == 1.0
    assert summary.agreement["worst"][0]["sha256"] == first
    assert np.array_equal(stage.masks(first)["dent"], stage.box(first, 5, 0, 10, 10))
    summary = labeling.status(stage.workspace, connection=stage.client).projects[0]
    assert (summary["tasks"], summary["done"], summary["left"], summary["changed"]) == (3, 2, 1, 0)
    assert [a["annotator"] for a in summary["annotators"]] == ["ana@example.com", "bo@example.com"]
    assert summary["annotators"][0]["seconds_each"] == 12.5


def test_review_decisions_reach_the_catalog(stage):
    first, second, third = prepare(stage, kind="review")
    keep = {"decision": "keep", "framing": "part", "state": "damaged"}
    stage.annotate(first, kind="review", choices=keep)
    stage.annotate(second, kind="review", choices={"decision": "reject", "reason": "blurry"})
    summary = pull(stage, "review")
    assert (summary.annotations, summary.decisions) == (2, 2)
    table = schema.decisions
    with stage.workspace.catalog.read() as connection:
        rows = {row.sha256: row for row in connection.execute(select(table))}
    assert (rows[first].decision, rows[first].framing) == ("keep", "part")
    assert (rows[second].decision, rows[second].note) == ("reject", "blurry")
    assert third not in rows
    assert rows[first].by == "labelstudio:ana@example.com"
    assert damage(stage, first) == "damaged"


def test_a_draft_is_not_pulled_but_counted(stage):
    first, *_ = prepare(stage)
    result = write_result(
        {"dent": stage.box(first, 0, 0, 5, 5)}, load_label_config("damage"), seed="d"
    )
    path = f"api/tasks/{stage.tasks()[first]}/drafts"
    stage.labelers["ana@example.com"]._json("POST", path, body={"result": result})
    summary = pull(stage)
    assert (summary.annotations, summary.drafts) == (0, 1)
    assert stage.masks(first) == {}
    assert labeling.status(stage.workspace, connection=stage.client).projects[0]["drafts"] == 1


def test_a_config_grows_but_never_loses_what_annotations_use(stage, tmp_path):
    first, *_ = prepare(stage)
    stage.annotate(first, masks={"dent": stage.box(first, 0, 0, 5, 5)})
    xml = load_label_config("damage").xml
    grown = tmp_path / "grown.xml"
    dent = '<Label value="dent" background="#ff9f1c" hotkey="1"/>'
    grown.write_text(xml.replace(dent, f'{dent}<Label value="rust" background="#aa5500"/>'))
    renamed = tmp_path / "renamed.xml"
    renamed.write_text(xml.replace('"dent"', '"bump"'))
    with pytest.raises(ConfigError, match=r"brush.*dent \(1\)"):
        labeling.init(stage.workspace, config=renamed, connection=stage.client)
    summary = labeling.init(stage.workspace, config=grown, connection=stage.client)
    assert summary.config_changed
    assert not summary.created
    assert "rust" in summary.labels
    assert pull(stage).annotations == 1
    assert set(stage.masks(first)) == {"dent"}


def test_a_deleted_project_is_reported_and_created_again_with_earlier_masks_kept(stage):
    first, *_ = prepare(stage)
    mask = stage.box(first, 0, 0, 5, 5)
    stage.annotate(first, masks={"dent": mask})
    pull(stage)
    number = stage.project().remote_id
    stage.client._transport.request(f"api/projects/{number}/", method="DELETE")
    for command in (pull, lambda s: labeling.status(s.workspace, connection=s.client)):
        with pytest.raises(MissingPartError, match=r"no longer on .* safe") as caught:
            command(stage)
        assert caught.value.exit_code == 5
        assert "bodyshop label init --project damage" in caught.value.hint
    assert labeling.init(stage.workspace, connection=stage.client).created
    labeling.push(stage.workspace, selection=EVERYTHING, connection=stage.client)
    pull(stage)
    assert np.array_equal(stage.masks(first)["dent"], mask)


def test_invalid_regions_are_reported_and_the_others_are_stored(stage):
    first, second, _ = prepare(stage)
    label_config = load_label_config("damage")
    good = write_result({"dent": stage.box(first, 0, 0, 5, 5)}, label_config, seed="g")
    bad = write_result({"crack": np.ones((10, 10), bool)}, label_config, seed="b")
    rust = json.loads(json.dumps(good).replace('"dent"', '"rust"'))
    path = f"api/tasks/{stage.tasks()[first]}/annotations/"
    stage.labelers["ana@example.com"]._json("POST", path, body={"result": [*good, *bad, *rust]})
    stage.annotate(
        second, masks={"dent": stage.box(second, 0, 0, 2, 2)}, choices={"state": "whole"}
    )
    summary = pull(stage)
    assert set(stage.masks(first)) == {"dent"}
    assert len(summary.problems) == 3
    assert any("10 x 10 pixels, but the picture has 24 x 18" in p for p in summary.problems)
    assert any("no value 'rust'" in p for p in summary.problems)
    assert any("labelled whole, but with masks of dent" in p for p in summary.problems)


def test_uploaded_pictures_are_shown_to_labelers(stage):
    shas = [stage.add(24 + n, 18, seed=n) for n in range(3)]
    labeling.init(stage.workspace, connection=stage.client)
    summary = labeling.push(
        stage.workspace, selection=EVERYTHING, images="upload", connection=stage.client
    )
    assert summary.pushed == 3
    pages = stage.client.scan(stage.project().remote_id, ("id", "data"))
    data = [task["data"] for page in pages for task in page]
    assert {each["ext_id"] for each in data} == set(shas)
    assert all(each["image"].startswith("/data/upload/") for each in data)
    assert {stage.client.fetch(each["image"]) for each in data} == {(200, True)}


def test_the_doctor_finds_everything_in_order(stage):
    prepare(stage)
    checks = labeling.doctor(stage.workspace, connection=stage.client)[1:]
    assert [check.name for check in checks] == [
        "labelling server",
        "labelling key",
        "project damage",
    ]
    assert all(check.ok for check in checks), checks
    assert "3 tasks" in checks[2].message


class Stops:
    """Progress that raises, as a person at the keyboard would, at the n-th tick of a task."""

    def __init__(self, name, after):
        self.name, self.after = name, after

    @contextmanager
    def task(self, name, total=None):
        def tick(n=1, note=""):
            self.after -= name == self.name
            if self.after == 0:
                raise KeyboardInterrupt

        yield tick

    def log(self, message):
        pass


def test_an_interrupted_pull_continues_where_it_stopped(stage, monkeypatch):
    monkeypatch.setattr(pulling, "PAGE", 1)
    pictures = prepare(stage)
    for sha in pictures:
        stage.annotate(sha, masks={"dent": stage.box(sha, 0, 0, 5, 5)})
    with pytest.raises(KeyboardInterrupt):
        pull(stage, progress=Stops("pull", 2))
    assert sum(bool(stage.masks(sha)) for sha in pictures) == 2
    summary = pull(stage)
    assert (summary.tasks, summary.annotations) == (1, 1)
    assert all(set(stage.masks(sha)) == {"dent"} for sha in pictures)
    assert pull(stage).annotations == 0


def test_an_interrupted_push_continues_and_duplicate_tasks_are_removed(stage):
    pictures = [stage.add(24 + n, 18, seed=n) for n in range(3)]
    labeling.init(stage.workspace, connection=stage.client)
    options = {"selection": EVERYTHING, "connection": stage.client, "batch": 1}
    with pytest.raises(KeyboardInterrupt):
        labeling.push(stage.workspace, progress=Stops("push", 2), **options)
    assert len(stage.tasks()) == 2
    # A push that was killed while the server still worked on its batch: two tasks, one picture.
    number = stage.project().remote_id
    (task,) = [sha for sha in pictures if sha not in stage.tasks()]
    known = next(iter(stage.tasks()))
    double = {"data": {"image": "/data/x", "ext_id": known}}
    stage.client.import_tasks(number, [double])
    summary = labeling.push(stage.workspace, **options)
    assert (summary.pushed, summary.already, summary.duplicates_removed) == (1, 2, 1)
    assert set(stage.tasks()) == set(pictures)
    assert stage.client.newest(number)[1] == 3
    assert task in stage.tasks()
