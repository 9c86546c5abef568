"""Perspective APIs: complete turns by angle, and a key that only the API itself receives."""

from __future__ import annotations

import json
import logging
import socket
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from picture_server import picture, redirects, sends

import collector
from bodyshop_core.errors import ConfigError, MissingPartError, NothingFoundError, UsageError
from collector.crawl.plan import plan
from collector.ledger.provenance import sightings_table, write_refusals, write_sightings
from collector.net.address import AddressGuard
from collector.net.api_keys import keys_of
from collector.net.deadline import DeadlineThread
from collector.net.download import DownloadLimits, download
from collector.net.http import guarded_session
from collector.net.small_response import fetch_small

KEY = "s3cr/t+key=0815&x"
SPELLINGS = ("s3cr/t+key", "s3cr%2Ft%2Bkey", "s3cr/t%2Bkey", "s3cr\\/t", "key=0815", "key%3D0815")
VARIABLE = "PERSPECTIVE_KEY"


def configurator(server, media):
    """SmallResponse as the car configurator of Mercedes-Benz does; EXT350 is missing."""

    def images(handler):
        parts = urlsplit(handler.path)
        if handler.headers.get("x-api-key") != KEY:
            told = {"message": f"key {handler.headers.get('x-api-key')} is not valid"}
            sends(json.dumps(told).encode(), "application/json", status=401)(handler)
            return
        names = parse_qs(parts.query)["perspectives"][0].split(",")
        told = {
            "vehicle": {
                name: {"url": media.add(f"/p/{name}.jpg", picture(int(name[3:])))}
                for name in names
                if name != "EXT350"
            },
            "_links": {"self": f"{server.url(parts.path)}?apikey={KEY}"},
        }
        sends(json.dumps(told).encode(), "application/json")(handler)

    server.answers["/images/vehicle"] = images
    return {
        "url": server.url("/images/vehicle?perspectives={views}"),
        "views": {"name": "EXT{}", "last": 350, "step": 10, "digits": 3},
        "answer": "vehicle.{view}.url",
        "key": {"variable": VARIABLE, "header": "x-api-key"},
    }


def image_cdn(server):
    """SmallResponse as IMAGIN.studio does, and repeat the key wherever an answer can."""

    def image(handler):
        asked = parse_qs(urlsplit(handler.path).query)
        customer, angle = asked["customer"][0], int(asked["angle"][0])
        echo = {"ETag": f'"{customer}-{angle}"', "X-Asked": handler.path}
        if customer != KEY:
            sends(b"no such customer", "text/plain", status=403)(handler)
        elif angle == 203 and "again" not in asked:
            redirects(f"{handler.path}&again=1")(handler)
        elif angle == 204:
            handler.send_response(404, f"nothing for {customer}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        elif angle == 205:
            handler.close_connection = True  # no answer: the error names the address
        elif angle == 206:
            sends(f"no picture for {customer}".encode(), f"text/{customer}")(handler)
        else:
            sends(picture(angle), headers=echo)(handler)

    server.answers["/getImage"] = image
    return {
        "url": server.url("/getImage?make=norden&modelFamily=fjell&angle={view}"),
        "views": {"first": 200, "last": 231},
        "key": {"variable": VARIABLE, "parameter": "customer"},
    }


ON = {"angles": {"enabled": True}}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)


def files_with_the_key(folder):
    return [
        f"{path.name}: {spelling}"
        for path in folder.rglob("*")
        if path.is_file()
        for spelling in SPELLINGS
        if spelling.encode() in path.read_bytes()
    ]


class Log:
    """A progress that keeps its lines."""

    def __init__(self):
        self.lines = []
        self.log = self.lines.append

    def task(self, name, total=None):
        from contextlib import nullcontext

        return nullcontext(lambda n=1, note="": None)


