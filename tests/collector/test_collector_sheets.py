"""Viewers of other people's making: a sheet behind a window, signs that turn; pictures that are replaced at once."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import io

import pytest
from picture_server import picture
from PIL import Image
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

COUNT, SIZE = 16, (320, 240)
DRAG = "let x = null, n = 0; v.onmousedown = (event) => { x = event.clientX; event.preventDefault(); }; document.onmousemove = (event) => { if (x === null) return; const by = Math.trunc((event.clientX - x) / 12); if (by) { n = (((n + by) % 16) + 16) % 16; x = event.clientX; draw(); } }; document.onmouseup = () => { x = null; };"
WINDOW = "<h1>Fjell</h1><div id=v style='width:320px;height:240px;overflow:hidden'><img id=m src=/sheet.jpg draggable=false style='display:block'></div>"
SHEETS = {
    "across": f"{WINDOW}<script>{DRAG} const draw = () => {{ m.style.transform = `translate3d(${{-320 * n}}px,0,0)`; }};</script>",
    "down": f"{WINDOW}<script>{DRAG} const draw = () => {{ m.style.marginTop = `${{-240 * n}}px`; }};</script>",
}  # fmt: skip


def sheet(across):
    whole = Image.new("RGB", (SIZE[0] * COUNT, SIZE[1]) if across else (SIZE[0], SIZE[1] * COUNT))
    for n in range(COUNT):
        cell = Image.open(io.BytesIO(picture(n, SIZE)))
        whole.paste(cell, (SIZE[0] * n, 0) if across else (0, SIZE[1] * n))
    out = io.BytesIO()
    whole.save(out, "PNG")
    return out.getvalue()


def rows(workspace):
    seen = schema.sightings
    with workspace.catalog.read() as connection:
        return connection.execute(select(seen).order_by(seen.c.frame)).all()


@pytest.mark.parametrize("way", SHEETS)
def test_no_part_of_a_sheet_behind_a_window_is_passed_over(server, brands_for, workspace, way):
    server.add("/sheet.jpg", sheet(way == "across"), "image/png")
    page = server.add("/page", f"<!doctype html>{SHEETS[way]}".encode(), "text/html")
    plan = brands_for(spinners=[page], limits={"behaviour_seconds": 60})
    summary = collector.collect(plan, workspace)
    assert summary.partial == ()
    assert len({row.sha256 for row in rows(workspace)}) == COUNT
    assert [row.angle_deg for row in rows(workspace)] == [n * 360 / COUNT for n in range(COUNT)]


SIGNS = """<h1>Fjell</h1><div id=v><img id=m src=/p/0.jpg width=640 height=480></div>
<span id=l style="cursor:pointer">◀</span><span id=r style="cursor:pointer">▶</span><script>
let n = 0; const draw = () => { m.src = `/p/${n}.jpg`; };
r.onclick = () => { n = (n + 1) % 16; draw(); }; l.onclick = () => { n = (n + 15) % 16; draw(); };</script>"""


def test_a_viewer_is_turned_by_a_sign_that_is_no_button(server, brands_for, workspace):
    server.add_pictures(COUNT)
    page = server.add("/page", f"<!doctype html><meta charset=utf-8>{SIGNS}".encode(), "text/html")
    collector.collect(brands_for(spinners=[page], limits={"behaviour_seconds": 60}), workspace)
    assert len({row.sha256 for row in rows(workspace)}) == COUNT


REPLACED = """<h1>Fjell</h1><div id=s></div><script>let n = 0;
const step = () => { const shown = new Image(600, 400); shown.src = `/p/${n}.jpg`; s.append(shown);
  shown.onload = () => { shown.onload = null; if (n === 5) return; n += 1;
    setTimeout(() => { shown.src = `/p/${n}.jpg`; shown.remove(); step(); }, 60); }; };
step();</script>"""


def test_an_element_that_is_given_another_picture_and_removed_joins_nothing(
    server, brands_for, workspace
):
    server.add_pictures(6)
    page = server.add("/page", f"<!doctype html>{REPLACED}".encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    assert len({row.sha256 for row in rows(workspace)}) == 6
