"""The report of many pictures is paged, and every page opens at once in real Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "curate_report.py"


@pytest.mark.slow
@pytest.mark.timeout(1400)
def test_two_thousand_pictures_are_paged_and_open_at_once() -> None:
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        pytest.skip("Chromium and its driver are not installed")
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), "--pictures", "2000"],
        capture_output=True,
        text=True,
        timeout=1300,
        check=True,
    )
    told = json.loads(done.stdout)
    assert told["pictures"] == told["thumbnails"] == 2000
    assert told["pages"] > 2000 / 120
    assert told["largest_page_kb"] < 200
    opened = {page["page"]: page for page in told["opened"]}
    kept = [page for name, page in opened.items() if name.startswith("kept-")]
    assert max(page["pictures"] for page in kept) == 120
    assert len(kept) == 2  # the pager's last link led to the last page
    for name, page in opened.items():
        assert page["nodes"] < 3000, name
        assert page["load_ms"] < 10_000, name  # 0.6 s on a quiet machine
        assert page["drawn"] == page["on_screen"] > 0, name  # all that is to be seen
