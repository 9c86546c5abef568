"""The map and the pairs of the desk: in a real browser, and what the page is answered."""

from __future__ import annotations

import time
from threading import Event

import pytest
from axe import serious_violations
from desk_browser import chromium, opened, press, said, until
from desk_client import TOKEN, let_in, page_headers
from filling import add_picture, photo, pretend_features, pretend_scores, resaved
from selenium.webdriver import ActionChains, Keys
from sqlalchemy import select

import curate
from bodyshop.desk import app, pictures
from bodyshop.desk.app import create_app
from bodyshop.desk.serving import serve_desk
from bodyshop.desk.state import DeskState
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from curate.gate.stage import load_gate

pytestmark = pytest.mark.slow


@pytest.fixture
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace.open(tmp_path / "workspace")
    data = [photo(seed) for seed in range(20)]
    for seed, each in enumerate([*data, resaved(data[3])]):
        add_picture(
            workspace, each, labels={"damage": ("damaged", "whole")[seed % 2 if seed < 20 else 1]},
            file=f"{seed}.jpg", source="import",
        )  # fmt: skip
    curate.measure_images(workspace, workers=1)
    pretend_scores(workspace)
    curate.judge(workspace)
    pretend_features(workspace, load_gate(workspace))
    return workspace


def count(browser) -> str:
    return browser.find_element("id", "count").text


def test_a_polygon_on_the_map_is_a_filter_and_its_coordinates_are_those_of_the_map(workspace):
    state = DeskState(workspace, "Kim", read_only=True)
    client = let_in(create_app(state, TOKEN))
    square = "-9,-9,9,-9,9,9,-9,9"
    assert client.get(f"/api/pictures?map={square}").status_code == 400  # not laid out yet
    client.post("/api/map", headers=page_headers(client))
    while (found := client.get("/api/map").json)["state"] == "running":
        time.sleep(0.02)
    assert found == {"state": "done"}
    assert client.get(f"/api/pictures?map={square}").json["total"] == 21
    mapped = {one.sha256: (one.x, one.y) for one in curate.map_pictures(workspace).places}
    assert {name: pytest.approx(xy) for name, xy in mapped.items()} == state.map.places
    middle = sorted(x for x, _ in mapped.values())[10] + 1e-6
    found = client.get(f"/api/pictures?map=-9,-9,{middle},-9,{middle},9,-9,9").json["pictures"]
    assert {one["sha256"] for one in found} == {
        name for name, (x, _) in mapped.items() if x < middle
    }
    for wrong in ("1,2", "1,2,3", "a,b,c,d,e,f", "1,2,3,4,nan,6", ",".join(["1"] * 402)):
        assert client.get(f"/api/pictures?map={wrong}").status_code == 400


