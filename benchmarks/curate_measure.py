"""Measurement, duplicate search and blur against imagededup, cleanvision and fastdup.

    python benchmarks/curate_data.py PHOTOS... --out DATA --count 30
    python benchmarks/curate_measure.py speed DATA [--imagededup PYTHON] [--cleanvision PYTHON]
    python benchmarks/curate_measure.py memory DATA --count 4000
    python benchmarks/curate_measure.py copies DATA [--imagededup PYTHON] [--fastdup PYTHON]
    python benchmarks/curate_measure.py blur DATA [--cleanvision PYTHON]
    python benchmarks/curate_measure.py search --count 1e6 --radius 6

PYTHON is the interpreter of an environment that holds the peer. Times are CPU-seconds (user and
system) of one process, so that a busy machine does not change them much.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np


def peer(python: str | None, name: str, task: str, folder: Path) -> dict[str, Any] | None:
    if python is None:
        return None
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        script = str(Path(__file__).with_name("curate_peers.py"))
        subprocess.run(
            [python, script, name, task, str(folder), out.name],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return json.loads(Path(out.name).read_text())


def speed(options: argparse.Namespace) -> None:
    """Compare with the peers in turn, so that a change of the machine's pace touches all."""
    from bodyshop_core.catalog import BlobRef
    from curate.measure.picture import measure_pictures

    files = sorted((options.data / "speed").iterdir())
    items = [{"key": file.name, "blob": BlobRef(file)} for file in files]
    measure_pictures(items[:3])  # imports
    peers = {"imagededup": options.imagededup, "cleanvision": options.cleanvision}
    peers["fastdup"] = options.fastdup
    used: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        started = time.process_time()
        measure_pictures(items)
        used["bodyshop"].append((time.process_time() - started) / len(files) * 1e3)
        for name, python in peers.items():
            found = peer(python, name, "speed", options.data / "speed")
            if found:
                used[name].append(found["cpu_seconds"] / found["pictures"] * 1e3)
    middle = {name: float(np.median(values)) for name, values in used.items()}
    ours = middle["bodyshop"]
    for name, values in used.items():
        print(
            f"| {name} | {middle[name]:.2f} [{min(values):.2f}, {max(values):.2f}] | "
            f"{1e3 / middle[name]:.0f} | {middle[name] / ours:.1f} |"
        )
    both = middle.get("imagededup", 0) + middle.get("cleanvision", 0)
    print(f"imagededup + cleanvision: {both:.1f} CPU-s per 1,000, {both / ours:.1f} x ours")


