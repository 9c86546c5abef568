"""The desk in a real browser, by keyboard."""

from __future__ import annotations

import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from axe import serious_violations
from desk_browser import chromium, hold, opened, press, said, until
from filling import add_picture, photo, pretend_scores, resaved
from PIL import Image
from selenium.webdriver import Keys
from selenium.webdriver.common.alert import Alert
from sqlalchemy import select

import curate
from bodyshop.desk.journal import read_journal
from bodyshop.desk.serving import serve_desk
from bodyshop_core.catalog import effective_labels, schema
from bodyshop_core.workspace import Workspace
from showroom.render import render
from showroom.shade import Paint
from showroom.shot import Shot

pytestmark = pytest.mark.slow


@pytest.fixture
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.open(tmp_path / "workspace")
    for seed in range(40):
        add_picture(
            workspace, photo(seed), labels={"damage": ("damaged", "whole")[seed % 2]},
            file=f"{seed}.jpg", source="import", alt="<img src=x onerror=alert(1)>",
        )  # fmt: skip
    curate.measure_images(workspace, workers=1)
    pretend_scores(workspace)
    curate.judge(workspace)
    return workspace


def decided(workspace) -> dict[str, str]:
    table = schema.decisions
    with workspace.catalog.read() as connection:
        return dict(connection.execute(select(table.c.sha256, table.c.decision)).all())


