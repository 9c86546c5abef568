"""The showroom's sites in real headless Chromium: all of their pictures, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import psutil
import pytest
import yaml
from PIL import Image
from sites import serve_replicas
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from collector.browser import Browser
from collector.net import politeness as hosts
from collector.net.address import AddressGuard
from collector.spin import turntable
from showroom import serve

pytestmark = pytest.mark.usefixtures("chromium")


@pytest.fixture(scope="module")
def site(drawn):
    with serve(drawn) as running:
        yield running


@pytest.fixture(scope="module")
def collected(site, tmp_path_factory):
    """The whole showroom, collected once."""
    workspace = Workspace.open(tmp_path_factory.mktemp("collected") / "workspace")
    summary = collector.collect(collector.parse_brands(site.brands_yaml()), workspace)
    return workspace, summary


def sightings(workspace):
    with workspace.catalog.read() as connection:
        return connection.execute(select(schema.sightings)).all()


def test_every_original_and_every_spinner_frame_is_there(site, collected):
    workspace, summary = collected
    got = {row.sha256 for row in sightings(workspace)}
    wanted = {p.sha256: p for p in site.truth.originals() if p.place != "canvas"}
    assert [p.id for sha256, p in wanted.items() if sha256 not in got] == []
    assert summary.failed == 0


def test_nothing_else_is_there(site, collected):
    workspace, _ = collected
    wanted = {p.sha256 for p in site.truth.originals()}
    extra = [row.url for row in sightings(workspace)
             if row.sha256 not in wanted and row.capture == "bytes"]  # fmt: skip
    assert extra == []


def test_every_form_of_embedding_has_its_name(collected):
    workspace, _ = collected
    url_candidates = Counter(
        row.url_candidate for row in sightings(workspace) if row.source == "pages"
    )
    assert {"parent_link", "srcset", "data_src", "css"} <= set(url_candidates)


def test_search_results_know_their_page_their_rank_and_their_label(site, collected):
    workspace, _ = collected
    truth = {p.sha256: p for p in site.truth.pictures}
    found = [row for row in sightings(workspace) if row.source == "search:showroom"]
    ranks = defaultdict(list)
    for row in found:
        assert row.page_url.startswith(f"http://{site.hosts.web}/")
        assert row.query == truth[row.sha256].query
        assert row.recipe_version == "showroom 1"
        ranks[row.query].append(row.rank)
    for of_one in ranks.values():
        assert sorted(of_one) == list(range(1, len(of_one) + 1))


def test_spinner_frames_know_their_group_place_and_angle(site, collected):
    workspace, _ = collected
    truth = {p.sha256: p for p in site.truth.pictures}
    groups = defaultdict(list)
    for row in sightings(workspace):
        if row.spin_group and row.capture == "bytes":
            groups[row.spin_group].append(row)
    assert len(groups) == 2
    for rows in groups.values():
        rows.sort(key=lambda row: row.frame)
        assert [row.frame for row in rows] == list(range(12))
        assert {row.frames for row in rows} == {12}
        assert [row.angle_deg for row in rows] == [30 * n for n in range(12)]
        assert [truth[row.sha256].angle_deg for row in rows] == [30 * n for n in range(12)]


def test_canvas_frames_are_their_pixels(site, collected, drawn):
    workspace, _ = collected
    frames = sorted(
        (r for r in sightings(workspace) if r.capture == "canvas"), key=lambda r: r.frame
    )
    wanted = sorted((p for p in site.truth.pictures if p.place == "canvas"), key=lambda p: p.frame)
    assert len(frames) == len(wanted) == 12
    for row, picture in zip(frames, wanted, strict=True):
        with Image.open(workspace.image_path(row.sha256)) as image:
            assert (image.format, image.size) == ("PNG", (picture.width, picture.height))
            pixels = image.convert("RGB").resize((32, 32))
        with Image.open(drawn / picture.file) as original:
            wanted_pixels = original.convert("RGB").resize((32, 32))
        differences = [
            abs(a - b) for one, other in zip(pixels.getdata(), wanted_pixels.getdata(), strict=True)
            for a, b in zip(one, other, strict=True)
        ]  # fmt: skip
        assert sum(differences) / len(differences) < 3


def test_what_robots_txt_forbids_was_not_asked_for(site, collected):
    _, summary = collected
    assert summary.refused_by.get("robots", 0) == len(site.truth.brands)
    assert site.log.of("cdn", prefix="/internal/") == []
    assert site.log.of("site", prefix="/members/") == []


def test_nothing_in_the_private_network_was_asked(site, collected):
    assert site.log.of("private") == []


def test_a_second_run_starts_no_browser_and_asks_nothing(site, collected, monkeypatch):
    workspace, before = collected
    monkeypatch.setattr(Browser, "_start", lambda _self: pytest.fail("a browser was started"))
    asked = len(site.log)
    again = collector.collect(collector.parse_brands(site.brands_yaml()), workspace)
    assert (again.new, again.downloaded) == (0, before.downloaded)
    assert len(site.log) == asked


def one_page(site, path, *, kind="pages", limits=None, **spinner):
    """Return brands for one page of the showroom."""
    entry = {"url": site.base_url + path, **spinner}
    plan = {
        "version": 1,
        "contact": "test@example.org",
        "allow_hosts": [site.hosts.site, site.hosts.cdn, site.hosts.web],
        "limits": {"per_host_interval": 0, "min_side": 100, "retry_seconds": 0.05,
                   "request_seconds": 2, "behaviour_seconds": 20, **(limits or {})},
        "brands": [{"name": "N", "models": [{"name": "M", kind: [entry]}]}],
    }  # fmt: skip
    return collector.parse_brands(yaml.safe_dump(plan))


@pytest.mark.parametrize(
    ("variant", "capture", "url_candidate"),
    [
        ("config", "bytes", "spin_config"),
        ("bare", "bytes", "spin_turned"),
        ("sprite", "sprite", "spin_sprite"),
        ("pack", "canvas", "spin_canvas"),
        ("webgl", "canvas", "spin_canvas"),
        ("tainted", "screenshot", "spin_screenshot"),
    ],
)
def test_every_kind_of_viewer_gives_a_whole_turn(site, workspace, variant, capture, url_candidate):
    # only this viewer's frames are known to nobody but its script
    car = "corvo/strada/360/strada-spin" if variant == "bare" else "norden/fjell/360/fjell-spin"
    path = f"/{car}?as={variant}"
    summary = collector.collect(one_page(site, path, kind="spinners"), workspace)
    rows = sightings(workspace)
    assert summary.downloaded == 12
    assert {(row.capture, row.url_candidate, row.frames) for row in rows} == {
        (capture, url_candidate, 12)
    }
    assert sorted(row.angle_deg for row in rows) == [30 * n for n in range(12)]
    assert len({row.spin_group for row in rows}) == 1
    if capture == "screenshot":
        # 400 x 266 pixels are shown at more than that: the photograph has twice what is shown
        with Image.open(workspace.image_path(rows[0].sha256)) as image:
            assert image.width >= 800
            assert image.width / image.height == pytest.approx(400 / 266, rel=0.02)


def test_a_viewer_that_is_only_dragged_is_understood(site, workspace, monkeypatch):
    path = "/corvo/strada/360/strada-spin?as=bare"
    monkeypatch.setattr(turntable, "_by_keys", lambda *_: [])
    collector.collect(one_page(site, path, kind="spinners"), workspace)
    assert sorted(row.frame for row in sightings(workspace)) == list(range(12))


def test_pictures_behind_referer_and_cookie_are_fetched_like_the_page_shows_them(site, workspace):
    summary = collector.collect(one_page(site, "/press-only/"), workspace)
    assert summary.downloaded == 4


@pytest.mark.slow
def test_the_wall_of_bad_answers_yields_only_its_good_pictures(site, workspace, monkeypatch):
    monkeypatch.setattr(hosts, "FIRST_PENALTY_S", 0.02)
    site.log.clear()
    limits = {"attempts": 2, "max_bytes": 2_000_000, "request_seconds": 1, "behaviour_seconds": 8}
    summary = collector.collect(one_page(site, "/hostile/wall", limits=limits), workspace)
    fates = {answer.name: answer.fate for answer in site.hostile}
    good = {"accept", "retry"}
    rows = {
        row.url.rpartition("/")[2].partition("?")[0]: row.sha256 for row in sightings(workspace)
    }
    # the browser also names the address that a good redirect ends at: the same picture once more
    taken = {sha256 for name, sha256 in rows.items() if fates.get(name) in good}
    bad = {name for name, sha256 in rows.items() if sha256 not in taken}
    assert bad == set()
    assert 0 < len(taken) == summary.downloaded
    assert site.log.of("private") == []
    assert set(summary.refused_by) >= {"not_a_picture", "forbidden_address"}


def test_the_browser_itself_reaches_nothing_private(site, workspace):
    site.log.clear()
    summary = collector.collect(one_page(site, "/hostile/browser"), workspace)
    assert summary.downloaded == 0
    assert site.log.of("site", prefix="/hostile/browser") != []
    assert site.log.of("private") == []


def test_a_page_of_ten_thousand_pictures_ends_at_the_limit(site, workspace):
    limits = {"page_items": 60, "per_model": 20, "behaviour_seconds": 8}
    summary = collector.collect(one_page(site, "/hostile/items?n=10000", limits=limits), workspace)
    assert summary.found <= 60
    assert summary.downloaded <= 20


def test_a_feed_that_never_ends_stops_in_time(site, workspace):
    limits = {"behaviour_seconds": 4, "page_items": 5000}
    summary = collector.collect(one_page(site, "/hostile/scroll", limits=limits), workspace)
    assert summary.found > 0
    assert summary.seconds < 25


def test_fifty_addresses_of_one_picture_are_one_picture(site, workspace):
    summary = collector.collect(one_page(site, "/hostile/same"), workspace)
    assert (summary.downloaded, summary.found) == (1, 50)
    assert len(sightings(workspace)) == 50


@pytest.mark.parametrize("page", ["names", "texts", "dialogs"])
def test_hostile_names_texts_and_dialogs_do_no_harm(site, workspace, tmp_path, page):
    collector.collect(one_page(site, f"/hostile/{page}"), workspace)
    rows = sightings(workspace)
    assert rows
    for row in rows:
        for text in (row.alt, row.caption, row.page_title):
            assert not text or text.isprintable()
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert not any("passwd" in name or "evil" in name for name in names)


def test_an_opted_out_page_is_refused_and_its_pictures_are_not_asked(site, workspace):
    site.log.clear()
    with pytest.raises(NothingFoundError, match="opt_out"):
        collector.collect(one_page(site, "/hostile/noai-page"), workspace)
    with workspace.catalog.read() as connection:
        page = connection.execute(select(schema.pages)).one()
    assert (page.state, page.error_class) == ("refused", "opt_out")
    # the browser showed the page; the downloader did not come for its pictures
    assert all("Mozilla" in request.user_agent for request in site.log.of("cdn"))


@pytest.mark.parametrize("status", [200, 403, 503])
def test_a_challenge_page_stops_its_host(site, workspace, status):
    site.log.clear()
    with pytest.raises(NothingFoundError):
        collector.collect(one_page(site, f"/hostile/challenge?status={status}"), workspace)
    with workspace.catalog.read() as connection:
        page = connection.execute(select(schema.pages)).one()
    assert (page.state, page.error_class) == ("failed", "challenge")
    assert len(site.log.of("site", prefix="/hostile/challenge")) == 1  # and nothing is evaded


def test_an_empty_page_is_a_failure_with_its_evidence(site, workspace):
    with pytest.raises(NothingFoundError) as caught:
        collector.collect(one_page(site, "/hostile/empty"), workspace)
    assert "no picture" in str(caught.value)
    kinds = sorted(path.suffix for path in (workspace.reports / "collect").iterdir())
    assert kinds == [".html", ".png"]


def test_a_browser_that_crashes_in_the_middle_is_replaced(site, workspace, monkeypatch):
    real, crashed = Browser.open, []

    def crashing(self, url):
        if not crashed:
            crashed.append(url)
            self.driver.get("about:blank")
            self.driver.service.process.kill()
        return real(self, url)

    monkeypatch.setattr(Browser, "open", crashing)
    summary = collector.collect(one_page(site, "/norden/fjell/"), workspace)
    assert crashed
    assert summary.pages == {"done": 1}
    assert summary.downloaded > 0


def test_the_user_agent_of_the_browser_is_honest(site, workspace):
    site.log.clear()
    collector.collect(one_page(site, "/norden/fjell/"), workspace)
    agents = {request.user_agent for request in site.log.of("site")}
    assert agents
    assert all("bodyshop/" in agent and "+test@example.org" in agent for agent in agents)


def test_no_process_and_no_profile_stays_behind(site):
    with Browser(AddressGuard(["127.0.0.1"]), "test") as browser:
        browser.open(site.base_url + "/robots.txt")
        profile = browser._running.profile
        assert profile.is_dir()
        group = [browser.driver.service.process.pid]
        group += [child.pid for child in psutil.Process(group[0]).children(recursive=True)]
        assert len(group) > 2
    assert [pid for pid in group if psutil.pid_exists(pid) and
            psutil.Process(pid).status() != psutil.STATUS_ZOMBIE] == []  # fmt: skip
    assert not profile.exists()


def test_a_killed_program_leaves_no_browser_behind(site):
    script = (
        "import sys, time\n"
        "from collector.net.address import AddressGuard\n"
        "from collector.browser import Browser\n"
        "with Browser(AddressGuard(['127.0.0.1']), 'test') as browser:\n"
        "    browser.open(sys.argv[1])\n"
        "    print(browser.driver.service.process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, site.base_url + "/robots.txt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        process.kill()
    until = time.monotonic() + 20
    while time.monotonic() < until and _group_lives(group):
        time.sleep(0.1)
    assert not _group_lives(group)


def _group_lives(group):
    for process in psutil.process_iter(["pid", "status"]):
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return False


def test_canaries_tell_a_working_source_from_a_changed_page(site, tmp_path):
    brands = collector.parse_brands(site.brands_yaml())
    rows = {canary.source: canary for canary in collector.check_sources(brands)}
    assert rows["search:showroom"].ok, rows["search:showroom"]
    assert rows["pages"].ok and rows["spinner"].ok
    recipe = tmp_path / "changed.yaml"
    text = Path(brands.recipes[0]).read_text() + "page_ms: 2000\n"
    recipe.write_text(text.replace("#results [role=listitem]", "#gone").replace(".tile", ".x"))
    changed = brands.model_copy(update={"recipes": (recipe,)})
    canary = {c.source: c for c in collector.check_sources(changed)}["search:showroom"]
    assert not canary.ok
    assert "recipe" in canary.fix


def test_licensed_sources_bring_licence_and_author(workspace):
    with serve_replicas(30) as replicas:
        plan = {
            "version": 1,
            "contact": "test@example.org",
            "allow_hosts": list(replicas.hosts.values()),
            "limits": {"per_host_interval": 0, "min_side": 50},
            "sources": {
                "openverse": {"enabled": True, "endpoint": replicas.openverse, "per_query": 25},
                "commons": {"enabled": True, "endpoint": replicas.commons, "per_query": 60},
            },
            "brands": [{"name": "N", "models": [{"name": "M", "queries": ["car"]}]}],
        }
        summary = collector.collect(collector.parse_brands(yaml.safe_dump(plan)), workspace)
    by_source = defaultdict(list)
    for row in sightings(workspace):
        by_source[row.source].append(row)
    assert summary.failed == 0
    assert len(by_source["openverse"]) == 25
    assert len(by_source["commons"]) == 29  # one of the 30 is a document
    for row in [*by_source["openverse"], *by_source["commons"]]:
        assert row.licence.startswith("https://creativecommons.org/")
        assert row.author and "<" not in row.author
        assert row.permission["api"]
