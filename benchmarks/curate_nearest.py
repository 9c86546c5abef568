"""Time, memory and losses of the search for near feature vectors, on made-up ones.

    python -m benchmarks.curate_nearest [--pictures 100000] [--copies 1000] [--probes 256]

Vectors of 1,280 positive numbers, as EfficientNet-Lite0 gives: 3,000 heaps (a model from one angle)
of very different sizes, and copies of some pictures with the distances that crops of real photos
have. The store is written in shards of 256 as `bodyshop curate` writes it, with the 1,000
probabilities. `--exact-up-to` says up to how many pictures
each is compared with each: cells can be tried on a small set; `--probes` with how many.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from curate.duplicates import cells
from curate.duplicates.nearest import EXACT, VectorIndex
from curate.duplicates.proposals import MAX_RATIO, MIN_COSINE, NEAREST, Proposals
from curate.gate.feature_store import FeatureBatch, FeatureStore

WIDTH, HEAPS, SHARD = 1280, 3000, 256
DISTANCES = (0.02, 0.22)
"""1 - cosine of a copy: of real photos, from a re-save to a crop of 20 %."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=float, default=1e5)
    parser.add_argument("--copies", type=int, default=1000)
    parser.add_argument("--exact-up-to", type=int, default=EXACT)
    parser.add_argument("--probes", type=int, default=cells.PROBES)
    parser.add_argument("--ask", type=int, default=0, help="so many neighbouring pictures only")
    options = parser.parse_args()
    cells.PROBES = options.probes
    n = int(options.pictures)
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder) / "features")
        for keys, vectors in made_up(n, options.copies):
            store.add(FeatureBatch(keys, vectors, np.zeros((len(keys), 1000), np.float16), {}))
        measure = partial(measured_in_part, ask=options.ask) if options.ask else measured
        measure(store, Path(folder), n, options.copies, limit=options.exact_up_to)


