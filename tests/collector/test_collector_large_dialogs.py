"""Exploring a page takes work in proportion to what is in it."""

from __future__ import annotations

import pytest
from picture_server import picture

import collector

COUNT = 5000
PAGE = f"""<script>
let boxes = 0;
const box = Element.prototype.getBoundingClientRect;
Element.prototype.getBoundingClientRect = function () {{ boxes += 1; return box.call(this); }};
setInterval(() => fetch(`/boxes?${{boxes}}`), 1000);
</script>
<img src=/p/0.jpg width=600 height=400>
<div role=dialog class=swatches style="position:fixed;bottom:0;height:200px;overflow:auto"></div>
<script>
const dialog = document.querySelector("[role=dialog]");
for (let n = 0; n < {COUNT}; n += 1) dialog.insertAdjacentHTML("beforeend",
  `<button aria-label="Paint ${{n}}"><img src=/small.jpg width=20 height=20></button>`);
</script>"""


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_a_dialog_of_thousands_of_small_pictures_is_looked_at_once(server, brands_for, workspace):
    server.add_pictures(1)
    server.add("/small.jpg", picture(1, (20, 20)))
    page = server.add("/page", f"<!doctype html>{PAGE}".encode(), "text/html")
    collector.collect(brands_for(pages=[page], limits={"behaviour_seconds": 8}), workspace)
    looks = max(int(path.partition("?")[2]) for path in server.paths("/boxes"))
    assert looks < 200 * COUNT
