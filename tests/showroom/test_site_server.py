"""The hosts, their robots.txt and log, and the faults that can be put into them."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import requests

from bodyshop_core.errors import BodyshopError
from showroom import Site, serve
from showroom.site.hosts import NAMES
from showroom.site.server import bind


def test_every_full_size_file_has_one_address_that_gives_its_very_bytes(site: Site) -> None:
    import hashlib

    with requests.Session() as session:
        for url, picture in site.originals().items():
            if picture.id.endswith(("0", "1")):
                data = session.get(url, timeout=10).content
                assert hashlib.sha256(data).hexdigest() == picture.sha256, url
    shown = [p for p in site.truth.originals() if p.place != "canvas"]
    assert len(site.originals()) == len(shown)


def test_a_canvas_frame_has_no_address(site: Site) -> None:
    frames = [p for p in site.truth.pictures if p.place == "canvas"]
    assert frames
    assert {site.original_url(p) for p in frames} == {None}
    for host in ("cdn", "web"):
        for path in (f"/o/{frames[0].id}.jpg", f"/photos/{frames[0].id}.jpg"):
            assert requests.get(site.hosts.url(host, path), timeout=10).status_code == 404


def test_copies_and_thumbnails_are_smaller_and_other_bytes_than_the_original(site: Site) -> None:
    from io import BytesIO

    from PIL import Image

    picture = next(p for p in site.truth.pictures if p.place == "search")
    thumb = requests.get(site.hosts.thumbnail(picture), timeout=10).content
    assert Image.open(BytesIO(thumb)).width < 250
    gallery = next(p for p in site.truth.pictures if p.place == "gallery")
    for extension, fmt in (("jpg", "JPEG"), ("webp", "WEBP")):
        answer = requests.get(site.hosts.smaller(gallery, 0, extension), timeout=10)
        copy = Image.open(BytesIO(answer.content))
        assert (copy.width, copy.format) == (288, fmt)
        assert answer.headers["Content-Type"] == f"image/{fmt.lower()}"


def test_the_six_hosts_take_successive_ports_from_the_one_asked_for(drawn_root: Path) -> None:
    for start in range(28411, 29411, 50):
        try:
            for sock in bind(NAMES, start).values():
                sock.close()
        except BodyshopError:
            continue
        break
    with serve(drawn_root, port=start) as site:
        assert [getattr(site.hosts, n) for n in NAMES] == [
            f"127.0.0.1:{start + i}" for i in range(len(NAMES))
        ]


def test_a_taken_port_is_named(site: Site, drawn_root: Path) -> None:
    port = int(site.hosts.site.rpartition(":")[2])
    with pytest.raises(BodyshopError, match=f"Port {port} of 127"):
        serve(drawn_root, port=port)


def test_serving_a_folder_without_a_showroom_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BodyshopError, match=r"build_showroom\(\)"):
        serve(tmp_path)


def test_each_host_has_a_robots_file_that_can_be_changed(drawn_root: Path) -> None:
    with serve(drawn_root, crawl_delay=0.5) as site:
        for name in NAMES:
            text = requests.get(site.hosts.url(name, "/robots.txt"), timeout=10).text
            assert text.startswith("User-agent: *")
            assert "Crawl-delay: 0.5" in text
        site.set_robots("cdn", "gone", status=503)
        answer = requests.get(site.hosts.url("cdn", "/robots.txt"), timeout=10)
        assert (answer.status_code, answer.text) == (503, "gone")


def test_the_log_tells_who_asked_which_host_for_what_and_when(site: Site) -> None:
    with requests.Session() as session:
        session.headers.update({"User-Agent": "tester/1", "Referer": "http://before/"})
        session.get(site.base_url + "/norden/fjell/?a=1", timeout=10)
        time.sleep(0.15)
        session.get(site.base_url + "/no%20where/", timeout=10)
        session.get(site.search_url + "/", timeout=10)
    first, second = site.log.of("site", agent="tester")
    assert (first.method, first.path, first.query) == ("GET", "/norden/fjell/", "a=1")
    assert (second.path, first.status, second.status) == ("/no%20where/", 200, 404)
    assert first.referer == "http://before/"
    assert first.finished is not None
    assert first.finished >= first.started
    assert site.log.gaps("site")[0] >= 0.15
    assert len(site.log.of("search")) == 1
    assert site.log.of("site", prefix="/no%20") == [second]


def test_the_log_counts_requests_that_are_open_at_the_same_time(drawn_root: Path) -> None:
    with serve(drawn_root, latency=0.3) as site:
        url = site.base_url + "/robots.txt"
        threads = [threading.Thread(target=requests.get, args=(url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        requests.get(url, timeout=10)
        assert site.log.peak("site") == 3
        assert site.log.peak("cdn") == 0


def test_an_injected_fault_hits_the_next_requests_and_then_the_host_recovers(site: Site) -> None:
    url = next(u for u, p in site.originals().items() if p.place == "gallery")
    site.inject("cdn", "/o/", status=429, headers={"Retry-After": "7"}, times=2)
    answers = [requests.get(url, timeout=10) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "7"


def test_a_fault_per_path_hits_every_address_once(site: Site) -> None:
    urls = [u for u, p in site.originals().items() if p.place == "spinner"][:3]
    site.inject("cdn", "/spin/", status=503, times=1, per_path=True)
    assert [requests.get(u, timeout=10).status_code for u in urls] == [503] * 3
    assert [requests.get(u, timeout=10).status_code for u in urls] == [200] * 3


def test_closing_cuts_what_is_still_being_sent_and_frees_the_ports(drawn_root: Path) -> None:
    site = serve(drawn_root)
    answer = requests.get(site.base_url + "/hostile/slow", stream=True, timeout=10)
    next(answer.iter_content(1))
    begun = time.monotonic()
    site.close()
    site.close()
    assert time.monotonic() - begun < 5
    assert not site.recipe_path.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(site.base_url, timeout=5)
    answer.close()


def test_hotlinked_pictures_need_the_page_as_referer_and_its_cookie(site: Site) -> None:
    picture = next(p for p in site.truth.pictures if p.place == "gallery")
    url = site.hosts.url("cdn", f"/hotlink/{picture.id}.jpg")
    assert requests.get(url, timeout=10).status_code == 403
    with requests.Session() as session:
        page = site.base_url + "/press-only/"
        assert url in session.get(page, timeout=10).text
        assert session.get(url, timeout=10).status_code == 403
        assert session.get(url, headers={"Referer": page}, timeout=10).status_code == 200


def test_the_collector_accepts_the_plan_and_the_recipe_of_the_site(
    site: Site, tmp_path: Path
) -> None:
    from collector import load_brands
    from collector.sources.recipe import load_recipe

    file = tmp_path / "brands.yaml"
    file.write_text(site.brands_yaml(interval=0.5), encoding="utf-8")
    brands = load_brands(file)
    assert [m.name for b in brands.brands for m in b.models] == ["Fjell", "Strada", "바람"]
    model = brands.brands[2].models[0]
    assert [(q.text, q.label) for q in model.queries] == [
        ("한빛 바람", "whole"),
        ("한빛 바람 damaged", "damaged"),
    ]
    assert model.spinners[0].url.startswith(site.base_url)
    assert site.hosts.private not in brands.allow_hosts
    assert brands.limits.per_host_interval == 0.5
    recipe = load_recipe(site.recipe_path)
    assert recipe.name in brands.sources.search.engines
    assert brands.recipes == (site.recipe_path,)

    file.write_text(site.brands_yaml(spinners=False, search=False), encoding="utf-8")
    reduced = load_brands(file)
    assert not reduced.sources.spinners.enabled
    assert reduced.sources.search.engines == ()


def test_the_module_serves_from_the_command_line_until_it_is_told_to_stop(
    drawn_root: Path,
) -> None:
    import signal
    import subprocess
    import sys

    command = [sys.executable, "-m", "showroom.site", str(drawn_root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        assert "Cars that do not exist" in requests.get(url, timeout=10).text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    assert "allow_hosts" in (drawn_root / "brands.yaml").read_text("utf-8")
