"""Clicks that a labeler needs for a region of IoU 0.8, with the smart tool and without.

    python -m benchmarks.clicks ../shared/data/masks --pictures 60

Every drawn instance is a target. Without help a labeler clicks the corners of its outline: the
fewest corners (Douglas-Peucker, closed outline, largest part) of which the polygon reaches the IoU.
With the smart tool the first region comes from one click on the damage or from a box (two clicks);
each further click is placed as in the protocol of interactive segmentation (Xu et al. 2016): in the
middle of the largest wrong part, positive where damage is missing, else negative.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean, median
from time import perf_counter

import cv2
import numpy as np

from bodyshop_core.imaging import load_rgb
from labeling.backend.growing import Click, change_region, grow_region
from labeling.formats import coco
from labeling.formats.instances import box_of, shape_mask

GOAL = 0.8
MOST = 10
"""Clicks after which the smart tool gives up."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="annotations.json and images/")
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--smallest", type=int, default=400, help="area of a target in pixels")
    options = parser.parse_args()
    rows: dict[str, list[tuple[int | None, float]]] = {"outline": [], "click": [], "box": []}
    seconds: list[float] = []
    entries = [each for each in coco.read(options.folder) if each.shapes]
    for entry in entries[: options.pictures]:
        rgb = load_rgb(options.folder / "images" / Path(entry.name).name)
        height, width = rgb.shape[:2]
        for shape in entry.shapes:
            target = shape_mask(shape, height, width)
            if target.sum() < options.smallest:
                continue
            rows["outline"].append(outline_clicks(target))
            rows["click"].append(smart_clicks(rgb, target, seconds, boxed=False))
            rows["box"].append(smart_clicks(rgb, target, seconds, boxed=True))
    count = len(rows["outline"])
    print(f"{count} instances; one answer takes {median(seconds):.2f} s (median)\n")
    print("| with | reached IoU 0.8 | clicks, median | clicks, mean | IoU after the first region |")
    print("|---|---|---|---|---|")
    names = {"outline": "the corners of the outline", "click": "smart tool from a click",
             "box": "smart tool from a box"}  # fmt: skip
    for name, found in rows.items():
        spent = [MOST if clicks is None else clicks for clicks, _ in found]
        reached = sum(clicks is not None for clicks, _ in found)
        first = "" if name == "outline" else f"{mean(iou for _, iou in found):.2f}"
        print(
            f"| {names[name]} | {reached} of {count} | {median(spent):g} | {mean(spent):.1f} "
            f"| {first} |"
        )
    best = [
        min(MOST if clicks is None else clicks for clicks in (outline, box))
        for (outline, _), (box, _) in zip(rows["outline"], rows["box"], strict=True)
    ]
    saved = sum(
        box is not None and (outline is None or box < outline)
        for (outline, _), (box, _) in zip(rows["outline"], rows["box"], strict=True)
    )
    print(f"\nthe cheaper of outline and box: {mean(best):.1f} clicks; the box needs fewer than")
    print(f"the outline for {saved} of {count}")


def outline_clicks(target: np.ndarray) -> tuple[int | None, float]:
    """Return the corners of the smallest polygon that reaches the goal, and 0."""
    found, _ = cv2.findContours(target.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(found, key=cv2.contourArea)
    length = cv2.arcLength(outline, True)
    for share in np.geomspace(0.2, 0.0005, 40):
        corners = cv2.approxPolyDP(outline, share * length, True)
        if len(corners) < 3:
            continue
        drawn = np.zeros(target.shape, np.uint8)
        cv2.fillPoly(drawn, [corners], 1)
        if iou(drawn > 0, target) >= GOAL:
            return len(corners), 0.0
    return None, 0.0


def smart_clicks(
    rgb: np.ndarray, target: np.ndarray, seconds: list[float], *, boxed: bool
) -> tuple[int | None, float]:
    """Return the clicks until the goal, None if it is not reached, and the first region's IoU."""
    box, clicks, spent = None, [], 0
    if boxed:
        left, top, wide, high = box_of(target) or (0, 0, 1, 1)
        box, spent = (float(left), float(top), float(left + wide), float(top + high)), 2
    else:
        clicks, spent = [Click(*_middle(target))], 1
    started = perf_counter()
    region = grow_region(rgb, clicks, box)
    seconds.append(perf_counter() - started)
    first = iou(region, target)
    while iou(region, target) < GOAL:
        if spent >= MOST:
            return None, first
        missing, extra = target & ~region, region & ~target
        wrong = missing if missing.sum() >= extra.sum() else extra
        # As in `grow_region`, which would cut the first region again.
        region = change_region(region, Click(*_middle(wrong), positive=wrong is missing))
        spent += 1
    return spent, first


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def _middle(region: np.ndarray) -> tuple[float, float]:
    """Return the point of a region that is farthest from its edge."""
    padded = np.pad(region.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(x - 1), float(y - 1)


if __name__ == "__main__":
    main()
