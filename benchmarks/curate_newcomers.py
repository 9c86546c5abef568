"""Processor seconds of the search for near features: the first, with 1 % more, nothing new.

    python -m benchmarks.curate_newcomers [--pictures 25000] [--share 0.01]

Vectors are those of `benchmarks.curate_nearest`. What is timed are the three rounds of a search and
the look across splits, whose vectors are read anew each time; the answers with what was remembered
are compared with those of a search that remembers nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.curate_nearest import made_up
from curate.duplicates.memory import NeighbourMemory
from curate.duplicates.nearest import VectorIndex
from curate.duplicates.proposals import Proposals
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.splits.scenes import NEAREST


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=float, default=25e3)
    parser.add_argument("--share", type=float, default=0.01, help="of new pictures")
    options = parser.parse_args()
    n = int(options.pictures)
    copies = n // 50
    names = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(n)]
    before = names[round(n * options.share) :]  # the newcomers are originals
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder) / "features")
        for keys, vectors in made_up(n, copies):
            known = tuple(names[int(key)] for key in keys)
            store.add(FeatureBatch(known, vectors, None, {}))
        place = Path(folder) / "neighbours"
        for what, wanted, memory in (
            ("first", before, place),
            ("with new ones", names, place),
            ("nothing new", names, place),
            ("nothing remembered", names, None),
        ):
            cpu = time.process_time()
            found = searched(store, sorted(wanted), names[:copies], names[n - copies :], memory)
            print(
                f"{len(wanted):>8} {what}: {time.process_time() - cpu:.1f} CPU-s, "
                f"{hashlib.sha256(repr(found).encode()).hexdigest()[:12]}",
                flush=True,
            )


def searched(
    store: FeatureStore,
    names: list[str],
    originals: list[str],
    copies: list[str],
    folder: Path | None,
) -> list[object]:
    """Return what two rounds, the strongest pairs and the look across splits propose."""
    n = len(names)
    place = {name: at for at, name in enumerate(names)}
    clusters = np.arange(n)
    for one, other in zip(originals, copies, strict=True):
        if one in place:
            clusters[[place[one], place[other]]] = min(place[one], place[other])
    first = np.zeros(n, dtype=bool)
    first[np.unique(clusters, return_index=True)[1]] = True
    where = np.array([int(name[:8], 16) % 10 for name in names]).clip(0, 2)  # 80 % in one split
    memory = None if folder is None else NeighbourMemory(folder, names)
    found: list[object] = []
    with VectorIndex(store.stream(), place) as index:
        proposals = Proposals(index, -1 - np.arange(n), memory=memory)
        found.append(proposals.standing_out(np.ones(n, dtype=bool)))
        found.append(proposals.standing_out(first))
        found.append(proposals.strongest(clusters))
    with VectorIndex(store.stream(), place) as index:
        asked = where != 2
        if memory is None:
            blocks = list(index.nearest(asked, NEAREST, apart=[where]))
        else:
            blocks = [memory.nearest("scenes", index, asked, NEAREST, fixed=[where])]
        for rows, neighbours, _ in blocks:
            found += zip(rows.tolist(), neighbours.tolist(), strict=True)
    found[3:] = sorted(found[3:])
    return found


if __name__ == "__main__":
    main()
