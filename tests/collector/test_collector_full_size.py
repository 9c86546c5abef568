"""The largest picture that can be decoded is kept; and only complete turns count."""

from __future__ import annotations

import pytest
from picture_server import picture
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from collector.sources.url_candidates import is_preview_host

pytestmark = pytest.mark.usefixtures("chromium")


def rows(workspace):
    seen, images = schema.sightings, schema.images
    query = select(seen, images.c.width).join(images, images.c.sha256 == seen.c.sha256)
    with workspace.catalog.read() as connection:
        return connection.execute(query).all()


def test_of_several_full_sizes_the_largest_decoded_one_is_kept(server, brands_for, workspace):
    for n, kind in enumerate("abcd"):
        for width in (320, 640, 1280):
            server.add(f"/{kind}{width}.jpg", picture(n, (width, width * 3 // 4)))
    server.add("/c1280.jpg", b"<html>no picture", "text/html")
    page = (
        # the link leads to what the page shows anyway, the attribute to more
        "<a href=/a640.jpg><img src=/a640.jpg?x data-full=/a1280.jpg></a>"
        # the link leads to more than is shown, and the srcset to yet more
        "<a href=/b640.jpg><img src=/b320.jpg sizes=320px "
        "srcset='/b320.jpg 320w, /b1280.jpg 1280w'></a>"
        # what is said to be the largest is none
        "<a href=/c640.jpg><img src=/c320.jpg sizes=320px "
        "srcset='/c320.jpg 320w, /c1280.jpg 1280w'></a>"
        # the usual gallery: one request
        "<a href=/d1280.jpg><img src=/d320.jpg></a>"
    )
    url = server.add("/page", page.encode(), "text/html")
    collector.collect(brands_for(pages=[url]), workspace)
    widths: dict = {}
    for row in rows(workspace):
        kind = row.final_url.rpartition("/")[2][0]
        widths.setdefault(kind, []).append((row.width, row.url_candidate))
    assert widths == {
        "a": [(1280, "data_full")],
        "b": [(1280, "srcset")],
        "c": [(640, "parent_link")],
        "d": [(1280, "parent_link")],
    }
    downloads = [a.path for a in server.asked if a.headers["user-agent"].startswith("bodyshop/")]
    assert [path for path in downloads if path.startswith("/d")] == ["/d1280.jpg"]


@pytest.mark.parametrize(
    ("name", "preview"),
    [
        ("encrypted-tbn0.gstatic.com", True),
        ("tse3.mm.bing.net", True),
        ("th.bing.com", True),
        ("www.gstatic.com", False),
        ("mm.bing.net.example.org", False),
        ("cdn.example.org", False),
    ],
)
def test_hosts_of_previews_are_known_whatever_the_source(name, preview):
    assert is_preview_host(name) is preview


def test_previews_in_a_list_are_refused_unasked(server, brands_for, workspace):
    urls = ["https://encrypted-tbn0.gstatic.com/images?q=tbn:x", *server.add_pictures(1)]
    summary = collector.collect(brands_for(urls), workspace)
    assert (summary.downloaded, summary.refused_by) == (1, {"thumbnail_host": 1})


def test_a_viewer_that_does_not_say_how_many_frames_it_has_is_turned(server, brands_for, workspace):
    for n in range(1, 13):
        server.add(f"/spin/f-{n}.jpg", picture(n))
    page = server.add("/360", VIEWER.replace("AMOUNT", "").encode(), "text/html")
    summary = collector.collect(brands_for(spinners=[page]), workspace)
    assert (summary.downloaded, summary.spinners, summary.incomplete) == (12, 1, ())
    assert {row.frames for row in rows(workspace)} == {12}


@pytest.mark.slow
@pytest.mark.parametrize("answer", [None, b"<html>No such file"], ids=["404", "a page"])
def test_a_turn_with_a_missing_frame_is_reported(server, brands_for, workspace, answer):
    if answer:
        server.add("/spin/f-7.jpg", answer, "text/html")
    for n in range(1, 13):
        if n != 7:
            server.add(f"/spin/f-{n}.jpg", picture(n))
    page = server.add("/360", VIEWER.replace("AMOUNT", "data-amount-x=12").encode(), "text/html")
    summary = collector.collect(brands_for(spinners=[page]), workspace)
    assert summary.incomplete == (f"Norden Fjell, {page}: 11 of 12 frames",)
    assert any("incomplete turn" in each for each in summary.warnings())
    assert "1 of 12 pictures failed" in summary.partial[0]


@pytest.mark.slow
def test_a_viewer_that_stops_at_its_end_is_no_whole_turn(server, brands_for, workspace):
    for n in range(1, 13):
        server.add(f"/spin/f-{n}.jpg", picture(n))
    html = VIEWER.replace("AMOUNT", "").replace("(at % 12) + 1", "Math.min(12, at + 1)")
    page = server.add("/360", html.encode(), "text/html")
    summary = collector.collect(brands_for(spinners=[page]), workspace)
    assert summary.downloaded == 12
    assert {(row.frames, row.angle_deg) for row in rows(workspace)} == {(None, None)}
    assert "12 frames, no complete turn" in summary.incomplete[0]
    assert "12 frames, but no complete turn was found" in summary.partial[0]
    assert summary.pages == {"partial": 1}


VIEWER = """<!doctype html><title>360</title>
<div class=cloudimage-360 tabindex=0 data-folder="/spin/" data-filename-x="f-{index}.jpg" AMOUNT>
<img src="/spin/f-1.jpg" width=600 height=400></div>
<script>
let at = 1;
addEventListener("keydown", (event) => {
  if (event.key !== "ArrowRight") return;
  at = (at % 12) + 1;
  document.querySelector("img").src = "/spin/f-" + at + ".jpg";
});
</script>"""
