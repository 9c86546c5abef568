"""A refusal of the picture's host, in each of its forms, is obeyed and recorded; DNS and waits."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest
from picture_server import first, picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError


def told(workspace):
    """Return what was said about the refused candidate."""
    table = schema.candidates.c
    with workspace.catalog.read() as connection:
        return connection.execute(
            select(table.error_class, table.details).where(table.state == "refused")
        ).one()


@pytest.mark.parametrize(
    ("name", "reason", "layer"),
    [
        ("x-robots-tag", "opt_out", ("x_robots_tag", "noimageai")),
        ("tdm-reservation", "reserved", ("tdm_reservation", "1")),
        ("content-usage", "content_signal", ("content_usage", "train-ai=n")),
        ("tdmrep.json", "reserved", ("tdmrep", "reserved")),
        ("content-signal", "content_signal", ("content_signal", "search=yes, ai-train=no")),
    ],
)
def test_a_refusal_of_the_picture_host_is_obeyed_and_recorded(
    server, other_server, brands_for, workspace, name, reason, layer
):
    headers = (
        {name: layer[1]} if name in {"x-robots-tag", "tdm-reservation", "content-usage"} else {}
    )
    url = other_server.add("/p/0.jpg", picture(0), headers=headers)
    if name == "tdmrep.json":
        body = b'[{"location": "/p/*", "tdm-reservation": 1}]'
        other_server.add("/.well-known/tdmrep.json", body, "application/json")
    if name == "content-signal":
        body = f"User-agent: *\nContent-Signal: {layer[1]}\nAllow: /\n".encode()
        other_server.add("/robots.txt", body, "text/plain")
    summary = collector.collect(brands_for([url, *server.add_pictures(1, start=5)]), workspace)
    assert (summary.downloaded, summary.refused_by) == (1, {reason: 1})
    error_class, details = told(workspace)
    assert error_class == reason
    assert details["permission"][layer[0]] == layer[1]
    assert len(list(workspace.blobs.root.rglob("*.*"))) == 1


@pytest.mark.usefixtures("chromium")
def test_a_page_that_opts_out_in_the_second_of_two_headers_is_refused(
    server, brands_for, workspace
):
    server.add_pictures(1)

    def twice(handler):
        body = b"<img src=/p/0.jpg>"
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("X-Robots-Tag", "noarchive")
        handler.send_header("X-Robots-Tag", "noai")
        handler.end_headers()
        handler.wfile.write(body)

    server.answers["/page"] = twice
    listed = server.add_pictures(1, prefix="/q/", start=5)
    with pytest.raises(NothingFoundError, match="pages: no picture was found"):
        collector.collect(brands_for(listed, pages=[server.url("/page")]), workspace)
    (page,) = [row for row in collector.refusals_table(workspace) if row["kind"] == "page"]
    assert (page["state"], page["reason"]) == ("refused", "opt_out")


def test_refusals_are_written_with_their_reason_and_what_was_said(
    server, brands_for, workspace, tmp_path
):
    server.add("/robots.txt", b"User-agent: *\nDisallow: /no/\n", "text/plain")
    urls = [server.url("/no/1.jpg"), server.url("/gone.jpg"), *server.add_pictures(1)]
    collector.collect(brands_for(urls), workspace)
    assert collector.write_refusals(workspace, tmp_path / "r.jsonl") == 2
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    by_reason = {row["reason"]: row for row in rows}
    assert set(by_reason) == {"robots", "http_404"}
    assert by_reason["robots"]["permission"]["robots"] == "disallowed"
    assert collector.write_refusals(workspace, tmp_path / "r.parquet") == 2


def test_a_date_in_retry_after_is_waited_for(server, brands_for, workspace):
    def busy(handler):
        until = formatdate(time.time() + 2, usegmt=True)  # whole seconds: between 1 and 2 from now
        sends(b"", status=503, headers={"Retry-After": until})(handler)

    server.answers["/p/a.jpg"] = first(1, busy, sends(picture(1)))
    assert collector.collect(brands_for([server.url("/p/a.jpg")]), workspace).downloaded == 1
    before, after = [each.at for each in server.asked if each.path == "/p/a.jpg"]
    assert after - before >= 1


def test_a_host_without_an_address_fails_alone(server, brands_for, workspace):
    urls = ["http://no-such-host.invalid/x.jpg", *server.add_pictures(2)]
    summary = collector.collect(brands_for(urls), workspace)
    assert (summary.downloaded, summary.failed) == (2, 1)