def memory(options: argparse.Namespace) -> None:
    """Measure `count` pictures into a workspace; print the peak memory of driver and worker."""
    from bodyshop_core.catalog import register_image
    from bodyshop_core.workspace import Workspace
    from curate.measure.stage import measure_images

    files = sorted((options.data / "speed").iterdir())
    with tempfile.TemporaryDirectory() as root:
        workspace = Workspace.open(Path(root) / "workspace")
        for number in range(int(options.count)):
            # Another picture to the catalog: bytes after the end of a JPEG change nothing in it.
            data = files[number % len(files)].read_bytes() + str(number).encode()
            blob = workspace.blobs.put_bytes(data, "jpg")
            with workspace.catalog.begin() as connection:
                register_image(connection, blob, extension="jpg", facts={})
        started = time.perf_counter()
        summary = measure_images(workspace)
        wall = time.perf_counter() - started
    peak = [
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    print(
        f"| {summary.measured} | {wall:.1f} | {summary.measured / wall:.0f} | "
        f"{peak[0]:.0f} MB | {peak[1]:.0f} MB |"
    )


def copies(options: argparse.Namespace) -> None:
    from bodyshop_core.backbones import Scorer
    from bodyshop_core.catalog import BlobRef
    from bodyshop_core.imaging import fit_square, load_rgb
    from curate.duplicates import find_pairs
    from curate.duplicates.checks import compare_pairs, kind_of_row
    from curate.measure.picture import measure_picture

    files = sorted((options.data / "copies").iterdir())
    by_kind: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in files:
        number, kind = file.stem.split("__")
        by_kind[kind][number] = file
    rows, path_of, name_of = {}, {}, {}
    for file in files:
        data = file.read_bytes()
        sha256 = hashlib.sha256(data + file.name.encode()).hexdigest()
        rows[file] = {"sha256": sha256, "error": None, **measure_picture(data)}
        path_of[sha256], name_of[sha256] = file, file.stem.split("__")
    scorer, vectors = Scorer("efficientnet-lite0"), {}
    for start in range(0, len(files), 32):
        part = files[start : start + 32]
        batch = np.stack([fit_square(load_rgb(file, at_least=224), 224) for file in part])
        vectors |= dict(zip(part, scorer.score(batch).features, strict=True))
    known: dict[tuple[str, str], Any] = {}

    def check(pairs: Any) -> Any:
        for a, b in pairs:
            if (a, b) not in known:
                item = {
                    "key": f"{a}-{b}",
                    "first": BlobRef(path_of[a]),
                    "second": BlobRef(path_of[b]),
                }
                known[a, b] = kind_of_row(compare_pairs([item])[0])
        return {pair: known[pair] for pair in pairs}

    others = {
        name: found["pairs"]
        for name, python in (("imagededup", options.imagededup), ("fastdup", options.fastdup))
        if (found := peer(python, name, "copies", options.data / "copies"))
    }
    print(f"| copy | n | bodyshop P / R / F1 | hashes and pixels only | {' | '.join(others)} |")
    print("|---|---|---|---|" + "---|" * len(others))
    originals = by_kind.pop("original")
    for kind, copied in by_kind.items():
        chosen = [*originals.values(), *copied.values()]
        expected = {tuple(sorted((originals[n].name, copied[n].name))) for n in copied}
        cells = []
        for features in (
            [([rows[f]["sha256"] for f in chosen], np.stack([vectors[f] for f in chosen]))],
            None,
        ):
            found = find_pairs([rows[f] for f in chosen], features=features, check=check)
            cells.append(
                score(
                    {
                        tuple(sorted((path_of[p.first].name, path_of[p.second].name)))
                        for p in found.pairs
                    },
                    expected,
                )
            )
        names = {file.name for file in chosen}
        for pairs in others.values():
            cells.append(score({(a, b) for a, b in pairs if {a, b} <= names}, expected))
        print(f"| {kind} | {len(copied)} | {' | '.join(cells)} |", flush=True)


def score(found: set[Any], expected: set[Any]) -> str:
    hits = len(found & expected)
    precision = hits / len(found) if found else 1.0
    recall = hits / len(expected)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return f"{precision:.2f} / {recall:.2f} / **{f1:.2f}**"


def blur(options: argparse.Namespace) -> None:
    from curate.measure.picture import measure_picture

    files = sorted((options.data / "blur").iterdir())
    ours = {file.name: measure_picture(file)["sharpness"] for file in files}
    found = peer(options.cleanvision, "cleanvision", "blur", options.data / "blur")
    tools = {"bodyshop": ours} | ({"cleanvision": found["scores"]} if found else {})
    kinds = sorted({file.stem.split("__")[1] for file in files} - {"sharp"})
    print(f"| blur | {' | '.join(tools)} |\n|---|{'---|' * len(tools)}")
    for kind in [*kinds, "all"]:
        cells = []
        for scores in tools.values():
            sharp = [s for name, s in scores.items() if "__sharp" in name]
            soft = [
                s
                for name, s in scores.items()
                if "__sharp" not in name and (kind == "all" or f"__{kind}" in name)
            ]
            cells.append("{:.4f} [{:.4f}, {:.4f}]".format(*auc(np.array(sharp), np.array(soft))))
        print(f"| {kind} | {' | '.join(cells)} |")


def auc(high: np.ndarray, low: np.ndarray) -> tuple[float, float, float]:
    """Area under the ROC curve and its 95 % bootstrap interval."""
    wins = (high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])
    rng = np.random.default_rng(0)
    again = [
        wins[
            np.ix_(rng.integers(0, len(high), len(high)), rng.integers(0, len(low), len(low)))
        ].mean()
        for _ in range(300)
    ]
    return float(wins.mean()), *np.percentile(again, [2.5, 97.5]).tolist()


def search(options: argparse.Namespace) -> None:
    from curate.duplicates.search import choose_blocks, near_pairs

    n, radius = int(options.count), options.radius
    rng = np.random.default_rng(7)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    copied = n // 10
    source, flips = rng.integers(0, n - copied, copied), rng.integers(0, radius + 1, copied)
    mask = np.zeros(copied, np.uint64)
    bit = rng.integers(0, 64, copied)
    for step in range(radius):
        mask |= np.where(step < flips, np.uint64(1) << bit.astype(np.uint64), np.uint64(0))
        bit = (bit + 11) % 64  # another one each time
    hashes[n - copied :] = hashes[source] ^ mask
    started = time.process_time()
    found = near_pairs(hashes, radius=radius)
    used = time.process_time() - started
    pairs = found.first * n + found.second
    target = np.arange(n - copied, n)
    wanted = np.minimum(source, target) * n + np.maximum(source, target)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {n:.0e} | {radius} | {choose_blocks(n, radius)} | {used:.1f} | {memory:.0f} MB | "
        f"{len(pairs)} | {np.isin(wanted, pairs).mean():.4f} |"
    )


TASKS = {"speed": speed, "memory": memory, "copies": copies, "blur": blur, "search": search}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=list(TASKS))
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--imagededup", metavar="PYTHON")
    parser.add_argument("--cleanvision", metavar="PYTHON")
    parser.add_argument("--fastdup", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=float, default=1e6)
    parser.add_argument("--radius", type=int, default=6)
    options = parser.parse_args()
    TASKS[options.what](options)


if __name__ == "__main__":
    main()
