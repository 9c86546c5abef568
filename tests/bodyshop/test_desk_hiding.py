"""Number plates and faces that are proposed: confirmed or refused at the desk, and what leaves."""

from __future__ import annotations

import json
import time
from threading import Event

import numpy as np
import pytest
from portraits import add_faces
from sqlalchemy import select

from bodyshop.desk import acts
from bodyshop.desk.hiding import HidingQueue
from bodyshop.desk.journal import read_journal
from bodyshop.desk.state import DeskState
from bodyshop.export import export, proposed
from bodyshop.export.proposed import Proposed, decided_regions, stored_proposals
from bodyshop.forget import forget
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.imaging import load_rgb


def add_proposals(workspace, number: int) -> None:
    """Add rows of kept pictures with a region each, without their files."""
    names = [f"{each:064x}" for each in range(1, number + 1)]
    with workspace.catalog.read() as connection:
        image = dict(connection.execute(select(schema.images).limit(1)).one()._mapping)
        verdict = dict(connection.execute(select(schema.verdicts).limit(1)).one()._mapping)
    verdict["verdict"] = "keep"
    for table, row in ((schema.images, image), (schema.verdicts, verdict)):
        workspace.catalog.upsert(table, [row | {"sha256": name} for name in names])
    row = {"version": proposed.SEARCH, "width": 640, "height": 480}
    boxes = {"faces": [[10, 10, 40, 40]], "plates": []}
    rows = [
        row | {"sha256": name, "kind": kind, "boxes": boxes[kind]}
        for name in names
        for kind in boxes
    ]
    workspace.catalog.upsert(schema.hiding_proposals, rows)


@pytest.fixture
def faces(curated):
    """A set of which two pictures show faces, the lower sha256 first."""
    workspace, _ = curated
    return workspace, sorted(add_faces(workspace, number) for number in range(2))


@pytest.fixture
def state(faces):
    state = DeskState(faces[0], "Kim", read_only=False)
    state.hiding._search()  # in this thread
    return state


def said(workspace, sha256: str) -> list[bool]:
    return list(decided_regions(workspace).get(sha256, {}).values())


def regions_of(state, sha256: str) -> list[dict]:
    return state.hiding.picture(sha256)["regions"]


def test_a_picture_is_searched_once_and_its_proposals_are_kept(faces, monkeypatch):
    workspace, names = faces
    queue = HidingQueue(workspace)
    queue._search()
    assert queue.state()["pictures"] >= 2 and queue.state()["waiting"] >= 4
    assert queue.state()["searched"] == queue.state()["of"] == len(stored_proposals(workspace))

    def never(*_):
        raise AssertionError("searched again")

    monkeypatch.setattr("bodyshop.export.proposed.propose", never)
    again = HidingQueue(workspace)
    again._search()
    assert again.state()["waiting"] == queue.state()["waiting"]
    assert again.next("", 1)["sha256"] <= names[0]


def test_a_decision_about_a_region_has_a_name_and_undo_takes_it_back(faces, state):
    workspace, (first, _) = faces
    one, other = regions_of(state, first)[:2]
    state.act({"kind": "hide", "pictures": [first], "regions": [one]}, None)
    state.act({"kind": "show", "pictures": [first], "regions": [other]}, None)
    assert said(workspace, first) == [True, False]
    with workspace.catalog.read() as connection:
        row = connection.execute(select(schema.hiding_decisions)).one()
    assert row.by == "desk:Kim" and {each["by"] for each in row.regions} == {"desk:Kim"}
    assert [each["hide"] for each in regions_of(state, first)[:2]] == [True, False]
    assert [line["kind"] for line in read_journal(workspace)] == ["hide", "show"]
    state.undo()
    assert said(workspace, first) == [True] and regions_of(state, first)[1]["hide"] is None
    state.undo()
    assert said(workspace, first) == []