def test_one_request_brings_the_views_of_a_configurator(
    server, other_server, brands_for, workspace
):
    entry = configurator(server, other_server)
    summary = collector.collect(brands_for(angles=[entry], sources=ON), workspace)
    rows = sorted(sightings_table(workspace), key=lambda row: row["frame"])
    assert [row["angle_deg"] for row in rows] == [float(a) for a in range(0, 350, 10)]
    assert {row["frames"] for row in rows} == {36}
    assert len({row["spin_group"] for row in rows}) == 1
    assert {row["source"] for row in rows} == {"spinner:angles"}
    assert summary.incomplete == (
        f"Norden Fjell, {server.url('/images/vehicle')}: 35 of 36 frames",
    )
    assert "the API names 35 of 36 views" in summary.partial[0]
    assert len(server.paths("/images")) == 1
    assert files_with_the_key(workspace.root) == []
    seen = [text for each in other_server.asked for text in (each.path, *each.headers.values())]
    assert not any(spelling in text for text in seen for spelling in SPELLINGS)


def test_an_api_that_takes_one_view_at_a_time_is_asked_for_each(
    server, other_server, brands_for, workspace
):
    entry = configurator(server, other_server)
    entry |= {"url": entry["url"].replace("{views}", "{view}")}
    entry["views"] |= {"last": 340, "step": 20}
    summary = collector.collect(brands_for(angles=[entry], sources=ON), workspace)
    assert (summary.downloaded, summary.incomplete) == (18, ())
    assert len(server.paths("/images")) == 18