def test_a_person_keeps_rejects_labels_and_undoes_by_keyboard(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        assert "token" not in browser.current_url
        press(browser, "k")
        until(browser, lambda: list(decided(workspace).values()) == ["keep"])
        until(browser, lambda: "keep" in said(browser))
        press(browser, "r")
        until(browser, lambda: Alert(browser).text)
        Alert(browser).send_keys("a toy")
        Alert(browser).accept()
        until(browser, lambda: sorted(decided(workspace).values()) == ["keep", "reject"])
        until(browser, lambda: "reject" in said(browser))
        press(browser, "u")
        until(browser, lambda: list(decided(workspace).values()) == ["keep"])
        until(browser, lambda: "taken back" in said(browser))
        before = [each.value for each in effective_labels(workspace.catalog, "damage").values()]
        press(browser, "a", "1")
        until(browser, lambda: "40" in Alert(browser).text)
        Alert(browser).accept()
        until(
            browser,
            lambda: (
                {each.value for each in effective_labels(workspace.catalog, "damage").values()}
                == {"damaged"}
            ),
        )
        until(browser, lambda: "label" in said(browser))
        press(browser, "u")
        until(
            browser,
            lambda: (
                before
                == [each.value for each in effective_labels(workspace.catalog, "damage").values()]
            ),
        )
        errors = [each for each in browser.get_log("browser") if "favicon" not in each["message"]]
        assert not errors


def test_the_address_lets_in_one_browser_which_may_reload_and_open_tabs(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.refresh()
        until(browser, lambda: browser.find_element("id", "count").text == "40 pictures")
        browser.switch_to.new_window("tab")
        opened(browser, desk.address)
        assert browser.find_element("id", "count").text == "40 pictures"
        with chromium() as other:
            other.get(desk.address)
            assert "is not let in" in other.find_element("tag name", "h1").text
            assert "start it again" in other.find_element("tag name", "main").text
            assert not other.get_cookies() and not serious_violations(other)
            other.find_element("link text", "go on here").click()
            assert "is not let in" in other.find_element("tag name", "h1").text
        press(browser, "k")
        until(browser, lambda: list(decided(workspace).values()) == ["keep"])


def test_a_link_of_another_site_to_the_address_ends_in_the_desk(browser, workspace, tmp_path):
    (tmp_path / "web").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "web")
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with serve_desk(workspace, by="Kim") as desk:
            (tmp_path / "web" / "a.html").write_text(f"<a href='{desk.address}'>the desk</a>")
            browser.get(f"http://localhost:{server.server_address[1]}/a.html")
            browser.find_element("link text", "the desk").click()
            # The cookie is set, but not sent along with what another site started.
            until(browser, lambda: browser.find_elements("link text", "go on here"))
            browser.find_element("link text", "go on here").click()
            until(browser, lambda: browser.find_elements("id", "count"))
            until(browser, lambda: browser.find_element("id", "count").text == "40 pictures")
    finally:
        server.shutdown()
        server.server_close()


def test_a_key_that_is_held_decides_once(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        hold(browser, "k", 75, 20)
        until(browser, lambda: "keep" in said(browser))
        until(browser, lambda: browser.execute_script("return current && !!row(current)"))
        press(browser, "g")  # answered after what was sent before
        until(browser, lambda: "gold" in said(browser))
        assert [line["kind"] for line in read_journal(workspace)] == ["keep", "gold"]


def test_filters_stand_in_the_address_and_come_back_with_it(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("css selector", "#facets input[name=label][value=whole]").click()
        until(browser, lambda: browser.find_element("id", "count").text == "20 pictures")
        assert "label=whole" in browser.current_url
        address = browser.current_url
        opened(browser, address)
        assert browser.find_element("id", "count").text == "20 pictures"
        box = browser.find_element("css selector", "#facets input[name=label][value=whole]")
        assert box.is_selected()


def test_looking_closely_says_why_and_foreign_text_stays_text(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        press(browser, Keys.ARROW_RIGHT, Keys.ENTER)
        until(browser, lambda: "is kept" in browser.find_element("id", "title").text)
        facts = browser.find_element("id", "facts").text
        assert '"verdict": "keep"' in facts
        loaded = "return document.getElementById('large').naturalWidth"
        until(browser, lambda: browser.execute_script(loaded) > 0)
        press(browser, Keys.ESCAPE)
        until(browser, lambda: not browser.find_element("id", "detail").is_displayed())
        assert not browser.find_elements("css selector", "img[onerror]")


def test_a_copy_blinks_against_the_picture_that_represents_it(browser, workspace):
    data = photo(1)
    add_picture(
        workspace, resaved(data), labels={"damage": "whole"}, file="1b.jpg", source="import"
    )
    curate.measure_images(workspace, workers=1)
    pretend_scores(workspace)
    curate.judge(workspace)
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("css selector", "[data-queue=copies]").click()
        until(browser, lambda: browser.find_element("id", "count").text == "1 picture")
        browser.execute_script("document.getElementById('scroller').focus()")
        press(browser, Keys.ENTER)
        until(browser, lambda: "is rejected" in browser.find_element("id", "title").text)
        press(browser, "b")
        until(browser, lambda: browser.find_element("id", "other").is_displayed())
        until(browser, lambda: browser.find_element("id", "large").is_displayed())


def test_only_tiles_in_sight_are_in_the_page(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        press(browser, Keys.END)
        time.sleep(0.5)
        tiles = browser.find_elements("css selector", ".tile")
        assert 0 < len(tiles) < 40
        assert browser.find_elements("id", "tile-39")
        assert not browser.find_elements("id", "tile-0")


def test_a_photo_on_the_web_is_asked_about_with_outlines_and_the_card(browser, workspace, tmp_path):
    damaged = Shot("hatch", Paint((170, 30, 28), 0.3), "plaza", 1, 75, 6, 960, 640, 3,
                   focus="door", damage=("scratch", "dent"))  # fmt: skip
    folder = tmp_path / "web"
    folder.mkdir()
    Image.fromarray(render(damaged).rgb).save(folder / "a.png")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)
    )
    Thread(target=server.serve_forever, daemon=True).start()
    place = f"127.0.0.1:{server.server_address[1]}"
    try:
        with serve_desk(workspace, by="Kim", allow_hosts=[place]) as desk:
            opened(browser, desk.address)
            browser.find_element("id", "try").click()
            browser.find_element("id", "photo-address").send_keys(f"http://{place}/a.png")
            browser.find_element("id", "fetch-photo").click()
            answer = browser.find_element("id", "answer")
            until(browser, lambda: "by shipped" in answer.text)
            assert "damaged" in answer.text and "outlined" in answer.text
            until(browser, browser.find_element("id", "heat").is_displayed)
            assert (
                browser.execute_script("return document.getElementById('tried').naturalWidth")
                == 960
            )
            card = browser.find_element("id", "card")
            card.find_element("css selector", "summary").click()
            assert "# Damage model" in card.text
            assert not serious_violations(browser)
    finally:
        server.shutdown()
        server.server_close()


def test_axe_finds_nothing_serious_and_a_narrow_window_needs_no_sideways_scrolling(
    browser, workspace
):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        assert not serious_violations(browser)
        for button, dialog in (("help", "keys"), ("try", "trying")):
            browser.find_element("id", button).click()
            assert not serious_violations(browser), dialog
            press(browser, Keys.ESCAPE)
        browser.set_window_size(500, 800)  # Chromium's least; the page at 390 px is emulated
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False},
        )
        time.sleep(0.5)
        wide = "return document.documentElement.scrollWidth"
        assert browser.execute_script(wide) <= 390
        assert not serious_violations(browser)
