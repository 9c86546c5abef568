"""An element with a name takes the place of what `document`, or its form, has under that name."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

NAMED = {
    "images": "<img name=images width=0>",
    "scripts": "<img name=scripts width=0>",
    "title": "<form name=title></form>",
    "body": "<iframe name=body srcdoc=x></iframe>",
    "style": "<form><select name=style><option>Coupe<option>SUV</select></form>",
    "attributes": "<form><input name=attributes></form>",
    "matches": "<form><input name=matches></form>",
}
VIEWER = """<title>Fjell</title><img id=m src=/p/NAME-0.jpg width=300 height=200>
<div id=b>Next</div><script>let n = 0;
b.onclick = () => { if (n < 3) m.src = `/p/NAME-${n += 1}.jpg`; };</script>"""


def test_elements_named_like_parts_of_the_document_cost_a_page_no_picture(
    server, brands_for, workspace
):
    for place, (name, element) in enumerate(NAMED.items()):
        server.add_pictures(4, prefix=f"/p/{name}-", start=10 * place)
        page = f"<!doctype html>{element}{VIEWER.replace('NAME', name)}"
        server.add(f"/{name}", page.encode(), "text/html")
    urls = [server.url(f"/{name}") for name in NAMED]
    summary = collector.collect(brands_for(pages=urls), workspace)
    with workspace.catalog.read() as connection:
        seen = connection.execute(select(schema.sightings)).all()
    assert Counter(row.page_url for row in seen) == dict.fromkeys(urls, 4)
    assert {row.page_title for row in seen} == {"Fjell"}
    assert (summary.partial, summary.failed) == ((), 0)