def test_a_line_around_points_and_the_keys_fill_the_grid(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        press(browser, "v")
        until(browser, lambda: "21 pictures" in browser.find_element("id", "inside").text)
        cloud = browser.find_element("id", "cloud")
        inked = browser.execute_script(
            "const c = arguments[0], d = c.getContext('2d').getImageData(0, 0, c.width, c.height)"
            ".data; return d.reduce((n, v, i) => n + (i % 4 === 3 && v > 0), 0)", cloud,
        )  # fmt: skip
        assert inked > 21 * 30  # a few points are large enough to be seen
        wide, high = cloud.size["width"] // 2 - 2, cloud.size["height"] // 2 - 2
        chain = ActionChains(browser).move_to_element_with_offset(cloud, -wide, -high)
        chain.click_and_hold().move_by_offset(2 * wide, 0).move_by_offset(0, 2 * high)
        chain.move_by_offset(-2 * wide, 0).release().perform()
        until(browser, lambda: "map=" in browser.current_url)
        until(browser, lambda: count(browser) == "21 pictures")
        press(browser, "v")
        until(browser, lambda: cloud.is_displayed())
        press(browser, Keys.ARROW_LEFT, "+", "+")
        until(browser, lambda: "inside" in browser.find_element("id", "inside").text)
        inside = browser.find_element("id", "inside").text.split()[0]
        press(browser, Keys.ENTER)
        until(browser, lambda: not cloud.is_displayed())
        until(browser, lambda: count(browser).split()[0] == inside)
        address = browser.current_url
        opened(browser, address)  # a bookmark lays the map out by itself
        assert count(browser).split()[0] == inside
        errors = [each for each in browser.get_log("browser") if "favicon" not in each["message"]]
        assert not errors


def test_a_copy_beside_its_original_is_split_off_and_taken_back(browser, workspace):
    def placed() -> int:
        with workspace.catalog.read() as connection:
            return len(connection.execute(select(schema.cluster_decisions)).all())

    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("css selector", "[data-queue=copies]").click()
        until(browser, lambda: count(browser) == "1 picture")
        browser.find_element("id", "openpairs").click()
        until(browser, lambda: "represents it" in browser.find_element("id", "about1").text)
        until(browser, lambda: browser.execute_script("return sides.every((s) => s === 'shown')"))
        press(browser, "b")
        sides = [browser.find_element("id", f"side{number}") for number in (0, 1)]
        until(browser, lambda: sides[0].is_displayed() and not sides[1].is_displayed())
        until(browser, lambda: sides[1].is_displayed() and not sides[0].is_displayed())
        press(browser, "b", "t")
        until(browser, lambda: placed() == 2)
        until(browser, lambda: "cluster by a person" in browser.find_element("id", "about0").text)
        until(browser, lambda: browser.execute_script("return !pairBusy"))
        press(browser, "u")
        until(browser, lambda: placed() == 0)
        until(browser, lambda: "taken back" in said(browser))


def test_nothing_is_said_about_a_pair_of_which_a_picture_is_not_in_sight(
    browser, workspace, monkeypatch
):
    comes, asked = Event(), []

    def late(workspace, sha256: str) -> bytes:
        asked.append(sha256)
        comes.wait(30)
        return pictures.show(workspace, sha256)

    def told() -> str:
        return browser.find_element("id", "pairsaid").text

    def decided() -> list[str]:
        with workspace.catalog.read() as connection:
            rows = connection.execute(select(schema.decisions)).all()
            return [
                *(row.decision for row in rows),
                *connection.execute(select(schema.cluster_decisions)).scalars(),
            ]

    monkeypatch.setattr(app, "show", late)
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("css selector", "[data-queue=copies]").click()
        until(browser, lambda: count(browser) == "1 picture")
        try:
            browser.find_element("id", "openpairs").click()
            until(browser, lambda: len(asked) == 2)
            for key in "krtmg":
                browser.execute_script("say('')")
                press(browser, key)
                until(browser, lambda: "are loaded" in told())
            assert not decided()
        finally:
            comes.set()
        until(browser, lambda: browser.execute_script("return sides.every((s) => s === 'shown')"))
        press(browser, "k", "r")  # one answer: the second key comes while the first is written
        until(browser, lambda: "keep: 1 picture" in told())
        assert decided() == ["keep"]


def test_nothing_is_said_about_a_pair_that_can_not_be_shown(browser, workspace, monkeypatch):
    def gone(workspace, sha256: str) -> bytes:
        raise NothingFoundError("it is gone")

    monkeypatch.setattr(app, "show", gone)
    with serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("css selector", "[data-queue=copies]").click()
        until(browser, lambda: count(browser) == "1 picture")
        browser.find_element("id", "openpairs").click()
        until(browser, lambda: browser.execute_script("return sides.includes('broken')"))
        press(browser, "k")
        until(browser, lambda: "can't be shown" in browser.find_element("id", "pairsaid").text)
        with workspace.catalog.read() as connection:
            assert not connection.execute(select(schema.decisions)).all()


def test_axe_finds_nothing_serious_on_map_and_pairs_and_they_fit_390_pixels(browser, workspace):
    with serve_desk(workspace, by="Kim") as desk:
        for width in (1280, 390):
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False},
            )
            opened(browser, desk.address)
            press(browser, "v")
            until(browser, lambda: browser.find_element("id", "cloud").is_displayed())
            assert not serious_violations(browser)
            press(browser, Keys.ESCAPE)
            browser.find_element("css selector", "[data-queue=copies]").click()
            until(browser, lambda: count(browser) == "1 picture")
            browser.find_element("id", "openpairs").click()
            until(browser, lambda: "represents it" in browser.find_element("id", "about1").text)
            assert not serious_violations(browser)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
