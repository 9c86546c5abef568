"""What a click would show is tried carefully: no page is left, and nothing else is taken."""

from __future__ import annotations

import pytest
from picture_server import picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("chromium")]

BOX = """<script>document.onclick = (e) => {
  const link = e.target.closest("a"); if (!link) return; e.preventDefault();
  document.body.insertAdjacentHTML("beforeend", `<img class=box src="${link.href}">`); };
</script>"""

CANVAS = """<!doctype html><title>3d</title><canvas id=c width=400 height=300></canvas><script>
const gl = c.getContext("webgl"); let at = 0, down = false;
const draw = () => { gl.enable(gl.SCISSOR_TEST);
  for (let n = 0; n < 8; n += 1) { gl.scissor(n * 50, 0, 50, 300);
    gl.clearColor(Math.min(1, at / 1200), Math.min(1, at / 1200), n / 20, 1);
    gl.clear(gl.COLOR_BUFFER_BIT); } };
draw(); c.onpointerdown = () => { down = true; }; onpointerup = () => { down = false; };
onpointermove = (e) => { if (down) { at += Math.abs(e.movementX); draw(); } };
const light = new Image(); light.src = "/light.jpg";
</script>"""


def found(workspace):
    seen, images = schema.sightings, schema.images
    with workspace.catalog.read() as connection:
        query = select(seen.c.url, images.c.width).join(images, images.c.sha256 == seen.c.sha256)
        return sorted((url.rpartition(":")[2].partition("/")[2], width)
                      for url, width in connection.execute(query))  # fmt: skip


def captures(workspace):
    with workspace.catalog.read() as connection:
        return set(connection.execute(select(schema.sightings.c.capture)).scalars())


def thumbs(server, count, target):
    for number in range(count):
        server.answers[f"/t/{number}.jpg"] = sends(picture(number, (300, 200)))
    return "".join(
        f"<a href={target.format(number)}><img src=/t/{number}.jpg></a>" for number in range(count)
    )


def widths(workspace):
    seen, images = schema.sightings, schema.images
    with workspace.catalog.read() as connection:
        query = select(images.c.width).join(seen, images.c.sha256 == seen.c.sha256)
        return sorted(connection.execute(query).scalars())


def test_one_click_shows_that_the_links_of_its_kind_lead_to_larger_pictures(
    server, brands_for, workspace
):
    for number in range(3):
        server.answers[f"/media/{number}"] = sends(picture(number, (900, 600)))
    server.answers["/media/3"] = sends(picture(77, (900, 600)))  # shows something else
    page = server.add("/page", (thumbs(server, 4, "/media/{}") + BOX).encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert widths(workspace) == [300, 900, 900, 900]


def test_links_that_no_script_answers_are_not_followed(server, brands_for, workspace):
    body = thumbs(server, 4, "/view/{}")
    for number in range(4):
        server.add(f"/view/{number}", b"<h1>another car</h1><img src=/p/9.jpg>", "text/html")
    page = server.add("/page", body.encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert widths(workspace) == [300] * 4
    assert server.paths("/view") == []


def test_a_picture_whose_click_leaves_the_page_is_not_clicked(server, brands_for, workspace):
    server.add_pictures(2)
    server.add("/other", b"<img src=/p/1.jpg width=600>", "text/html")
    body = b"<img src=/p/0.jpg width=300 onclick=\"location.href='/other'\">"
    page = server.add("/page", body, "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert server.paths("/other") == []
    assert [url for url, _ in found(workspace)] == ["p/0.jpg"]


@pytest.mark.parametrize("model", [False, True], ids=["a panorama", "a car and its light"])
def test_a_wide_picture_beside_a_3d_model_is_no_panorama(server, brands_for, workspace, model):
    server.answers["/light.jpg"] = sends(picture(5, (2048, 1024)))
    server.answers["/car.glb"] = sends(b"glTF", "model/gltf-binary")
    body = CANVAS + ("<script>fetch('/car.glb')</script>" if model else "")
    viewer = server.add("/viewer", body.encode(), "text/html")
    collector.collect(brands_for(spinners=[viewer], limits={"behaviour_seconds": 8}), workspace)
    assert captures(workspace) == ({"canvas"} if model else {"panorama"})


LATE_DIALOG = """<dialog><ul></ul></dialog><script>
const dialog = document.querySelector("dialog"), list = dialog.querySelector("ul");
for (const link of document.links) {
  list.insertAdjacentHTML("beforeend", "<li aria-roledescription=slide></li>");
  link.onclick = (e) => { e.preventDefault();
    const image = new Image(500); image.src = link.href;
    image.onload = () => setTimeout(() => {
      list.children[[...document.links].indexOf(link)].replaceChildren(image);
      dialog.showModal(); }, DELAY); };
}
onkeydown = (e) => { if (e.key === "Escape" && dialog.open) dialog.close(); };
</script>"""


# The key that closes the dialog leads to another page, or the page is itself in a dialog.
LEAVES = LATE_DIALOG.replace("dialog.close()", "(location.href = '/other')")
ITSELF = """<div role=dialog><h1>Fjell</h1><p>9 photos</p><p id=m></p><button>Load more</button>
</div><script>
const dialog = document.querySelector("div");
document.querySelector("button").onclick = () => { m.innerHTML =
  [0, 1, 2, 3].map((n) => `<img width=300 height=200 src=/media/${n}>`).join(""); };
onkeydown = (e) => { if (e.key === "Escape") dialog.remove(); };
</script>"""


@pytest.mark.parametrize("dialog", ["leaves", "itself"])
def test_closing_a_dialog_does_not_change_the_page_whose_signs_are_read(
    server, brands_for, workspace, dialog
):
    for number in range(4):
        server.answers[f"/media/{number}"] = sends(picture(number, (900, 600)))
    server.add("/other", b"<h1>other</h1>", "text/html")
    body = thumbs(server, 4, "/media/{}") + "<p>9 photos</p>" + LEAVES.replace("DELAY", "700")
    page = server.add("/page", (body if dialog == "leaves" else ITSELF).encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        assert "announces 9" in connection.execute(select(schema.pages.c.error)).scalar_one()
    assert server.paths("/other") == []
