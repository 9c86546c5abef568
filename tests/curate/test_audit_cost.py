"""What the audit and the workers of a look cost: a sample of views, no slow imports."""

from __future__ import annotations

import subprocess
import sys

from curate.audit.stage import stratified


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