def test_the_key_is_sent_to_the_api_and_is_nowhere_else(
    server, brands_for, workspace, tmp_path, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    log = Log()
    brands = brands_for(angles=[image_cdn(server)], sources=ON, limits={"attempts": 1})
    summary = collector.collect(brands, workspace, progress=log)
    assert (summary.downloaded, summary.failed, summary.refused) == (29, 2, 1)
    assert summary.failed_by == {"http_404": 1, "connection": 1}
    asked = [
        parse_qs(urlsplit(each.path).query) for each in server.asked if "getImage" in each.path
    ]
    assert {each["customer"][0] for each in asked} == {KEY}
    urls = {row["url"] for row in sightings_table(workspace)}
    assert (
        server.url(f"/getImage?make=norden&modelFamily=fjell&angle=200&customer={{{VARIABLE}}}")
        in urls
    )
    out = tmp_path / "out"
    out.mkdir()
    write_sightings(workspace, out / "s.jsonl")
    write_sightings(workspace, out / "s.parquet")
    write_refusals(workspace, out / "r.jsonl")
    texts = {
        "log": "\n".join(log.lines),
        "records": caplog.text,
        "printed": "".join(capfd.readouterr()),
        "plan": str(plan(brands).as_dict()),
        "summary": json.dumps(summary.as_dict(), default=str) + "\n".join(summary.warnings()),
        "brands": repr(brands) + brands.model_dump_json(),
        "keys": repr(keys_of(brands.active_angles()).__dict__["_keys"]),
    }
    for name, text in texts.items():
        (out / name).write_text(text)
    assert (
        "nothing for {" in (out / "r.jsonl").read_text()
    )  # the reason is reported, without the key
    assert files_with_the_key(workspace.root) == []
    assert files_with_the_key(out) == []


def test_a_queued_view_gets_its_key_in_the_next_run(server, brands_for, workspace, monkeypatch):
    brands = brands_for(angles=[image_cdn(server)], sources=ON, limits={"attempts": 1})
    monkeypatch.setenv(VARIABLE, "another key")
    assert collector.collect(brands, workspace).failed == 32
    monkeypatch.setenv(VARIABLE, KEY)
    assert collector.collect(brands, workspace, retry_failed="http_403").downloaded == 29


def test_a_refused_key_is_reported_without_its_value(
    server, other_server, brands_for, workspace, monkeypatch
):
    entry = configurator(server, other_server)
    wrong = "wr0ng/key+7777"
    monkeypatch.setenv(VARIABLE, wrong)
    log = Log()
    brands = brands_for(angles=[entry], sources=ON)
    with pytest.raises(NothingFoundError) as caught:
        collector.collect(brands, workspace, progress=log)
    told = str(caught.value) + str(getattr(caught.value, "hint", "")) + "".join(log.lines)
    assert "HTTP 401" in told
    assert "wr0ng" not in told
    assert not any(b"wr0ng" in path.read_bytes() for path in workspace.root.rglob("*.sqlite*"))


def test_an_error_that_names_the_address_names_no_key(brands_for, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}/getImage?angle=1&customer={{{VARIABLE}}}"
    entry = {
        "url": f"http://127.0.0.1:{port}/getImage?angle={{view}}",
        "views": {"last": 5},
        "key": {"variable": VARIABLE, "parameter": "customer"},
    }
    keys = keys_of(brands_for(angles=[entry], sources=ON).active_angles())
    limits = DownloadLimits(1_000_000, 10, 5.0)
    with (
        guarded_session(AddressGuard(["127.0.0.1"]), "test", keys=keys) as session,
        DeadlineThread() as watch,
    ):
        outcome = download(session, watch, url, tmp_path, limits)
        small = fetch_small(session, watch, url)
    for text in (outcome.detail, small.text):
        assert f"customer={{{VARIABLE}}}" in text
        assert not any(spelling in text for spelling in SPELLINGS)


def test_a_redirect_to_another_host_takes_no_key_along(server, other_server, brands_for, workspace):
    other_server.add("/p/x.jpg", picture(1))
    entry = image_cdn(server) | {"views": {"first": 1, "last": 3}}
    server.answers["/getImage"] = redirects(
        other_server.url(f"/p/x.jpg?from={{{VARIABLE}}}&customer=%7B{VARIABLE}%7D")
    )
    collector.collect(brands_for(angles=[entry], sources=ON), workspace)
    seen = [text for each in other_server.asked for text in (each.path, *each.headers.values())]
    assert any("/p/x.jpg" in text for text in seen)
    assert not any(spelling in text for text in seen for spelling in SPELLINGS)


def test_a_key_that_is_missing_or_invalid_is_reported_before_any_request(
    server, brands_for, workspace, monkeypatch
):
    brands = brands_for(angles=[image_cdn(server)], sources=ON)
    for value, kind in (
        ("", MissingPartError),
        ("short", UsageError),
        ("sch\xf6n und lang", UsageError),
    ):
        monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(kind, match=VARIABLE) as caught:
            collector.collect(brands, workspace)
        assert not value or value not in str(caught.value)
    entry = image_cdn(server) | {"key": {"variable": "the-key-itself-zz", "parameter": "customer"}}
    with pytest.raises(UsageError, match="never the key itself") as caught:
        collector.collect(brands_for(angles=[entry], sources=ON), workspace)
    assert "zz" not in str(caught.value)
    assert server.asked == []


def test_the_source_is_disabled_unless_enabled(server, brands_for):
    assert plan(brands_for(angles=[image_cdn(server)])).tasks == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"url": "https://api.example/i"}, "{view}"),
        ({"url": "https://api.example/{views}"}, "answer"),
        ({"url": "http://api.example/{view}"}, "https"),
        ({"views": {"last": 2, "step": 2}}, "3 to 720"),
        ({"views": {"name": "EXT", "last": 9}}, "{}"),
        ({"key": {"variable": "K"}}, "header"),
        ({"key": {"variable": "K", "header": "a", "parameter": "b"}}, "header"),
    ],
)
def test_an_error_in_an_entry_is_reported(change, told):
    entry = {
        "url": "https://api.example/{view}",
        "views": {"last": 9},
        "key": {"variable": "K", "header": "x"},
    }
    plan = {
        "version": 1,
        "contact": "me@example.org",
        "brands": [{"name": "N", "models": [{"name": "M", "angles": [entry | change]}]}],
    }
    with pytest.raises(ConfigError) as caught:
        collector.parse_brands(yaml.safe_dump(plan))
    assert told in str(caught.value)
