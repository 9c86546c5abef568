"""Number plates and faces at the desk in a real browser: what a person sees is what is decided."""

from __future__ import annotations

from threading import Event

import pytest
from axe import serious_violations
from desk_browser import chromium, hold, opened, until
from desk_browser import press as press_now
from portraits import add_faces
from selenium.webdriver import Keys
from selenium.webdriver.common.alert import Alert
from sqlalchemy import select

from bodyshop.desk import acts, app, pictures
from bodyshop.desk.hiding import HidingQueue
from bodyshop.desk.serving import serve_desk
from bodyshop.export.proposed import decided_regions, stored_proposals
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError

pytestmark = pytest.mark.slow


@pytest.fixture
def faces(curated):
    """A set of which two pictures show faces, the lower sha256 first; all were searched."""
    workspace, _ = curated
    names = sorted(add_faces(workspace, number) for number in range(2))
    HidingQueue(workspace)._search()
    return workspace, names


def said(workspace, sha256: str) -> list[bool]:
    return list(decided_regions(workspace).get(sha256, {}).values())


def decisions(workspace) -> dict[str, str]:
    table = schema.decisions
    with workspace.catalog.read() as connection:
        return dict(connection.execute(select(table.c.sha256, table.c.decision)).all())


def about(browser) -> str:
    return browser.find_element("id", "hidingabout").text


def press(browser, *keys) -> None:
    """Press keys, each after what the one before it asked for is done: a busy dialog takes none."""
    for key in keys:
        until(browser, lambda: not browser.execute_script("return busy"))
        press_now(browser, key)


def looked(browser) -> str:
    return browser.execute_script("return looked && looked.sha256")


def test_nothing_is_said_about_a_picture_that_is_not_in_sight(faces, monkeypatch):
    workspace, _ = faces
    comes, held = Event(), []

    def late(workspace, sha256: str) -> bytes:
        held.append(sha256)
        comes.wait(30)
        if len(held) > 1:
            raise NothingFoundError("it is gone")
        return pictures.show(workspace, sha256)

    monkeypatch.setattr(app, "show", late)
    with chromium() as browser, serve_desk(workspace, by="Kim") as desk:
        try:
            opened(browser, desk.address)
            browser.find_element("id", "openhiding").click()
            until(browser, lambda: held)
            first = looked(browser)
            for key in ("n", "N", "y", "Y"):
                press(browser, key)
                until(browser, lambda: "loaded" in about(browser))
            assert not browser.find_elements("css selector", "#hidingboxes rect")
            assert not decided_regions(workspace)
        finally:
            comes.set()
        until(browser, lambda: "1 of" in about(browser))
        assert browser.find_elements("css selector", "#hidingboxes rect")
        press(browser, "n")
        until(browser, lambda: said(workspace, first) == [False])
        press(browser, Keys.ARROW_DOWN)
        until(browser, lambda: "can't be shown" in about(browser))
        assert looked(browser) != first
        assert not browser.find_elements("css selector", "#hidingboxes rect")
        for key in ("n", "N", "y", "Y"):
            press(browser, key)
        until(browser, lambda: "can't be shown" in about(browser))
        assert decided_regions(workspace).keys() == {first}


def test_a_key_that_is_held_answers_once(faces):
    workspace, _ = faces
    with chromium() as browser, serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("id", "openhiding").click()
        until(browser, lambda: "1 of" in about(browser))
        first = looked(browser)
        hold(browser, "n", 78, 30)
        until(browser, lambda: said(workspace, first))
        until(browser, lambda: "2 of" in about(browser))
        button = browser.find_element("css selector", "[data-key=n]")
        browser.execute_script("arguments[0].focus()", button)
        hold(browser, "\r", 13, 30)
        until(browser, lambda: len(said(workspace, first)) == 2)
        press(browser, Keys.ARROW_UP)  # answered after what was sent before
        until(browser, lambda: not browser.execute_script("return busy"))
        decided = decided_regions(workspace)
        assert decided.keys() == {first} and len(decided[first]) == 2


def test_undo_in_the_queue_takes_back_what_was_said_there_only(faces):
    workspace, _ = faces
    with chromium() as browser, serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        press(browser, "a", "k")
        until(browser, lambda: Alert(browser).text)
        Alert(browser).accept()
        until(browser, lambda: "keep" in browser.find_element("id", "said").text)
        kept = decisions(workspace)
        browser.find_element("id", "openhiding").click()
        until(browser, lambda: "1 of" in about(browser))
        press(browser, "u")
        until(browser, lambda: "nothing was said here" in about(browser))
        first = looked(browser)
        press(browser, "n")
        until(browser, lambda: "2 of" in about(browser))
        press(browser, "Y")
        until(browser, lambda: looked(browser) != first)
        press(browser, "u")
        until(browser, lambda: "taken back: all" in about(browser) and "2 of" in about(browser))
        assert looked(browser) == first and said(workspace, first) == [False]
        press(browser, "u")
        until(browser, lambda: "stays" in about(browser) and "not looked at" in about(browser))
        until(browser, lambda: "taken back" in about(browser))
        assert not decided_regions(workspace)
        press(browser, "u")
        until(browser, lambda: "nothing was said here" in about(browser))
        assert decisions(workspace) == kept and len(kept) == 9


def test_what_somebody_else_said_since_is_told_and_stands(faces):
    workspace, _ = faces
    with chromium() as browser, serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("id", "openhiding").click()
        until(browser, lambda: "1 of" in about(browser))
        first = looked(browser)
        regions = stored_proposals(workspace)[first].regions
        acts.perform(workspace, acts.Act("hide", (first,), "Lee", regions=regions[:1]))
        press(browser, "n")
        until(browser, lambda: "Lee said since: it is one" in about(browser))
        assert said(workspace, first) == [True]
        assert browser.find_elements("css selector", "#hidingboxes rect.yes.now")
        press(browser, "n")
        until(browser, lambda: said(workspace, first) == [False])


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


def test_a_read_only_desk_shows_regions_and_takes_no_decision_and_searches_none(faces):
    workspace, names = faces
    new = add_faces(workspace, 2)
    with chromium() as browser, serve_desk(workspace, by="Kim", read_only=True) as desk:
        opened(browser, desk.address)
        browser.find_element("id", "openhiding").click()
        about = browser.find_element("id", "hidingabout")
        until(browser, lambda: "? 1 of" in about.text)
        press(browser, "y")
        until(browser, lambda: "read-only" in about.text)
        assert decided_regions(workspace) == {}
        until(browser, lambda: "8 of 9 kept" in browser.find_element("id", "hidingleft").text)
        assert new not in stored_proposals(workspace)
        for _ in range(9):
            press(browser, Keys.ARROW_DOWN)
        until(browser, lambda: "none behind this one waits" in about.text)
        assert looked(browser) == names[1]