def test_what_another_desk_said_is_shown_and_not_replaced_unseen(faces, state):
    workspace, (first, second) = faces
    lee = DeskState(workspace, "Lee", read_only=False)
    lee.hiding._search()
    seen = regions_of(lee, first)
    act = {"kind": "hide", "pictures": [first], "regions": seen[:1]}
    state.act(act, None)
    with pytest.raises(UsageError, match="Kim said since: it is one"):
        lee.act(act | {"kind": "show", "regions": seen}, None)
    assert said(workspace, first) == [True] and len(list(read_journal(workspace))) == 1
    again = lee.hiding.next("", 1)
    again = again if again["sha256"] == first else lee.hiding.picture(first)
    assert [each["hide"] for each in again["regions"][:2]] == [True, None]
    lee.act(act | {"kind": "show", "regions": again["regions"][:1]}, None)
    assert said(workspace, first) == [False]
    lee.undo()
    state.undo()
    with pytest.raises(UsageError, match="taken back since"):
        lee.act(act | {"regions": again["regions"][:1]}, None)
    state.act({"kind": "hide", "pictures": [second], "regions": regions_of(state, second)}, None)
    assert lee.hiding.next(first, 1) is None  # Kim looked at it


def test_a_picture_that_is_erased_is_not_shown_any_more(faces, state):
    workspace, (first, second) = faces
    before = state.hiding.state()
    forget(workspace, second)
    assert state.hiding.next(first, 1) is None
    after = state.hiding.state()
    assert (after["pictures"], after["of"]) == (before["pictures"] - 1, before["of"] - 1)
    with pytest.raises(NothingFoundError):
        state.hiding.picture(second)


def test_a_picture_that_is_erased_while_it_is_searched_does_not_wait(faces, monkeypatch):
    workspace, (first, second) = faces
    search = proposed._search

    def late(sha256, data, kinds):
        found = search(sha256, data, kinds)
        if sha256 == second:
            forget(workspace, second)
        return found

    monkeypatch.setattr(proposed, "_search", late)
    queue = HidingQueue(workspace)
    queue._run()
    assert queue.state()["state"] == "done"
    assert queue._waiting.near("", 1, 99)[-1] == first
    assert queue.state()["of"] == queue.state()["searched"] == 7


def test_what_a_decision_costs_does_not_grow_with_the_pictures(faces, state, monkeypatch):
    workspace, _ = faces
    add_proposals(workspace, 3000)
    state.hiding._search()
    assert state.hiding.state()["pictures"] > 3000
    looks = []
    undecided = Proposed.undecided

    def counted(self, decided):
        looks.append(self)
        return undecided(self, decided)

    monkeypatch.setattr(Proposed, "undecided", counted)
    before = state.hiding.state()["waiting"]
    shown = state.hiding.next("0" * 64, 1)
    act = {"kind": "show", "pictures": [shown["sha256"]], "regions": shown["regions"]}
    state.act(act, None)
    assert state.hiding.state()["waiting"] == before - len(shown["regions"])
    assert state.hiding.next("", 1)["sha256"] > shown["sha256"]
    assert state.hiding.next(shown["sha256"], -1) is None
    state.undo()
    assert state.hiding.state()["waiting"] == before
    assert state.hiding.next("", 1)["sha256"] == shown["sha256"]
    assert len(looks) < 200


def test_an_act_that_is_named_is_taken_back_and_no_other(faces, state):
    workspace, (first, second) = faces
    regions = regions_of(state, first)
    done = state.act({"kind": "hide", "pictures": [first], "regions": regions[:1]}, None)
    state.act({"kind": "reject", "pictures": [second]}, None)
    other = acts.perform(workspace, acts.Act("reject", (first,), "Lee"))
    assert state.undo(other.id)["pictures"] == 0 and state.undo("none")["pictures"] == 0
    assert state.undo(done["act"])["pictures"] == 1 and said(workspace, first) == []
    assert state.undo(done["act"]) == {"pictures": 0, "changed_since": 0}
    assert state.undo()["pictures"] == 1
    assert acts.undo(workspace, "Lee").pictures == (first,)


