"""The report of curate as a file to send, and at the desk with links into the grid."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest
from axe import serious_violations
from desk_browser import chromium, opened, until
from desk_client import TOKEN, let_in
from filling import add_picture, photo, pretend_scores, resaved

import curate
from bodyshop.desk.app import create_app
from bodyshop.desk.reports import list_reports
from bodyshop.desk.serving import serve_desk
from bodyshop.desk.state import DeskState
from bodyshop_core.workspace import Workspace
from train.report.pages import write_table


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    workspace = Workspace.open(tmp_path_factory.mktemp("reports") / "workspace")
    for seed in range(6):
        add_picture(
            workspace, photo(seed), labels={"damage": ("damaged", "whole")[seed % 2]},
            file=f"{seed}.jpg", source="import",
        )  # fmt: skip
    add_picture(workspace, resaved(photo(1)), labels={"damage": "whole"}, file="1b.jpg")
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    run = workspace.runs / "train-1"
    run.mkdir(parents=True)
    sha256 = "0" * 64
    figure = {"file": "thumbs/x.jpg", "name": "x", "text": "x", "sha256": sha256}
    write_table(run / "report.html", title="A run", subtitle="", gallery=[figure])
    (run / "recipe.yaml").write_text("secret: 1\n")
    return workspace


@pytest.fixture
def client(workspace):
    return let_in(create_app(DeskState(workspace, "Kim", read_only=True), TOKEN))


def test_reports_are_shown_only_with_the_token_and_run_no_script(workspace, client):
    page = "/report/reports/curate/index.html"
    stranger = create_app(DeskState(workspace, "Kim", read_only=True), TOKEN).test_client()
    assert stranger.get(page).status_code == stranger.get("/report/").status_code == 403
    answer = client.get(page)
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200 and "default-src 'none'" in policy
    assert "script" not in policy and "connect" not in policy and b"<script" not in answer.data
    assert "script-src 'self'" in client.get("/").headers["Content-Security-Policy"]


def test_nothing_but_pages_styles_and_pictures_of_reports_is_shown(workspace, client):
    assert client.get("/report/runs/train-1/report.html").status_code == 200
    link = workspace.reports / "curate" / "link.html"
    link.symlink_to(workspace.root / "catalog.sqlite")
    try:
        for path in (
            "runs/train-1/recipe.yaml", "runs/../catalog.sqlite", "reports/curate/link.html",
            "reports/curate/content.txt", "reports/../catalog.sqlite", "reports/map/index.html",
            "reports/curate/%2e%2e/%2e%2e/catalog.sqlite", "blobs/a.jpg", "reports/curate/a%00.jpg",
            "reports/curate/..%5c..%5ccatalog.sqlite",
        ):  # fmt: skip
            assert client.get(f"/report/{path}").status_code in (308, 404), path
    finally:
        link.unlink()


def test_no_address_leads_out_of_the_reports(workspace):
    hidden = workspace.blobs.root / "aa" / "x.jpg"
    hidden.parent.mkdir(parents=True, exist_ok=True)
    linked = workspace.runs / "linked"
    files = (
        hidden, workspace.root / "other.html", workspace.reports / "other.html",
        workspace.reports / "map" / "index.html",
    )  # fmt: skip
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"not for the browser")
    linked.symlink_to(workspace.blobs.root)
    try:
        with serve_desk(workspace, by="Kim", read_only=True) as desk:
            address = urlsplit(desk.address)
            connection = HTTPConnection(address.netloc, timeout=30)

            def get(path: str, **headers: str) -> HTTPResponse:
                connection.request("GET", path, headers=headers)  # as it stands: nothing tidied
                answer = connection.getresponse()
                answer.data = answer.read()
                return answer

            cookie = get(f"/?{address.query}").headers["Set-Cookie"].split(";")[0]
            assert get("/report/runs/train-1/report.html", Cookie=cookie).status == 200
            for up in ("..", "%2e%2e", ".%2E"):
                for slash in ("/", "%2f", "%2F", "%5c", "\\"):
                    for path in (
                        "runs/{up}/blobs/aa/x.jpg", "runs/{up}/other.html",
                        "runs/train-1/{up}/{up}/blobs/aa/x.jpg", "runs/./{up}/blobs/aa/x.jpg",
                        "runs/{up}/reports/map/index.html", "reports/curate/{up}/other.html",
                        "reports/{up}/reports/map/index.html", "reports/{up}/blobs/aa/x.jpg",
                        "reports/curate/{up}/map/index.html", "runs/linked/aa/x.jpg",
                        f"runs/{hidden}", f"runs/train-1/{hidden}", "runs/./train-1/report.html",
                        "reports/map/index.html",
                    ):  # fmt: skip
                        area, rest = path.format(up=up).split("/", 1)
                        asked = f"/report/{area}/{rest.replace('/', slash)}"
                        answer = get(asked, Cookie=cookie)
                        assert answer.status in (308, 404), asked
                        assert b"not for" not in answer.data, asked
            connection.close()
    finally:
        linked.unlink()
        for file in files:
            file.unlink()


def test_runs_are_listed_the_newest_first(tmp_path):
    workspace = Workspace.open(tmp_path / "workspace")
    for name in ("train-20260101-090000-aa", "segment-20261101-090000-bb", "train-20260601-1-cc"):
        (workspace.runs / name).mkdir(parents=True)
        (workspace.runs / name / "report.html").touch()
    assert [each.title for each in list_reports(workspace)] == [
        "Run segment-20261101-090000-bb", "Run train-20260101-090000-aa", "Run train-20260601-1-cc",
    ]  # fmt: skip


def test_originals_are_decoded_by_the_desk(workspace, client):
    text = client.get("/report/reports/curate/kept-1.html").get_data(as_text=True)
    assert "/show/" in text and "../../blobs" not in text
    assert "../../" in (workspace.reports / "curate" / "kept-1.html").read_text("utf-8")


@pytest.mark.slow
def test_a_report_opened_as_a_file_has_no_links_to_a_desk(workspace):
    with chromium() as browser:
        browser.get((workspace.reports / "curate" / "kept-1.html").as_uri())
        links = browser.find_elements("css selector", "a[href^='/']")
        assert links and not any(link.is_displayed() for link in links)
        assert "bodyshop desk" in browser.find_element("css selector", "footer").text


@pytest.mark.slow
def test_pictures_and_galleries_of_reports_lead_to_their_place_at_the_desk(workspace):
    with chromium() as browser, serve_desk(workspace, by="Kim") as desk:
        opened(browser, desk.address)
        browser.find_element("link text", "Reports").click()
        assert "Run train-1" in browser.find_element("css selector", "main").text
        assert not serious_violations(browser)
        browser.find_element("partial link text", "What was kept").click()
        assert "bodyshop desk" not in browser.find_element("css selector", "footer").text
        browser.find_element("partial link text", "Near duplicate").click()
        assert not serious_violations(browser)
        loaded = "return document.querySelector('figure img').naturalWidth"
        until(browser, lambda: browser.execute_script(loaded) > 0)
        browser.find_element("link text", "All of these at the desk").click()
        until(browser, lambda: browser.find_element("id", "count").text == "1 picture")
        assert "reason=near_duplicate" in browser.current_url
        browser.back()
        link = browser.find_element("link text", "at the desk")
        sha256 = link.get_attribute("href").split("=")[1]
        link.click()
        until(browser, lambda: browser.find_elements("css selector", f"[data-sha256^='{sha256}']"))
        assert browser.find_element("id", "count").text == "1 picture"
        browser.get(desk.address.split("?")[0] + "report/reports/curate/clusters-1.html")
        browser.find_element("link text", "This cluster at the desk").click()
        until(browser, lambda: browser.find_element("id", "count").text == "2 pictures")
        browser.get(desk.address.split("?")[0] + "report/runs/train-1/report.html")
        assert browser.find_element("link text", "at the desk").is_displayed()
        errors = [each for each in browser.get_log("browser") if "favicon" not in each["message"]]
        assert not [each for each in errors if "Security Policy" in each["message"]]
