"""What the cascades propose to hide in real photos, drawn for people to count.

    python -m benchmarks.hiding FOLDER... --most 40 --to sheets/ > found.json

Takes every n-th picture of the folders, so that each gives at most `--most`. Nothing tells the
truth but looking: count on the sheets what is found, missed and wrong.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bodyshop.export.hiding import KINDS, propose
from bodyshop_core.imaging import load_rgb

COLOURS = {"plates": "red", "faces": "yellow"}
CELL, PER_ROW, PER_SHEET = 420, 4, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    report = {}
    for number, folder in enumerate(given.folders):
        files = sorted(
            f for f in folder.rglob("*") if f.suffix.lower() in {".jpg", ".jpeg", ".png"}
        )
        files = files[:: max(1, -(-len(files) // given.most))]
        cells, began = [], time.process_time()
        counts: dict[str, int] = dict.fromkeys(KINDS, 0)
        for index, file in enumerate(files):
            rgb = load_rgb(file)
            boxes = {kind: propose(rgb, kind) for kind in KINDS}
            for kind, each in boxes.items():
                counts[kind] += len(each)
            cells.append(cell(rgb, boxes, f"{index}"))
        report[str(folder)] = {
            "pictures": len(files),
            "proposed": counts,
            "cpu_seconds": round(time.process_time() - began, 2),
            "files": [str(file) for file in files],
        }
        for start in range(0, len(cells), PER_SHEET):
            sheet(cells[start : start + PER_SHEET], given.to / f"{number}-{start:03d}.png")
    print(json.dumps(report, indent=1))


def cell(rgb: np.ndarray, boxes: dict, name: str) -> Image.Image:
    image = Image.fromarray(rgb)
    scale = CELL / max(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    draw = ImageDraw.Draw(image)
    for kind, each in boxes.items():
        for left, top, width, height in each:
            corners = [left, top, left + width, top + height]
            draw.rectangle([v * scale for v in corners], outline=COLOURS[kind], width=3)
    draw.text((4, 4), name, fill="lime", stroke_width=2, stroke_fill="black", font_size=20)
    return image


def sheet(cells: list[Image.Image], path: Path) -> None:
    rows = -(-len(cells) // PER_ROW)
    whole = Image.new("RGB", (CELL * PER_ROW, CELL * rows), "grey")
    for index, each in enumerate(cells):
        whole.paste(each, (index % PER_ROW * CELL, index // PER_ROW * CELL))
    whole.save(path)


if __name__ == "__main__":
    main()
