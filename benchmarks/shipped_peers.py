"""The damage model beside simpler ones: python -m benchmarks.shipped_peers DATA --work DIR.

After benchmarks.make_shipped, whose DIR it reads. Each fold is judged by models that have not seen
its sources: the damage model, one regression on the whole picture (a linear probe), and how much a
photo looks like a close-up. Printed are the AUC of damaged against undamaged photos, with the 95 %
interval of how much more each has than the damage model on the same photos; and, of the damage
model on sources left out, its outlines by class of damage and its strongest cells as judges.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.same_scale import table, view_alone, whole_picture
from benchmarks.shipped_data import computed
from benchmarks.shipped_folds import FOLDS, ask, folds_of, nothing_asked
from benchmarks.shipped_outlines import areas, by_kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    data = computed(options.data, options.work)
    fold = folds_of(data)
    asked = nothing_asked(data, cells=True)
    for number in range(len(FOLDS)):
        ask(data, fold != number, fold == number, [asked])
        print(f"fold {number + 1} of {len(FOLDS)}", flush=True)
    scores = {
        "damage model": asked.score,
        "whole picture alone": whole_picture(data, fold),
        "view alone": view_alone(data, fold),
    }
    table(data, fold, scores, asked.score)
    by_kind(data.photos, asked.cells)
    areas(data.photos, asked.cells)


if __name__ == "__main__":
    main()
