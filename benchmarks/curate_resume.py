"""Kill -9 in the middle of `bodyshop curate` on real photos, then go on; on both engines.

    python benchmarks/curate_resume.py PHOTOS [--pictures 1000] > resume.json

PHOTOS holds damage/{training,validation}/{damaged,whole}, models/ and not_car/. Each engine gets a
workspace of its own with the same photos. Its first run is killed when the first shard of
measurements is on disk, the second when the first shard of the gate is, the third goes through. A
run that nobody kills is what they are compared with.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bodyshop_core.catalog import schema
from bodyshop_core.workspace import Workspace

LIMIT_S = 900

BODYSHOP = str(Path(sys.executable).with_name("bodyshop"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--engines", nargs="+", default=["local", "dask"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        imported(chosen.photos, chosen.pictures, source, Path(folder) / "photos")
        told: dict[str, Any] = {}
        verdicts: dict[str, Any] = {}
        shutil.copytree(source, Path(folder) / "whole")
        told["never killed"] = run(Path(folder) / "whole", "local")
        verdicts["never killed"] = outcome(Path(folder) / "whole")
        for engine in chosen.engines:
            root = Path(folder) / engine
            shutil.copytree(source, root)
            told[engine] = killed_twice(root, engine)
            verdicts[engine] = outcome(root)
        told["same as never killed"] = {
            engine: compared(verdicts["never killed"], verdicts[engine])
            for engine in chosen.engines
        }
    print(json.dumps(told, indent=1))


def imported(photos: Path, count: int, root: Path, chosen: Path) -> None:
    """Import `count` photos, evenly from cars of both labels, models and other things."""
    kinds = {
        "damaged": [photos / "damage" / half / "damaged" for half in ("training", "validation")],
        "whole": [photos / "damage" / half / "whole" for half in ("training", "validation")],
        "other": [photos / "not_car"],
        "models": [photos / "models"],
    }
    files = {
        kind: [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        for kind, folders in kinds.items()
    }
    shares = {"damaged": 0.35, "whole": 0.35, "models": 0.1, "other": 0.2}
    for kind, share in shares.items():
        (chosen / kind).mkdir(parents=True)
        for number, path in enumerate(files[kind][: round(count * share)]):
            (chosen / kind / f"{number:04d}{path.suffix.lower()}").symlink_to(path)
    for kind in ("damaged", "whole"):
        command(root, "import", str(chosen / kind), "--label", kind)
    for kind in ("models", "other"):
        command(root, "import", str(chosen / kind))


def command(root: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [BODYSHOP, "--workspace", str(root), "--json", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{arguments}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout) | {"lines": done.stderr.splitlines()}


def run(root: Path, engine: str) -> dict[str, Any]:
    """Curate to the end."""
    began = time.perf_counter()
    told = command(root, "curate", "--engine", engine)
    names = ("pictures", "measured", "scored", "kept", "rejected", "reasons", "clusters")
    return {
        **{name: told[name] for name in names},
        "seconds": round(time.perf_counter() - began, 1),
        "progress": [line for line in told["lines"] if "measure" in line or "gate" in line],
    }


def killed_twice(root: Path, engine: str) -> dict[str, Any]:
    measured = kill_when(root, engine, lambda: counted(root, "measurements") > 0)
    scored = kill_when(root, engine, lambda: counted(root, "gate_scores") > 0)
    last = run(root, engine)
    again = run(root, engine)
    return {
        "first kill": measured,
        "second kill": scored,
        "third run": last,
        "fourth run": {name: again[name] for name in ("measured", "scored", "seconds")},
    }


def kill_when(root: Path, engine: str, ready: Callable[[], bool]) -> dict[str, Any]:
    """Start curate, kill it with -9 as soon as `ready`, and say what was on disk by then."""
    arguments = ["--workspace", str(root), "curate", "--engine", engine]
    began = time.perf_counter()
    process = subprocess.Popen(
        [BODYSHOP, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not ready():
        if process.poll() is not None or time.perf_counter() - began > LIMIT_S:
            raise SystemExit(f"{engine}: ended with {process.poll()} before it could be killed")
        time.sleep(0.02)
    process.kill()
    process.wait()
    seconds = round(time.perf_counter() - began, 1)
    return {"after_s": seconds, **left(root), "workers_left": survivors(process.pid)}


def left(root: Path) -> dict[str, int]:
    """Count the pictures whose measurement, and whose features, are on disk."""
    from curate.gate.feature_store import FeatureStore

    scored: set[str] = set()
    for store in (root / "features").glob("*"):
        scored |= FeatureStore(store).keys()
    return {
        "measured": counted(root, "measurements"),
        "scored": len(scored),
    }


def counted(root: Path, table: str) -> int:
    with sqlite3.connect(f"file:{root / 'bodyshop.sqlite'}?mode=ro", uri=True, timeout=5) as base:
        return int(base.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def survivors(session: int, *, patience_s: float = 15) -> int:
    """Count the processes of a killed run's session that are still there after a while."""
    deadline = time.monotonic() + patience_s
    while alive := [pid for pid in processes() if session_of(pid) == session]:
        if time.monotonic() > deadline:
            for pid in alive:
                os.kill(pid, signal.SIGKILL)
            return len(alive)
        time.sleep(0.1)
    return 0


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def outcome(root: Path) -> dict[str, Any]:
    """Return all that was decided, by sha256."""
    workspace = Workspace.open(root, create=False)
    with workspace.catalog.read() as connection:
        verdicts = {
            row.sha256: (row.verdict, row.reasons, row.cluster, row.representative, row.group)
            for row in connection.execute(schema.verdicts.select())
        }
        splits = {
            row.sha256: (row.split_set, row.split)
            for row in connection.execute(schema.splits.select())
        }
        scores = {row.sha256: row.p_car for row in connection.execute(schema.gate_scores.select())}
    return {"verdicts": verdicts, "splits": splits, "scores": scores}


def compared(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    far = max(abs((one["scores"][key] or 0) - (p or 0)) for key, p in other["scores"].items())
    return {
        "verdicts": one["verdicts"] == other["verdicts"],
        "splits": one["splits"] == other["splits"],
        "pictures": len(other["verdicts"]),
        "largest difference of p_car": round(far, 6),
    }


if __name__ == "__main__":
    main()
