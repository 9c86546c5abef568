"""What the audit and the workers of a look cost: a sample of views, no slow imports."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from curate.audit.stage import VIEWS, stratified


def test_the_workers_do_without_slow_imports() -> None:
    code = (
        "import sys, curate.look.shard, curate.duplicates.checks, curate.splits.same_scene\n"
        "import bodyshop_core.engine.worker\n"
        "assert not {'sqlalchemy', 'scipy', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_sample_of_views_has_the_labels_and_origins_of_all() -> None:
    kinds = [("damaged", "a.example")] * 900 + [("whole", "b.example")] * 300
    chosen = stratified(kinds, range(1200), 7, size=100)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 100
    assert sum(index < 900 for index in chosen) == 75
    assert chosen == stratified(kinds, range(1200), 7, size=100)
    assert chosen != stratified(kinds, range(1200), 8, size=100)
    assert stratified(kinds[:50], range(50), 7, size=100) == list(range(50))


def test_a_sample_of_views_has_one_of_each_label_and_origin_and_the_rest_in_proportion() -> None:
    large = [("dent", "a.example")] * 2_995 + [("whole", "b.example")] * 3_000
    small = [("rust", "c.example")] * 5 + [("dent", f"{each}.example") for each in range(40)]
    for seed in range(5):
        for kinds in (small + large, large + small, sorted(large + small)):
            chosen = Counter(kinds[at] for at in stratified(kinds, range(len(kinds)), seed))
            assert chosen.total() == VIEWS and chosen.keys() == set(kinds)
            assert abs(chosen["dent", "a.example"] - chosen["whole", "b.example"]) < 2


def test_where_a_sample_has_no_place_for_all_labels_come_first_and_origins_next() -> None:
    kinds = [("dent", f"{each % 90}.example") for each in range(4_000)]
    kinds += [("whole", f"{each % 90}.example") for each in range(4_000)]
    kinds += [("rust", "0.example")]
    chosen = [kinds[at] for at in stratified(kinds, range(len(kinds)), 7, size=95)]
    assert {label for label, _ in chosen} == {"dent", "whole", "rust"}
    assert len({origin for _, origin in chosen}) == 90
    few = [kinds[at] for at in stratified(kinds, range(len(kinds)), 7, size=3)]
    assert sorted(label for label, _ in few) == ["dent", "rust", "whole"]
