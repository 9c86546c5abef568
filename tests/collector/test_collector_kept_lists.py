"""Full sizes that no element names plainly; and a turn that does not fit into the time."""

from __future__ import annotations

import pytest
from picture_server import picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("chromium")]

LISTS = """<!doctype html><title>lists</title><div id=g></div><script>
const both = (k) => ({thumb: `/t/${k}.jpg`, full: `/p/${k}.jpg`});
var cars = [{name: "this", photos: [0, 1, 2, 3].map(both)},
            {name: "other", photos: [4, 5, 6, 7].map(both)}];
Object.defineProperty(cars, "trap", {enumerable: true, get() { throw Error("read"); }});
cars.self = cars;
g.innerHTML = cars[0].photos.slice(0, 2).map((each) => `<img src=${each.thumb}>`).join("");
</script>"""


def serve_pictures(server, count):
    """Serve pictures of 900x600 at /p/, and the same at 300x200 at /t/."""
    for number in range(count):
        server.answers[f"/p/{number}.jpg"] = sends(picture(number, (900, 600)))
        server.answers[f"/t/{number}.jpg"] = sends(picture(number, (300, 200)))


def found(workspace):
    with workspace.catalog.read() as connection:
        seen, images = schema.sightings, schema.images
        query = select(seen.c.final_url, images.c.width).join(
            images, images.c.sha256 == seen.c.sha256
        )
        return sorted((url.rpartition("//")[2].partition("/")[2], width)
                      for url, width in connection.execute(query))  # fmt: skip


def test_a_list_of_a_script_counts_if_the_page_shows_one_of_its_pictures(
    server, brands_for, workspace
):
    serve_pictures(server, 8)
    page = server.add("/page", LISTS.encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert found(workspace) == [(f"p/{number}.jpg", 900) for number in range(4)]


def test_a_size_that_an_attribute_names_by_its_width_is_taken_if_it_is_larger(
    server, brands_for, workspace
):
    serve_pictures(server, 4)
    body = "".join(
        f"<a href=/t/{k}.jpg data-at-300=/t/{k}.jpg data-at-900=/p/{k}.jpg><img src=/t/{k}.jpg></a>"
        for k in range(2)
    )
    # The link is the original; the attribute has a small copy.
    body += "".join(
        f"<a href=/p/{k}.jpg><img data-thumb-300=/t/{k}.jpg src=/t/{k}.jpg></a>" for k in (2, 3)
    )
    page = server.add("/page", body.encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert found(workspace) == [(f"p/{number}.jpg", 900) for number in range(4)]


def test_the_link_of_a_lightbox_is_tried_without_the_name_of_a_picture(
    server, brands_for, workspace
):
    serve_pictures(server, 3)
    server.answers["/media/0"] = sends(picture(0, (900, 600)))
    server.answers["/media/1"] = sends(picture(2, (900, 600)))  # another picture
    server.add("/media/2", b"<h1>a page</h1>", "text/html")
    body = "".join(
        f"<a href=/media/{k} data-lightbox=car><img src=/t/{k}.jpg></a>" for k in range(3)
    )
    body += "<a href=/details><img src=/p/0.jpg></a>"
    page = server.add("/page", body.encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert found(workspace)[0] == ("media/0", 900)
    assert ("t/1.jpg", 300) in found(workspace)
    assert ("t/2.jpg", 300) in found(workspace)
    assert server.paths("/details") == []


@pytest.mark.parametrize("model", ["x", "Fjell"])
@pytest.mark.parametrize("together", [False, True], ids=["in two runs", "in one run"])
def test_a_known_thumbnail_does_not_hide_the_larger_picture_behind_its_lightbox(
    server, brands_for, workspace, model, together
):
    serve_pictures(server, 1)
    server.answers["/media/0"] = sends(picture(0, (900, 600)))
    teaser = server.add("/teaser", b"<img src=/t/0.jpg>", "text/html")
    body = b"<a href=/media/0 data-lightbox=car><img src=/t/0.jpg></a>"
    gallery = server.add("/gallery", body, "text/html")
    first, second = brands_for(pages=[teaser]), brands_for(pages=[gallery], name=model)
    if together:
        models = first.brands[0].models + second.brands[0].models
        if model == "Fjell":
            models = brands_for(pages=[teaser, gallery]).brands[0].models
        brand = first.brands[0].model_copy(update={"models": models})
        collector.collect(first.model_copy(update={"brands": (brand,)}), workspace, browsers=1)
    else:
        collector.collect(first, workspace)
        collector.collect(second, workspace)
    assert found(workspace) == [("media/0", 900), ("t/0.jpg", 300)]
    asked = len(server.paths("/media/0"))
    collector.collect(second, workspace, refresh=True)
    assert len(server.paths("/media/0")) == asked


def test_a_large_picture_that_another_page_shows_is_still_that_of_the_thumbnail(
    server, brands_for, workspace
):
    serve_pictures(server, 1)
    server.answers["/media/0"] = sends(picture(0, (900, 600)))
    bodies = {"teaser": b"<img src=/t/0.jpg>", "large": b"<img src=/media/0>",
              "gallery": b"<a href=/media/0 data-lightbox=car><img src=/t/0.jpg></a>"}  # fmt: skip
    models = tuple(
        brands_for(pages=[server.add(f"/{name}", body, "text/html")], name=name).brands[0].models[0]
        for name, body in bodies.items()
    )
    plan = brands_for(pages=[])
    brand = plan.brands[0].model_copy(update={"models": models})
    collector.collect(plan.model_copy(update={"brands": (brand,)}), workspace, browsers=1)
    with workspace.catalog.read() as connection:
        query = select(schema.sightings.c.model, schema.images.c.width).join(
            schema.images, schema.images.c.sha256 == schema.sightings.c.sha256
        )
        seen = {(model, width) for model, width in connection.execute(query)}
    assert seen == {("teaser", 300), ("large", 900), ("gallery", 900)}


NEVER_AGAIN = """<!doctype html><title>3d</title><canvas id=c width=400 height=300></canvas><script>
const gl = c.getContext("webgl"); let at = 0, down = false;
const draw = () => { gl.enable(gl.SCISSOR_TEST);
  for (let n = 0; n < 8; n += 1) { gl.scissor(n * 50, 0, 50, 300);
    gl.clearColor(Math.min(1, at / 1200), Math.min(1, at / 1200), n / 20, 1);
    gl.clear(gl.COLOR_BUFFER_BIT); } };
draw(); c.onpointerdown = () => { down = true; }; onpointerup = () => { down = false; };
onpointermove = (e) => { if (down) { at += Math.abs(e.movementX); draw(); } };
</script>"""


def test_a_canvas_that_was_not_turned_in_the_time_is_partial(server, brands_for, workspace):
    viewer = server.add("/viewer", NEVER_AGAIN.encode(), "text/html")
    brands = brands_for(spinners=[viewer], limits={"behaviour_seconds": 8})
    summary = collector.collect(brands, workspace)
    with workspace.catalog.read() as connection:
        page = connection.execute(select(schema.pages)).one()
        frames = connection.execute(select(schema.sightings.c.frames)).scalars().all()
    assert (page.state, page.error) == ("partial", "the canvas was not turned in the time")
    assert len(frames) > 3
    assert set(frames) == {None}
    assert summary.partial
