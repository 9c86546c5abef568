"""A page is collected whole, with the right page and model, or it is partial and says why."""

from __future__ import annotations

import time

import pytest
from picture_server import picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from collector.brands import parse_brands

pytestmark = pytest.mark.usefixtures("chromium")


def sightings(workspace):
    with workspace.catalog.read() as connection:
        return connection.execute(select(schema.sightings)).all()


def pages(workspace):
    with workspace.catalog.read() as connection:
        return connection.execute(select(schema.pages)).all()


def images(count, *, start=0):
    return "".join(f"<p><img src=/p/{n}.jpg width=300></p>" for n in range(start, start + count))


@pytest.mark.slow
def test_a_picture_that_arrives_after_its_page_was_left_is_not_of_the_next_page(
    server, brands_for, workspace
):
    server.add_pictures(6)
    late = sends(picture(99))

    def slow(handler):
        time.sleep(6)
        late(handler)

    server.answers["/late.jpg"] = slow
    first = server.add("/a", (images(3) + "<img src=/late.jpg width=300>").encode(), "text/html")
    second = server.add("/b", images(3, start=3).encode(), "text/html")

    def slow_page(handler):
        time.sleep(4)
        sends(images(3, start=3).encode(), "text/html")(handler)

    server.answers["/b"] = slow_page
    brands = brands_for(pages=[first], limits={"request_seconds": 30})
    brand = brands.brands[0]
    other = brand.models[0].model_copy(
        update={
            "name": "Dal",
            "pages": (brand.models[0].pages[0].model_copy(update={"url": second}),),
        }
    )
    both = brand.model_copy(update={"models": (*brand.models, other)})
    collector.collect(brands.model_copy(update={"brands": (both,)}), workspace, browsers=1)
    found = {(row.model, row.url.rpartition("/")[2], row.page_url) for row in sightings(workspace)}
    names = ["0.jpg", "1.jpg", "2.jpg", "late.jpg"]
    assert found == {("Fjell", name, first) for name in names} | {
        ("Dal", f"{n}.jpg", second) for n in (3, 4, 5)
    }


@pytest.mark.slow
def test_a_script_that_goes_back_too_far_stays_on_its_page(server, brands_for, workspace):
    """As viewers do that add entries to the history, and take them away twice."""
    server.add_pictures(6)
    back = "<script>addEventListener('scroll', () => history.go(-2), {once: true})</script>"
    tall = "<p style='height:4000px'>" + back
    addresses = [
        server.add(f"/{n}", (images(2, start=2 * n) + tall).encode(), "text/html") for n in range(3)
    ]
    brands = brands_for(pages=addresses)
    collector.collect(brands, workspace, browsers=1)
    assert {page.state for page in pages(workspace)} == {"done"}
    assert {(row.page_url, row.url) for row in sightings(workspace)} == {
        (address, server.url(f"/p/{2 * n + k}.jpg"))
        for n, address in enumerate(addresses)
        for k in range(2)
    }


@pytest.mark.slow
def test_content_that_comes_late_is_waited_for(server, brands_for, workspace):
    server.add_pictures(9)
    urls = []
    scripts = {
        "timer": "setTimeout(() => {{ document.body.innerHTML = '{}'; }}, 4000)",
        "chain": "let n = 0; const go = () => ++n < 4 ? setTimeout(go, 700)"
        " : document.body.innerHTML = '{}'; go()",
        "script": "const s = document.createElement('script'); s.src = '/slow.js';"
        " document.head.append(s); window.draw = () => {{ document.body.innerHTML = '{}'; }}",
    }

    def slow(handler):
        time.sleep(2)
        sends(b"draw()", "text/javascript")(handler)

    server.answers["/slow.js"] = slow
    for place, (name, script) in enumerate(scripts.items()):
        html = f"<title>{name}</title><script>{script.format(images(3, start=3 * place))}</script>"
        urls.append(server.add(f"/{name}", html.encode(), "text/html"))
    summary = collector.collect(brands_for(pages=urls), workspace)
    assert (summary.downloaded, summary.partial) == (9, ())


@pytest.mark.slow
def test_a_page_that_a_script_replaces_is_the_page_it_was_replaced_by(
    server, brands_for, workspace
):
    server.add_pictures(3)
    target = server.add("/target", images(3).encode(), "text/html")
    server.add("/robots.txt", b"User-agent: *\nDisallow: /secret", "text/plain")
    server.add("/secret", images(3).encode(), "text/html")
    go = "<script>setTimeout(() => {{ location.href = '{}'; }}, 600)</script>"
    first = server.add("/first", go.format("/target").encode(), "text/html")
    other = server.add("/other", go.format("/secret").encode(), "text/html")
    collector.collect(brands_for(pages=[first, other]), workspace)
    assert {row.page_url for row in sightings(workspace)} == {target}
    assert {row.url: row.state for row in pages(workspace)}[other] == "refused"