def measured(store: FeatureStore, folder: Path, n: int, copies: int, *, limit: int) -> None:
    place = {f"{i:064d}": i for i in range(n)}
    before = anonymous_mb()
    with Peak() as peak:
        start, cpu = time.perf_counter(), time.process_time()
        with VectorIndex(store.stream(), place, scratch=folder, exact=limit) as index:
            report("read and sort into cells", start, cpu)
            print(f"each compared with about {index.reach} of {n}")
            start, cpu = time.perf_counter(), time.process_time()
            proposals = Proposals(index, -1 - np.arange(n))
            found = set(proposals.standing_out(np.ones(n, dtype=bool)))
            report("first round", start, cpu)
            start, cpu = time.perf_counter(), time.process_time()
            expected = exact_pairs(store, place, range(n - copies, n))
            report(f"the same for {copies} pictures, each compared with all", start, cpu)
            originals = {(i, n - copies + i) for i in range(copies)}
            print(f"proposed {len(found)} pairs")
            print(
                f"of {len(expected)} pairs that comparing the copies with all proposes, found: "
                f"{len(found & expected)}; with their originals: "
                f"{len(found & expected & originals)} of {len(expected & originals)}"
            )
            start, cpu = time.perf_counter(), time.process_time()
            clusters = np.arange(n)
            clusters[n - copies :] = np.arange(copies)  # all confirmed
            first = np.arange(n) < n - copies
            proposals.standing_out(first)
            proposals.strongest(clusters)
            report("second round and the strongest pairs", start, cpu)
    print(f"memory: {before:.0f} MB before, {peak.mb - before:.0f} MB more at the peak")
    print(
        f"largest resident size {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    )


def measured_in_part(
    store: FeatureStore, folder: Path, n: int, copies: int, *, limit: int, ask: int
) -> None:
    """Ask about the copies, for what is found, and about whole cells, for the time of one picture.

    Cells that follow one another share what they are compared with; single pictures would not.
    """
    place = {f"{i:064d}": i for i in range(n)}
    before = anonymous_mb()
    with Peak() as peak:
        start, cpu = time.perf_counter(), time.process_time()
        with VectorIndex(store.stream(), place, scratch=folder, exact=limit) as index:
            report("read and sort into cells", start, cpu)
            print(f"each compared with about {index.reach} of {n}", flush=True)
            asked = np.zeros(n, dtype=bool)
            asked[index.position[n // 2 : n // 2 + ask]] = True
            start, cpu = time.perf_counter(), time.process_time()
            done = sum(
                len(rows)
                for rows, _, _ in index.nearest(asked, NEAREST + 1, apart=[-1 - np.arange(n)])
            )
            report(f"neighbours of {done} pictures of whole cells", start, cpu)
            used = time.process_time() - cpu
            print(f"for all {n}, by that: {used * n / done:.0f} CPU-s", flush=True)
            proposals = Proposals(index, -1 - np.arange(n))
            proposals._known[: n - copies] = True
            found = set(proposals.standing_out(np.ones(n, dtype=bool)))
            expected = exact_pairs(store, place, range(n - copies, n))
            originals = {(i, n - copies + i) for i in range(copies)}
            print(
                f"of {len(expected)} pairs that comparing {copies} copies with all proposes, "
                f"found: {len(found & expected)}; with their originals: "
                f"{len(found & expected & originals)} of {len(expected & originals)}"
            )
    print(f"memory: {before:.0f} MB before, {peak.mb - before:.0f} MB more at the peak")


def exact_pairs(store: FeatureStore, place: dict[str, int], asked: range) -> set[tuple[int, int]]:
    """Return the pairs that `Proposals.standing_out` finds for some pictures without cells."""
    names = [name for name, position in place.items() if position in asked]
    batch = store.load(names)
    queries = batch.features.astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    rows = np.array([place[name] for name in batch.keys])
    cosine = np.full((len(rows), NEAREST + 1), -1, np.float32)
    found = np.full((len(rows), NEAREST + 1), -1)
    for keys, vectors in store.stream():
        positions = np.array([place[key] for key in keys])
        more = queries @ vectors.T
        more[rows[:, None] == positions[None, :]] = -1
        cosine = np.concatenate([cosine, more], axis=1)
        found = np.concatenate([found, np.broadcast_to(positions, more.shape)], axis=1)
        order = np.argsort(-cosine, axis=1)[:, : NEAREST + 1]
        cosine, found = (np.take_along_axis(each, order, axis=1) for each in (cosine, found))
    near = (cosine >= MIN_COSINE) & (1 - cosine <= MAX_RATIO * (1 - cosine[:, -1:]))
    row, column = np.nonzero(near)
    pairs = np.sort(np.stack([rows[row], found[row, column]], axis=1), axis=1)
    return {(first, second) for first, second in pairs.tolist()}


def made_up(n: int, copies: int) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield shards; the last `copies` pictures are copies of the first ones."""
    chance = np.random.default_rng(5)
    heaps = chance.gamma(0.35, 1, size=(HEAPS, WIDTH)).astype(np.float32)
    sizes = chance.pareto(1.2, HEAPS) + 1
    which = chance.choice(HEAPS, n - copies, p=sizes / sizes.sum())
    kept: list[np.ndarray] = []
    for start in range(0, n, SHARD):
        rows = range(start, min(n, start + SHARD))
        vectors = np.stack(
            [
                one(chance, heaps[which[row]]) if row < n - copies
                else copy(chance, kept[row - n + copies])
                for row in rows
            ]
        )  # fmt: skip
        if start < copies:
            kept += list(vectors)
        yield tuple(f"{row:064d}" for row in rows), vectors.astype(np.float16)


def one(chance: np.random.Generator, heap: np.ndarray) -> np.ndarray:
    """Draw a picture of a heap: at a cosine of about 0.6 to 0.7 to the others of it."""
    return heap + 0.7 * chance.standard_gamma(0.35, WIDTH, dtype=np.float32)


def copy(chance: np.random.Generator, original: np.ndarray) -> np.ndarray:
    """Draw a copy at a distance within `DISTANCES`."""
    noise = chance.standard_gamma(0.35, WIDTH, dtype=np.float32)
    noise -= original * (noise @ original) / (original @ original)
    tangent = np.tan(np.arccos(1 - chance.uniform(*DISTANCES)))
    return original + noise * tangent * np.linalg.norm(original) / np.linalg.norm(noise)


def report(step: str, start: float, cpu: float) -> None:
    print(
        f"{step}: {time.process_time() - cpu:.0f} CPU-s, {time.perf_counter() - start:.0f} s",
        flush=True,
    )


def anonymous_mb() -> float:
    """Return the memory of this process that is no file's, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
    return 0.0


class Peak:
    """Watches the memory ten times a second."""

    def __enter__(self) -> Peak:
        self.mb, self._done = anonymous_mb(), threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            self.mb = max(self.mb, anonymous_mb())


if __name__ == "__main__":
    main()
