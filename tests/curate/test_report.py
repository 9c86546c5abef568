"""The report opens from disk, escapes what is hostile, and is made only when something changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe import serious_violations
from filling import add_picture, jpeg, photo, pretend_scores, resaved
from labeling_browser import browser
from PIL import Image

import curate
from bodyshop_core.catalog import Reason
from bodyshop_core.workspace import Workspace
from curate.report.charts import audit_bars, gate_histogram, stacked_bars

# _pager: the links of 400 pages, without their 50,000 pictures
# the private name: its pages at 10,000 pictures, without drawing them
from curate.report.stage import _pager
from curate.verdicts.wording import MEANING, sentence

HOSTILE = '"><script>document.title="owned"</script>'


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Fourteen pictures, one of them twice, with labels and pages nobody should trust."""
    workspace = Workspace.open(tmp_path_factory.mktemp("report") / "작업")
    for seed in range(14):
        add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("파손", f"whole {HOSTILE}")[seed % 2]},
            source="search:x",
            page_url=f"javascript:alert({seed})" if seed % 3 else f"https://a.example/{seed}",
            page_title=HOSTILE,
            alt=HOSTILE,
        )
    add_picture(workspace, resaved(photo(0)), labels={"damage": "파손"})
    add_picture(workspace, b"\xff\xd8\xff\xe0 broken", file=f"/x/{HOSTILE}.jpg")
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    return workspace


def commented(data: bytes, number: int) -> bytes:
    """Return the same pixels under other bytes: a JPEG comment differs."""
    comment = f"copy {number}".encode()
    return data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:]


def test_every_reason_has_words() -> None:
    assert set(MEANING) == set(Reason)
    for reason in Reason:
        assert sentence(reason.value, {})


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"value": 0.1, "limit": 0.5, "setting": "gate.threshold"}, "0.1 is below 0.5"),
        ({"value": 0.99, "limit": 0.5, "setting": "q"}, "0.99 is above 0.5"),
        ({"other": "ab" * 32, "kind": "near", "distance": 4}, "4 of 64 hash bits differ"),
        ({"other": "ab" * 32, "kind": "exact", "distance": 0}, "same pixels as abab"),
        ({"values": ["a", "b"]}, "labelled a and b"),
        ({"splits": ["test", "train"]}, "would connect the splits test and train"),
        ({"error": "truncated"}, "truncated"),
    ],
)
def test_details_become_a_sentence(details: dict[str, Any], said: str) -> None:
    assert said in sentence("not_a_car", details)


def test_no_page_carries_unescaped_text_or_a_dangerous_link(reported: Workspace) -> None:
    pages = list((reported.reports / "curate").glob("*.html"))
    assert {page.name for page in pages} >= {
        *("index.html", "kept-1.html", "unreadable-1.html", "near_duplicate-1.html"),
        "clusters-1.html",
    }
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text
        assert 'href="javascript' not in text
        assert "http://" not in text.replace("https://a.example", "")


def test_every_link_and_picture_of_a_page_is_there(reported: Workspace) -> None:
    import re

    folder = reported.reports / "curate"
    for page in folder.glob("*.html"):
        for target in re.findall(r'(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8")):
            if not target.startswith(("https://", "/")):  # those of the desk are hidden
                missing = not (page.parent / target).exists()
                broken_picture = "thumbnails" in target and "unreadable" in page.name
                assert not missing or broken_picture, f"{page.name} -> {target}"


def test_thumbnails_are_named_by_the_whole_sha256(reported: Workspace) -> None:
    names = [path.stem for path in (reported.reports / "curate" / "thumbnails").rglob("*.jpg")]
    assert len(names) == 15
    assert all(len(name) == 64 for name in names)


def test_nothing_is_written_when_nothing_changed(reported: Workspace) -> None:
    index = reported.reports / "curate" / "index.html"
    before = index.stat().st_mtime_ns
    assert curate.write_report(reported) == index
    assert index.stat().st_mtime_ns == before


def test_the_first_page_counts_what_could_not_be_compared(workspace: Workspace) -> None:
    """One photo 70 times is a heavy crowd; blank pictures are too plain."""
    random = np.random.default_rng(0)
    for number in range(70):
        add_picture(workspace, commented(photo(1), number))
    for _ in range(3):
        blank = np.clip(random.normal(235, 2, (240, 320, 3)), 0, 255).astype(np.uint8)
        add_picture(workspace, jpeg(Image.fromarray(blank)))
    pretend_scores(workspace)
    counts = curate.curate(workspace, workers=1).duplicates
    assert counts["plain"] == 3
    assert counts["heavy"] == 70
    text = (workspace.reports / "curate" / "index.html").read_text(encoding="utf-8")
    for name, said in (
        ("plain", "too plain"),
        ("heavy", "more than 64 pictures share"),
        ("near", "near:"),
    ):
        row = next(line for line in text.splitlines() if said in line)
        assert f'<td class="n">{counts[name]:,}</td>' in row


def test_pages_are_linked_with_gaps() -> None:
    links = _pager("kept", 10, 50_000, 120)
    assert [link["number"] for link in links] == [1, None, 7, 8, 9, 10, 11, 12, 13, None, 417]
    assert _pager("kept", 1, 120, 120) == []


def test_a_cluster_of_hundreds_is_cut_on_its_page(workspace: Workspace) -> None:
    data = photo(1)
    for number in range(30):
        add_picture(workspace, commented(data, number))
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    text = (workspace.reports / "curate" / "clusters-1.html").read_text(encoding="utf-8")
    assert text.count("<figure") == 24
    assert "and 6 more" in text


def test_charts_of_nothing_are_empty_and_names_are_escaped() -> None:
    assert gate_histogram([], 0.5) == ""
    assert stacked_bars({}) == ""
    assert audit_bars(None) == ""
    assert "<b>" not in stacked_bars({"<b>": {"<i>": 1}})


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened.window


def test_the_report_shows_in_a_real_browser(reported: Workspace, window) -> None:
    """Every picture of the first pages is drawn, and no script ran."""
    for name in ("index.html", "kept-1.html", "clusters-1.html"):
        window.get((reported.reports / "curate" / name).as_uri())
        assert window.title != "owned"
        drawn = window.execute_script(
            "for (const i of document.images) i.loading = 'eager';"
            "return Promise.all([...document.images].map(i => i.decode().then(() => "
            "i.naturalWidth, () => 0)))"
        )
        assert drawn
        assert all(drawn)
    text = window.find_element("tag name", "body").text
    assert "파손" in text


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_in_the_report_and_no_page_is_wider_than_the_window(
    reported: Workspace, window, width: int
) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for page in sorted((reported.reports / "curate").glob("*.html")):
        window.get(page.as_uri())
        assert not serious_violations(window), page.name
        wide = window.execute_script("return document.documentElement.scrollWidth")
        assert wide <= width, page.name


def test_an_own_folder_elsewhere_still_shows(reported: Workspace, tmp_path: Path) -> None:
    """A workspace can be moved: every path in the report is relative."""
    copy = Path(shutil.copytree(reported.root, tmp_path / "moved"))
    text = (copy / "reports" / "curate" / "kept-1.html").read_text(encoding="utf-8")
    assert str(reported.root) not in text
