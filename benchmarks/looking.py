"""What it costs to look at pictures: curate, predict, and the runtimes of the backbones.

    python -m benchmarks.looking DATA [--old CHECKOUT] [--pictures N] [--rounds N] [--only PART…]

DATA holds damage/{training,validation}/{damaged,whole} and not_car/. With ``--old`` the packages of
another checkout (git worktree add CHECKOUT COMMIT) do the same in turns, and what both stored and
predicted is compared. Times are CPU-seconds (user and system, with worker processes). The
yardstick is decoding the same photos at a reduced size and resizing them to a square of 224.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

CHILD = Path(__file__).with_name("looking_child.py")
HERE = Path(__file__).resolve().parent.parent
COMMAND = "from bodyshop.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--old", type=Path, help="checkout of the commit to compare with")
    parser.add_argument("--pictures", type=int, default=200, help="of each class")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--run", type=Path, help="a run for predict; trained here by default")
    parser.add_argument("--precision", default="", help="of the gate in curate: int8, by default")
    parser.add_argument("--weights", nargs="+", default=[], metavar="NAME=FILE")
    parser.add_argument("--only", nargs="+", choices=["curate", "gate", "predict", "runtimes"])
    options = parser.parse_args()
    wanted = options.only or ["curate", "gate", "predict", "runtimes"]
    with tempfile.TemporaryDirectory(prefix="looking-") as scratch:
        bench = Bench(options, Path(scratch))
        for name in wanted:
            getattr(bench, name)()


class Bench:
    """The photos and the two commits."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.commits = {"old": options.old, "new": HERE} if options.old else {"new": HERE}
        self.photos = scratch / "photos"
        for kind in ("damaged", "whole"):
            link(options.data.glob(f"damage/*/{kind}/*"), self.photos / "damage" / kind, options)
        link(options.data.glob("not_car/*"), self.photos / "not_car", options)
        self.files = sorted(path for path in self.photos.rglob("*") if path.is_file())
        self.listed = scratch / "files.txt"
        self.listed.write_text("\n".join(map(str, self.files)))

    def curate(self) -> None:
        """Curate the photos from nothing, in turns, and compare what is in the catalogs."""
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in self.commits}
        yardstick = []
        for turn, (name, code) in itertools.product(
            range(self.options.rounds), self.commits.items()
        ):
            workspace = self.scratch / f"{name}-{turn}"
            yardstick.append(child(HERE, "decode", self.listed)["cpu_s"])
            found[name].append(
                child(code, "curate", self.photos, workspace, self.options.precision)
            )
        count, decoding = len(self.files), statistics.median(yardstick)
        print(f"\n{count} photos; CPU-s per 1,000 of them, median of {self.options.rounds}\n")
        print("| step | " + " | ".join(self.commits) + " |")
        print("|---" * (len(found) + 1) + "|")
        row("decode to 224 (yardstick)", [decoding / count * 1e3] * len(found))
        steps = sorted({step for runs in found.values() for each in runs for step in each["steps"]})
        for step in steps:
            row(
                step,
                [1e3 / count * middle(r["steps"].get(step, 0) for r in found[n]) for n in found],
            )
        row("all", [1e3 / count * middle(r["cpu_s"] for r in found[n]) for n in found])
        row("all / yardstick", [middle(r["cpu_s"] for r in found[n]) / decoding for n in found])
        row("wall, s in all", [middle(r["wall_s"] for r in found[n]) for n in found])
        for part in ("driver", "worker"):
            row(f"peak of {part}, MiB", [middle(r[f"mib_{part}"] for r in found[n]) for n in found])
        row("TensorFlow imported", [str(found[n][0]["tensorflow"]) for n in found])
        if len(self.commits) == 2:
            compare_catalogs(*(self.scratch / f"{name}-0" / "bodyshop.sqlite" for name in found))

    def gate(self) -> None:
        """Judge the photos with the gate kept open, beside decoding them."""
        print("\nthe gate kept open, CPU-ms per photo, median\n")
        for name, code in self.commits.items():
            spent, decoding = [], []
            for _ in range(self.options.rounds):
                decoding.append(child(HERE, "decode", self.listed)["cpu_s"])
                spent.append(child(code, "gate", self.listed)["cpu_s"])
            both = [1e3 * statistics.median(each) / len(self.files) for each in (spent, decoding)]
            row(name, [*both, both[0] - both[1]])

    def predict(self) -> None:
        """Predict one photo and many by the command line, each time in a new process."""
        run = self.options.run or self._train()
        cars = [file for file in self.files if file.is_relative_to(self.photos / "damage")]
        equalised = json.loads((run / "run.json").read_text())["equalise"] is not None
        for kind, files in (("mixed photos", self.files), ("cars alone", cars)):
            print(f"\npredict, {kind}, run of {run.name}, {'' if equalised else 'not '}equalised\n")
            self._predict_photos(run, files[:: max(1, len(files) // 100)][:100])

    def _predict_photos(self, run: Path, files: Sequence[Path]) -> None:
        said: dict[str, list[dict[str, Any]]] = {}
        print("| commit | first answer: CPU-s | wall s | MiB | then: CPU-s per photo | MiB |")
        print("|---|---|---|---|---|---|")
        spent: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
        for code in self.commits.values():
            command(code, run, files[:1])  # converts networks where that has not been done
        for _, (name, code) in itertools.product(range(self.options.rounds), self.commits.items()):
            spent.setdefault(name, []).append(
                (command(code, run, files[:1]), command(code, run, files))
            )
        for name, rounds in spent.items():
            said[name] = rounds[-1][1]["answers"]
            first = middle(cold["cpu_s"] for cold, _ in rounds)
            slope = (middle(warm["cpu_s"] for _, warm in rounds) - first) / (len(files) - 1)
            row(
                name,
                [
                    first,
                    middle(cold["wall_s"] for cold, _ in rounds),
                    middle(cold["mib"] for cold, _ in rounds),
                    slope,
                    middle(warm["mib"] for _, warm in rounds),
                ],
            )
        if len(said) == 2:
            compare_answers(*said.values())

    def _train(self) -> Path:
        code = (
            "import sys; from pathlib import Path; import curate, train\n"
            "from bodyshop_core.workspace import Workspace\n"
            "workspace = Workspace.open(Path(sys.argv[1]))\n"
            "gate = curate.load_gate(workspace).as_dict()\n"
            "print(train.train(workspace, 'default', gate=gate).folder)\n"
        )
        workspace = self.scratch / "for training"
        child(HERE, "curate", self.photos, workspace)
        done = subprocess.run(
            [sys.executable, "-c", code, str(workspace)],
            env=environment(HERE), capture_output=True, text=True, check=True,
        )  # fmt: skip
        return Path(done.stdout.splitlines()[-1])

    def runtimes(self) -> None:
        """Run each backbone by each runtime, in a process of its own, on one thread."""
        print("\nCPU-ms per square, decoding not included; one thread\n")
        print(
            "| backbone | runtime | CPU-ms | peak MiB | opening, CPU-s | cosine to Keras | note |"
        )
        print("|---|---|---|---|---|---|---|")
        weights = dict(pair.split("=", 1) for pair in self.options.weights)
        sample = self.scratch / "sample.txt"
        sample.write_text("\n".join(map(str, self.files[:: max(1, len(self.files) // 96)][:96])))
        for name in ("efficientnet-lite0", *weights):
            for runtime in ("keras", "litert", "litert-int8", "openvino", "onnx"):
                file = weights.get(name, "")
                answer = child(HERE, "runtime", name, file, runtime, sample, self.scratch)
                if "missing" in answer:
                    row(name, [runtime, "", "", "", "", answer["missing"]])
                    continue
                keys = ("cpu_ms", "mib", "opening_s", "cosine", "note")
                row(name, [runtime, *(answer[key] for key in keys)])


def link(files: Iterable[Path], folder: Path, options: argparse.Namespace) -> None:
    folder.mkdir(parents=True)
    for place, file in enumerate(sorted(files)[: options.pictures]):
        shutil.copyfile(file, folder / f"{place:04d}{file.suffix.lower()}")


def environment(code: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}


def child(code: Path, part: str, *words: object) -> dict[str, Any]:
    """Run a part of `looking_child` with the packages of a checkout."""
    done = subprocess.run(
        [sys.executable, str(CHILD), part, *map(str, words)],
        env=environment(code), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def command(code: Path, run: Path, files: Sequence[Path]) -> dict[str, Any]:
    """Run ``bodyshop predict`` as a process of its own; return what it used and said."""
    words = ["--json", "--quiet", "predict", *map(str, files), "--run", str(run)]
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words], env=environment(code), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "wall_s": perf_counter() - started,
        "cpu_s": used.ru_utime + used.ru_stime,
        "mib": used.ru_maxrss / 1024,
        "answers": json.loads(out),
    }


def compare_catalogs(old: Path, new: Path) -> None:
    """Print which stored values differ between two catalogs of the same photos."""
    rows = {}
    for name, file in (("old", old), ("new", new)):
        with sqlite3.connect(file) as connection:
            connection.row_factory = sqlite3.Row
            for table in ("measurements", "gate_scores", "verdicts"):
                found = connection.execute(f"SELECT * FROM {table}").fetchall()
                rows[name, table] = {row["sha256"]: dict(row) for row in found}
    for table in ("measurements", "gate_scores", "verdicts"):
        a, b = rows["old", table], rows["new", table]
        assert a.keys() == b.keys(), f"{table}: other pictures"
        changed: dict[str, list[str]] = {}
        for sha in a:
            for column in a[sha].keys() & b[sha].keys():
                if a[sha][column] != b[sha][column] and column not in {"decided_at", "version"}:
                    changed.setdefault(column, []).append(sha)
        print(f"{table}: {len(a)} rows,", {name: len(shas) for name, shas in changed.items()})
        if table == "gate_scores":
            differences = [abs(a[sha]["p_car"] - b[sha]["p_car"]) for sha in a]
            print("  largest difference of p_car:", max(differences))
        if table == "verdicts":
            for sha in changed.get("keep", []):
                print("  verdict changed:", sha, a[sha]["reasons"], "->", b[sha]["reasons"])


def compare_answers(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> None:
    """Print how far predictions differ, and every picture that gets another one."""
    for key in ("p_car", "probability"):
        both = [
            abs(a[key] - b[key])
            for a, b in zip(old, new, strict=True)
            if a[key] is not None and b[key] is not None
        ]
        print(f"{key}: {len(both)} compared, largest difference {max(both):.2g}")
    for a, b in zip(old, new, strict=True):
        if (a["is_car"], a["label"]) != (b["is_car"], b["label"]):
            print("changed:", a["picture"], a["label"], a["probability"], "->", b["label"])


def middle(values: Iterable[float]) -> float:
    return statistics.median(values)


def row(name: str, cells: Sequence[Any]) -> None:
    shown = [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells]
    print(f"| {name} | " + " | ".join(shown) + " |", flush=True)


if __name__ == "__main__":
    main()
