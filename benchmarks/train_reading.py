"""Reading pictures one by one, with their sha256, or from a tar file; and decoding them."""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from train.data.pixels import View, to_square


def main() -> None:
    """Print milliseconds of CPU per picture, the lowest of some rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    files = sorted(path for path in given.data.rglob("*") if path.is_file())
    random.Random(7).shuffle(files)
    view = View(224)
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder, "shard.tar")
        with tarfile.open(shard, "w", format=tarfile.USTAR_FORMAT) as archive:
            for place, path in enumerate(files):
                archive.add(path, f"{place}.jpg")

        def one_by_one() -> None:
            for path in files:
                hashlib.sha256(path.read_bytes()).hexdigest()

        def from_shard() -> None:
            with tarfile.open(shard) as archive:
                for member in archive:
                    archive.extractfile(member).read()

        def decode() -> None:
            for path in files:
                to_square(path, view)

        ways: dict[str, Callable[[], None]] = {
            "read one by one, with sha256": one_by_one,
            "read from a tar file": from_shard,
            "read and decode": decode,
        }
        for name, way in ways.items():
            spent = []
            for _ in range(given.rounds):
                cpu = time.process_time()
                way()
                spent.append(time.process_time() - cpu)
            print(json.dumps({"way": name, "cpu_ms": round(1000 * min(spent) / len(files), 3)}))


if __name__ == "__main__":
    main()
