"""The provenance of a picture: what is recorded, and how it is exported."""

from __future__ import annotations

import io
import json

import pytest
from picture_server import picture
from PIL import Image

import collector
from bodyshop_core.errors import UsageError
from collector.ledger.provenance import sightings_table, write_sightings

MODIFIED = "Tue, 03 Mar 2026 10:00:00 GMT"


def signed(seed):
    """Return a picture that names its photographer and the holder of its rights."""
    exif = Image.Exif()
    exif[0x013B], exif[0x8298] = "Jo Photo", "(c) Norden Press"
    out = io.BytesIO()
    with Image.open(io.BytesIO(picture(seed))) as image:
        image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_evidence_is_written_as_json_lines_and_parquet(server, brands_for, workspace, tmp_path):
    import pyarrow.parquet as pq

    urls = server.add_pictures(2)
    urls.append(server.add("/p/s.jpg", signed(9), headers={"Last-Modified": MODIFIED}))
    collector.collect(brands_for(urls), workspace)
    table = list(sightings_table(workspace))
    assert {row["source"] for row in table} == {"urls"}
    assert {row["width"] for row in table} == {320}
    assert write_sightings(workspace, tmp_path / "s.jsonl") == 3
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [line["sha256"] for line in lines] == [row["sha256"] for row in table]
    write_sightings(workspace, tmp_path / "s.parquet")
    said = ("last_modified", "artist", "copyright", "selector")
    for rows in (lines, pq.read_table(tmp_path / "s.parquet").to_pylist()):
        by_url = {row["url"]: tuple(row[name] for name in said) for row in rows}
        assert by_url == {
            urls[0]: (None, None, None, None),
            urls[1]: (None, None, None, None),
            urls[2]: (MODIFIED, "Jo Photo", "(c) Norden Press", None),
        }
    with pytest.raises(UsageError):
        write_sightings(workspace, tmp_path / "s.xls")


def test_the_same_address_in_a_later_run_keeps_what_the_server_said(server, brands_for, workspace):
    url = server.add("/p/s.jpg", signed(9), headers={"Last-Modified": MODIFIED})
    collector.collect(brands_for([url]), workspace)
    collector.collect(brands_for(lists=[{"urls": [url], "label": "damaged"}]), workspace)
    assert [row["last_modified"] for row in sightings_table(workspace)] == [MODIFIED] * 2
    assert len(server.paths()) == 1


@pytest.mark.usefixtures("chromium")
def test_the_element_a_picture_was_found_at_is_named_by_a_css_path(server, brands_for, workspace):
    for n in range(9):
        server.add(f"/{n}.jpg", picture(n))
    page = server.add("/page", PAGE.encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    found = {
        row["final_url"].rpartition("/")[2]: row["selector"] for row in sightings_table(workspace)
    }
    assert found == {
        "0.jpg": "#hero > img",
        "1.jpg": "html > body > section > img:nth-of-type(1)",
        "2.jpg": "html > body > section > img:nth-of-type(2)",
        "3.jpg": "#\\31 a\\.b",
        "4.jpg": "#twin",
        "5.jpg": "#shadowed >>> p > img",
        "6.jpg": 'script[type="application/ld+json"]',
        "7.jpg": "html > head > meta",
        "8.jpg": None,  # a field hides its form's parent: no path, but the picture is there
    }


PAGE = """<!doctype html><html><head><title>t</title><meta property=og:image content=/7.jpg>
<script type="application/ld+json">{"@type": "ImageObject", "contentUrl": "/6.jpg"}</script></head>
<body><div id=hero><img src=/0.jpg></div>
<section><img src=/1.jpg><img src=/2.jpg><img id="1a.b" src=/3.jpg></section>
<div id=twin style="background-image: url(/4.jpg); width: 300px; height: 200px"></div>
<div id=shadowed></div>
<form><input name=parentElement><img src=/8.jpg></form>
<script>
shadowed.attachShadow({ mode: "open" }).innerHTML = "<p><img src=/5.jpg></p>";
</script></body></html>"""