@pytest.mark.slow
def test_a_banner_in_a_closed_shadow_root_that_comes_late_is_refused(server, brands_for, workspace):
    server.add_pictures(3)
    page = server.add("/page", BANNER.replace("PICTURES", images(3)).encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert (summary.downloaded, summary.partial) == (3, ())
    (said,) = {row.permission["consent"][0] for row in sightings(workspace)}
    assert said == "refused: words i decline"


@pytest.mark.slow
def test_a_banner_that_can_only_be_accepted_is_reported(server, brands_for, workspace):
    server.add_pictures(3)
    html = BANNER.replace("PICTURES", images(3)).replace("I decline!", "Read more")
    page = server.add("/page", html.encode(), "text/html")
    with pytest.raises(collector.IncompleteCollectError, match="no picture"):
        collector.collect(brands_for(pages=[page]), workspace)
    (row,) = pages(workspace)
    assert "waits for consent" in row.error


@pytest.mark.slow
def test_a_page_that_announces_more_is_partial_until_it_is_retried(server, brands_for, workspace):
    server.add_pictures(6)
    html = f"<h2>Gallery: 6 photos</h2>{images(4)}"
    page = server.add("/page", html.encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert (summary.downloaded, summary.pages) == (4, {"partial": 1})
    assert "4 of 6" in summary.partial[0]
    assert any(line.startswith("partial: ") for line in summary.warnings())
    server.add("/page", f"<h2>Gallery: 6 photos</h2>{images(6)}".encode(), "text/html")
    again = collector.collect(brands_for(pages=[page]), workspace)
    assert again.downloaded == 4
    retried = collector.collect(brands_for(pages=[page]), workspace, retry_failed="partial")
    assert (retried.downloaded, retried.partial, retried.pages) == (6, (), {"done": 1})


@pytest.mark.slow
def test_a_page_of_which_pictures_failed_is_partial_until_they_are_there(
    server, brands_for, workspace
):
    server.add_pictures(2)
    listed = '<script type=application/json>{"a": "/named-only.jpg"}</script>'
    page = server.add("/a", (images(3) + listed).encode(), "text/html")
    brands = brands_for(pages=[page])
    summary = collector.collect(brands, workspace)
    (row,) = pages(workspace)
    assert (row.state, row.error) == ("partial", "1 of 4 pictures failed (1 http_404)")
    assert page in summary.partial[0]
    assert summary.failed == 2
    assert collector.collect(brands, workspace).partial == summary.partial
    server.add("/p/2.jpg", picture(2))
    summary = collector.collect(brands, workspace, retry_failed="partial")
    (row,) = pages(workspace)
    assert (row.state, row.error, row.error_class, summary.partial) == ("done", None, None, ())
    assert summary.downloaded == 3


@pytest.mark.slow
def test_pictures_that_the_browser_has_are_not_requested_again(server, brands_for, workspace):
    server.add_pictures(8)
    page = server.add("/page", images(8).encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert summary.downloaded == 8
    assert len(server.paths()) == 8


@pytest.mark.slow
def test_pictures_that_wait_for_a_place_are_stored_from_the_browser(server, brands_for, workspace):
    """Two of three places bring equal pictures, and the host answers to browsers only."""

    def to_browsers(data):
        return lambda handler: (
            sends(data)(handler)
            if "Chrome" in handler.headers["User-Agent"]
            else handler.send_error(403)
        )

    for place, number in enumerate((1, 1, 1, 2, 3)):
        server.answers[f"/p/{place}.jpg"] = to_browsers(picture(number))
    page = server.add("/page", images(5).encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page], limits={"per_model": 3}), workspace)
    assert (summary.downloaded, summary.failed) == (3, 0)


@pytest.mark.slow
def test_a_redirected_picture_is_one_sighting(server, brands_for, workspace):
    server.add_pictures(1)
    headers = {"Location": "/p/0.jpg"}
    server.add("/old.jpg", b"", "text/plain", status=302, headers=headers)
    page = server.add("/page", b"<img src=/old.jpg width=300>", "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    (row,) = sightings(workspace)
    assert (row.url, row.final_url) == (server.url("/old.jpg"), server.url("/p/0.jpg"))


@pytest.mark.slow
def test_a_picture_that_the_browser_was_redirected_to_is_judged_by_the_rules_there(
    server, brands_for, workspace
):
    server.add("/robots.txt", b"User-agent: *\nDisallow: /p/", "text/plain")
    server.add_pictures(1)
    headers = {"Location": "/p/0.jpg"}
    server.add("/old.jpg", b"", "text/plain", status=302, headers=headers)
    page = server.add("/page", b"<img src=/old.jpg width=300>", "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert (summary.downloaded, summary.refused_by) == (0, {"robots": 1})


def test_a_picture_that_is_met_again_has_the_way_and_time_of_its_own_find(server, workspace):
    url = server.add_pictures(1)[0]
    text = f"""
version: 1
contact: test@example.org
allow_hosts: [127.0.0.1]
limits: {{per_host_interval: 0, min_side: 100}}
brands:
  - name: Norden
    models:
      - {{name: Fjell, lists: [{{urls: ["{url}"]}}]}}
"""
    brands = parse_brands(text)
    collector.collect(brands, workspace)
    time.sleep(1.1)
    again = parse_brands(text.replace("Fjell", "Dal"))
    collector.collect(again, workspace)
    first, second = sorted(sightings(workspace), key=lambda row: row.model, reverse=True)
    assert first.sha256 == second.sha256
    assert second.fetched_at > first.fetched_at


BANNER = """<!doctype html><title>banner</title><main></main><div id=host></div>
<script>
setTimeout(() => {
  const root = host.attachShadow({ mode: "closed" });
  root.innerHTML = '<div role=dialog class=cookie-banner>We use cookies' +
    '<button id=a>Accept all</button><button id=b>I decline!</button></div>';
  const go = () => { root.innerHTML = ""; document.querySelector("main").innerHTML = `PICTURES`; };
  root.querySelector("#a").onclick = go;
  if (root.querySelector("#b").textContent !== "Read more") root.querySelector("#b").onclick = go;
}, 1500);
</script>"""
