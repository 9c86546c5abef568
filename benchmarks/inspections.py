"""Inspections: pairs found, new damage found, on cars of the showroom photographed twice.

    python -m benchmarks.inspections --cars 6

Each car is rendered before and after, in the same place and elsewhere, harmed and unharmed in
between; see `showroom.inspections`. Thresholds were chosen on cars 100 to 109, so choose others.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bodyshop.inspection import InspectedPair, inspect
from bodyshop_core.errors import NothingFoundError
from showroom.inspections import InspectedView, build_inspection

SMALL, LARGE = 0.01, 0.03
"""Shares of a picture: below the first new damage is small, from the second on large."""

CLEAN = 0.0005
"""A view with less new damage than this shows none."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cars", type=int, default=6, help="Cars per place.")
    parser.add_argument("--first", type=int, default=0, help="Seed of the first car.")
    parser.add_argument("--only", choices=("same", "elsewhere"), help="One of the two places.")
    parser.add_argument("--work", type=Path, help="Folder to keep the pictures in.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = options.work or Path(temporary)
        for elsewhere in (False, True):
            if options.only and (options.only == "elsewhere") != elsewhere:
                continue
            counts: Counter[str] = Counter()
            seconds, pictures = 0.0, 0
            for seed in range(options.first, options.first + options.cars):
                folder = root / f"{seed}-{'elsewhere' if elsewhere else 'same'}"
                views = build_inspection(
                    folder, seed=seed, elsewhere=elsewhere, harmed=seed % 4 != 3
                )
                begun = time.process_time()
                counts += _count(folder, views)
                seconds += time.process_time() - begun
                pictures += sum(bool(each) for view in views for each in (view.before, view.after))
                print(f"car {seed}: {dict(counts)}", file=sys.stderr, flush=True)
            _show("another place and light" if elsewhere else "the same place", counts)
            print(f"{seconds / pictures:.3f} CPU-s per picture, {pictures} pictures\n", flush=True)


def _count(folder: Path, views: list[InspectedView]) -> Counter[str]:
    counts: Counter[str] = Counter()
    complete = [view for view in views if view.before and view.after]
    counts["views"] = len(complete)
    try:
        pairs = inspect(folder / "before", folder / "after").pairs
    except NothingFoundError:
        pairs = ()
    found = {pair.after.picture: pair for pair in pairs}
    partner = {str(view.after): str(view.before) for view in complete}
    counts["right"] = sum(partner.get(name) == p.before.picture for name, p in found.items())
    counts["wrong"] = len(found) - counts["right"]
    counts["missed"] = len(complete) - counts["right"]
    for view in complete:
        pair = found.get(str(view.after))
        counts += _judged(view, pair)
    return counts


def _judged(view: InspectedView, pair: InspectedPair | None) -> Counter[str]:
    said = bool(pair and pair.new_damage)
    if view.new < CLEAN:
        old = view.old >= CLEAN
        counts = Counter({"clean": 1, "false": int(said)})
        return counts + Counter({"clean_old": int(old), "false_old": int(said and old)})
    size = "small" if view.new < SMALL else "medium" if view.new < LARGE else "large"
    counts = Counter({size: 1, f"found_{size}": int(said)})
    if said and pair and view.box:
        counts["place"] = int(any(_touch(each.box, view.box) for each in pair.new_damage))
    return counts


def _touch(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    return (
        max(first[0], second[0]) < min(first[2], second[2])
        and max(first[1], second[1]) < min(first[3], second[3])
    )  # fmt: skip


def _show(title: str, counts: Counter[str]) -> None:
    found = sum(counts[f"found_{size}"] for size in ("small", "medium", "large"))
    print(f"| {title} | |\n|---|---|")
    print(f"| views photographed both times | {counts['views']} |")
    print(f"| paired right, wrong | {counts['right']}, {counts['wrong']} |")
    for size, meaning in (
        ("large", f"{LARGE:.0%} of the picture or more"),
        ("medium", f"{SMALL:.0%} to {LARGE:.0%}"),
        ("small", f"less than {SMALL:.0%}"),
    ):
        print(f"| new damage, {meaning}: found | {counts[f'found_{size}']} of {counts[size]} |")
    print(f"| of those found, marked in the right place | {counts['place']} of {found} |")
    print(f"| nothing new, reported all the same | {counts['false']} of {counts['clean']} |")
    print(f"| of these with earlier damage | {counts['false_old']} of {counts['clean_old']} |")


if __name__ == "__main__":
    main()
