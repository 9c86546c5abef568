"""The desk with many pictures: ``python -m benchmarks.desk --pictures 100000``.

Rows are synthetic; no picture is decoded. Prints seconds and memory of the start, and the time of
pages as the browser asks for them: a filter that was not asked before, and the next page of it.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.desk_rows import fill
from bodyshop.desk.app import create_app
from bodyshop.desk.state import DeskState
from bodyshop_core.processes import peak_memory_mib
from bodyshop_core.workspace import Workspace

VIEWS = (
    "", "verdict=keep", "reason=blurry", "label=damaged&split=train", "p_car=0.2..0.6",
    "text=door", "origin=host3.example.org|host4.example.org", "verdict=reject&framing=part",
)  # fmt: skip
SORTS = ("", "p_car", "-sharpness", "file")


def main() -> None:
    """Fill, serve, ask, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=100_000)
    count = parser.parse_args().pictures
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder) / "workspace")
        fill(workspace, count)
        before = peak_memory_mib() or 0
        started = time.perf_counter(), time.process_time()
        state = DeskState(workspace, "benchmark", read_only=False)
        ready = time.perf_counter() - started[0], time.process_time() - started[1]
        client = create_app(state, "token").test_client()
        client.get("/?token=token")
        page = re.search(r'name="desk-token" content="([^"]+)"', client.get("/").text)
        assert page
        new, more, acted = [], [], []
        for view in VIEWS:
            for sort in SORTS:
                new.append(_seconds(client, f"/api/pictures?{view}&sort={sort}"))
                more.append(_seconds(client, f"/api/pictures?{view}&sort={sort}&offset=200"))
        facets = _seconds(client, "/api/facets")
        for sha256 in state.table["sha256"].to_pylist()[:5]:
            body = {"kind": "keep", "pictures": [sha256]}
            start = time.perf_counter()
            answer = client.post("/api/act", json=body, headers={"X-Desk-Token": page[1]})
            assert answer.status_code == 200, answer.data
            acted.append(time.perf_counter() - start)
        print(f"{count:,} pictures")
        peak = peak_memory_mib() or 0
        print(f"start: {ready[0]:.1f} s ({ready[1]:.1f} CPU-s)")
        print(f"peak memory: {peak:.0f} MiB, of which {before:.0f} before")
        _line("a new view's first page of 200", new)
        _line("its next page", more)
        _line("filters with their numbers", [facets])
        _line("a decision", acted)


def _seconds(client: object, path: str) -> float:
    start = time.perf_counter()
    answer = client.get(path)  # type: ignore[attr-defined]
    assert answer.status_code == 200, answer.data
    return time.perf_counter() - start


def _line(what: str, seconds: list[float]) -> None:
    milliseconds = np.asarray(seconds) * 1000
    median, worst = statistics.median(milliseconds), milliseconds.max()
    print(f"{what}: median {median:.0f} ms, worst {worst:.0f} ms")


if __name__ == "__main__":
    main()