def test_what_was_not_proposed_and_regions_of_two_pictures_are_refused(faces, state):
    workspace, names = faces
    region = regions_of(state, names[0])[0]
    for pictures, regions in (
        (names[:1], []), (names, [region]), (names[:1], [{"kind": "faces", "box": [0, 0, 9, 9]}]),
        (names[:1], [{"kind": "faces", "box": "all"}]), (names[:1], [{"box": [1, 2, 3, 4]}]),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            state.act({"kind": "hide", "pictures": pictures, "regions": regions}, None)
    assert decided_regions(workspace) == {} and not list(read_journal(workspace))


def test_an_export_leaves_out_what_was_refused_and_counts_what_nobody_looked_at(
    faces, state, tmp_path
):
    workspace, (first, second) = faces
    before = export(workspace, "imagefolder", tmp_path / "out", hide=("faces",))
    assert before.unconfirmed == before.blurred and before.blurred["faces"] >= 4
    regions = [each for each in regions_of(state, first) if each["kind"] == "faces"]
    state.act({"kind": "hide", "pictures": [first], "regions": regions[:1]}, None)
    state.act({"kind": "show", "pictures": [first], "regions": regions[1:]}, None)
    after = export(workspace, "imagefolder", tmp_path / "out", hide=("faces",))
    assert after.written > 0
    lines = (tmp_path / "out" / "hidden.jsonl").read_text("utf-8").splitlines()
    by = {each["sha256"]: [one["by"] for one in each["regions"]] for each in map(json.loads, lines)}
    assert by[first] == ["confirmed"] and set(by[second]) == {"cascade"}
    assert after.unconfirmed == {"faces": before.unconfirmed["faces"] - len(regions)}
    picture = load_rgb(tmp_path / "out" / "train" / "whole" / f"{first}.jpg").astype(float)
    original = load_rgb(workspace.image_path(first)).astype(float)
    for region, is_hidden in ((regions[0], True), (regions[1], False)):
        left, top, width, height = region["box"]
        part = np.s_[top : top + height, left : left + width]
        assert bool(np.abs(picture - original)[part].mean() > 8) == is_hidden


def test_clear_takes_back_regions_too_and_an_erased_picture_leaves_none(faces, state):
    workspace, (first, second) = faces
    for name in (first, second):
        regions = regions_of(state, name)
        state.act({"kind": "hide", "pictures": [name], "regions": regions}, None)
    acts.perform(workspace, acts.Act("clear", (first,), "Kim"))
    assert said(workspace, first) == [] and said(workspace, second)
    forget(workspace, second)
    assert decided_regions(workspace) == {} and second not in stored_proposals(workspace)


def test_what_is_shown_can_be_decided_while_the_search_goes_on(faces, monkeypatch):
    workspace, _ = faces
    state, found, goes_on = DeskState(workspace, "Kim", read_only=False), [], Event()
    search = proposed.propose

    def slow(rgb, kind):
        if len(found) > 1:
            goes_on.wait(30)
        boxes = search(rgb, kind)
        found.extend(boxes)
        return boxes

    monkeypatch.setattr(proposed, "propose", slow)
    state.hiding.start()
    try:
        until = time.monotonic() + 30
        while state.hiding.next("", 1) is None and time.monotonic() < until:
            time.sleep(0.05)
        shown = state.hiding.next("", 1)
        assert state.hiding.state()["state"] == "running"
        act = {"kind": "hide", "pictures": [shown["sha256"]], "regions": shown["regions"][:1]}
        state.act(act, None)
        assert said(workspace, shown["sha256"]) == [True]
    finally:
        goes_on.set()
    while state.hiding.state()["state"] == "running" and time.monotonic() < until:
        time.sleep(0.05)
    assert state.hiding.state()["searched"] == state.hiding.state()["of"]


def test_a_read_only_desk_searches_nothing_and_writes_nothing(faces):
    workspace, _ = faces
    queue = DeskState(workspace, "Kim", read_only=True).hiding
    queue._run()
    state = queue.state()
    assert state["state"] == "done" and (state["searched"], state["of"]) == (0, 8)
    assert not stored_proposals(workspace) and queue.next("", 1) is None
    HidingQueue(workspace)._search()
    queue._run()
    assert queue.state()["searched"] == 8 and queue.next("", 1) is not None


def test_a_picture_that_can_not_be_read_does_not_end_the_search(faces):
    workspace, (first, second) = faces
    workspace.image_path(first).unlink()
    queue = HidingQueue(workspace)
    queue._run()
    state = queue.state()
    assert state["state"] == "done" and state["unread"] == 1
    assert queue.next(first, 1)["sha256"] == second
