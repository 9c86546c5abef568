"""Number plates and faces that are proposed: confirmed or refused at the desk, and what leaves."""

from __future__ import annotations

import io
import json
import time
from threading import Event

import numpy as np
import pytest
from axe import serious_violations
from desk_browser import chromium, opened, press, until
from PIL import Image
from selenium.webdriver import Keys
from sqlalchemy import select

from bodyshop.desk import acts
from bodyshop.desk.hiding import HidingQueue
from bodyshop.desk.journal import read_journal
from bodyshop.desk.serving import serve_desk
from bodyshop.desk.state import DeskState
from bodyshop.export import export, proposed
from bodyshop.export.proposed import decided_regions, stored_proposals
from bodyshop.forget import forget
from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import load_rgb, read_header


def add_faces(workspace, number: int) -> str:
    """Add a kept picture in which the cascade sees faces: NASA's portrait, in a workshop."""
    from skimage.data import astronaut

    face = Image.fromarray(np.asarray(astronaut()))
    picture = Image.new("RGB", (1100, 560), (90 + 30 * number, 96, 102))
    picture.paste(face, (10, 20))
    picture.paste(face.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (560, 20))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95)
    data, catalog = out.getvalue(), workspace.catalog
    blob = workspace.blobs.put_bytes(data, "jpg")
    with catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts=read_header(data))
    row = {"sha256": blob.sha256, "verdict": "keep", "reasons": [], "policy": "p"}
    catalog.upsert(schema.verdicts, [row | {"group": blob.sha256[:8], "decided_at": now()}])
    with catalog.read() as connection:
        name = connection.scalar(select(schema.split_sets.c.name))
    split = {"split_set": name, "sha256": blob.sha256, "split": "train", "label": "whole"}
    with catalog.begin() as connection:
        connection.execute(schema.splits.insert().values(**split, group=blob.sha256[:8]))
    return blob.sha256


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


def test_a_picture_that_can_not_be_read_does_not_end_the_search(faces):
    workspace, (first, second) = faces
    workspace.image_path(first).unlink()
    queue = HidingQueue(workspace)
    queue._run()
    state = queue.state()
    assert state["state"] == "done" and state["unread"] == 1
    assert queue.next(first, 1)["sha256"] == second


@pytest.mark.slow
def test_a_person_confirms_and_refuses_by_keyboard_and_takes_it_back(faces):
    workspace, _ = faces
    with chromium() as browser, serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        text = lambda name: browser.find_element("id", name).text  # noqa: E731
        button = browser.find_element("id", "openhiding")
        browser.execute_script("arguments[0].focus()", button)
        press(browser, Keys.ENTER)
        until(
            browser,
            lambda: "face? 1 of" in text("hidingabout") or "plate? 1 of" in text("hidingabout"),
        )
        until(browser, lambda: "8 of 8" in text("hidingleft"))
        current = lambda: browser.execute_script("return looked.sha256")  # noqa: E731
        loaded = "return document.getElementById('hidingpicture').naturalWidth"
        until(browser, lambda: browser.execute_script(loaded) > 0)
        picture = browser.find_element("id", "hidingpicture").rect
        boxes = browser.find_elements("css selector", "#hidingboxes rect")
        assert boxes and all(
            picture["x"] <= each.rect["x"] <= picture["x"] + picture["width"] for each in boxes
        )
        assert not serious_violations(browser)
        first = current()
        press(browser, "y")
        until(browser, lambda: said(workspace, first) == [True])
        until(browser, lambda: "2 of" in text("hidingabout"))
        press(browser, "N")
        until(browser, lambda: not any(said(workspace, first)) and len(said(workspace, first)) > 1)
        until(browser, lambda: current() != first)
        press(browser, "u")
        until(browser, lambda: said(workspace, first) == [True])
        until(browser, lambda: current() == first)
        press(browser, Keys.ARROW_LEFT)
        until(browser, lambda: "1 of" in text("hidingabout") and "hidden" in text("hidingabout"))
        press(browser, Keys.ARROW_DOWN)
        until(browser, lambda: current() != first)
        press(browser, Keys.ARROW_UP)
        until(browser, lambda: current() == first)
        for _ in range(10):
            if "0 regions in" in text("hidingleft"):
                break
            left = text("hidingleft")
            press(browser, "Y")
            until(browser, lambda before=left: text("hidingleft") != before)
        assert text("hidingabout") == "all that was found is looked at"
        press(browser, Keys.ESCAPE)
        until(browser, lambda: not browser.find_element("id", "hiding").is_displayed())
        metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        press(browser, "u")
        until(browser, lambda: "taken back" in text("said"))
        browser.execute_script("document.getElementById('openhiding').focus()")
        press(browser, Keys.ENTER)
        until(browser, lambda: "? 1 of" in text("hidingabout"))
        assert not serious_violations(browser)
        wide = browser.find_element("id", "hiding")
        assert browser.execute_script("return arguments[0].scrollWidth", wide) <= 390
        errors = [each for each in browser.get_log("browser") if "favicon" not in each["message"]]
        assert not errors


@pytest.mark.slow
def test_a_read_only_desk_shows_regions_and_takes_no_decision(faces):
    workspace, _ = faces
    with chromium() as browser, serve_desk(workspace, by="Kim", read_only=True) as desk:
        opened(browser, desk.address)
        browser.find_element("id", "openhiding").click()
        about = browser.find_element("id", "hidingabout")
        until(browser, lambda: "? 1 of" in about.text)
        press(browser, "y")
        until(browser, lambda: "read-only" in about.text)
        assert decided_regions(workspace) == {}
