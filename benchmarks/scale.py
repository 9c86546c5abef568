"""Time and memory of the steps that see every picture, on synthetic rows of any number of them.

    python -m benchmarks.scale [--pictures 25000 50000 100000] [--steps judge split ...]

Fills a workspace per size (no pictures) and runs each step in a process of its own, one after
another: processor seconds and the largest resident memory are those of that process, its imports
included. ``--features`` adds feature vectors, by which crops are looked for; pairs that they propose
count as different, as there are no pixels. ``--folder`` keeps the workspaces for the next call;
``--add`` puts so many new pictures into it before the steps. ``note`` leaves the note of a finished
``curate`` in place of running one, for ``curate again`` where the first would take hours.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

STEPS = (
    "judge",
    "split",
    "manifest",
    "manifest csv",
    "status",
    "samples",
    "audit",
    "report",
    "curate",
    "note",
    "curate again",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=float, nargs="+", default=[25e3, 5e4, 1e5])
    usual = [step for step in STEPS if step != "note"]
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=usual)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--add", type=int, default=0)
    parser.add_argument("--features", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(Path(options.child[0]), options.child[1], options.profile)
        return
    with tempfile.TemporaryDirectory() as folder:
        for number in map(int, options.pictures):
            root = (options.folder or Path(folder)) / str(number)
            filled(root, number, options.add, features=options.features)
            for step in options.steps:
                command = [sys.executable, "-m", "benchmarks.scale", "--child", str(root), step]
                subprocess.run([*command, *["--profile"] * options.profile], check=True)


def filled(root: Path, number: int, more: int, *, features: bool) -> None:
    """Fill a workspace, unless it is there from an earlier call."""
    from benchmarks.scale_rows import fill, fill_features
    from bodyshop_core.workspace import Workspace

    start = time.perf_counter()
    there = root.exists()
    workspace = Workspace.open(root)
    if not there:
        fill(workspace, number)
        if features:
            fill_features(workspace, number)
        print(f"{number:>9} fill: {time.perf_counter() - start:.0f} s", flush=True)
    if more:
        fill(workspace, number + more, start=number)


def child(root: Path, step: str, profile: bool) -> None:
    """Run one step and print what it took."""
    if profile:
        import cProfile
        import pstats

        with cProfile.Profile() as found:
            measured(root, step)
        pstats.Stats(found).sort_stats("cumulative").print_stats(45)
        pstats.Stats(found).sort_stats("tottime").print_stats(25)
    else:
        measured(root, step)


def measured(root: Path, step: str) -> None:
    from benchmarks.scale_rows import no_pixels
    from bodyshop_core.workspace import Workspace

    workspace = Workspace.open(root, create=False)
    start = time.perf_counter()
    with (
        mock.patch("curate.duplicates.stage.compare_pairs", no_pixels),
        mock.patch("curate.splits.scenes.compare_scenes", no_pixels),
    ):
        outcome = _STEPS[step](workspace)
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    kids = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime + kids.ru_utime + kids.ru_stime
    print(
        f"{root.name:>9} {step}: {cpu:.1f} CPU-s, {seconds:.1f} s, "
        f"{used.ru_maxrss / 1024:.0f} MB -> {json.dumps(outcome, default=str)[:160]}",
        flush=True,
    )


def _judge(workspace: Any) -> Any:
    from curate.verdicts.stage import judge

    return judge(workspace).as_dict()


def _split(workspace: Any) -> Any:
    from curate.splits.stage import split

    return split(workspace).as_dict()


def _manifest(suffix: str) -> Callable[[Any], Any]:
    def step(workspace: Any) -> Any:
        from bodyshop.export.exporting import export

        return export(workspace, "manifest", workspace.root / f"manifest{suffix}").as_dict()

    return step


def _status(workspace: Any) -> Any:
    from bodyshop.status import status

    return status(workspace).as_dict()["stages"]


def _samples(workspace: Any) -> Any:
    from train.data.samples import load_samples

    return len(load_samples(workspace).items)


def _audit(workspace: Any) -> Any:
    from bodyshop_core.catalog import schema
    from bodyshop_core.catalog.split_sets import choose_split_set
    from curate.audit.stage import audit_shortcuts

    name = choose_split_set(workspace.catalog, None, None).name
    with workspace.catalog.begin() as connection:
        connection.execute(schema.split_sets.update().values(audit=None))
    return audit_shortcuts(workspace, split_set=name)["digest"]


def _report(workspace: Any) -> Any:
    import shutil

    from curate.report import stage

    stage.make_thumbnails = lambda *_, **__: 0  # type: ignore[assignment]  # there are no pictures
    shutil.rmtree(workspace.reports / "curate", ignore_errors=True)
    return len(list(stage.write_report(workspace).parent.glob("*.html")))


def _curate(workspace: Any) -> Any:
    from curate.pipeline import curate

    return curate(workspace).as_dict()


def _note(workspace: Any) -> Any:
    from curate.pipeline import curate
    from curate.unchanged import begin

    class AskedError(Exception):
        pass

    report = workspace.root / "reports" / "none.html"
    report.parent.mkdir(exist_ok=True)
    report.write_text("none")
    outcome = {
        **dict.fromkeys(("pictures", "kept", "rejected", "clusters", "measured", "scored"), 0),
        **{name: {} for name in ("reasons", "duplicates", "splits", "audit", "gate")},
        "report": report.relative_to(workspace.root).as_posix(),
    }
    with mock.patch("curate.pipeline.last_outcome", side_effect=AskedError) as last:
        try:
            curate(workspace)
        except AskedError:
            key = last.call_args.args[1]
    watched = begin(workspace, key)
    assert watched is not None
    watched.note(outcome, verdicts=0)
    return "left"


_STEPS: dict[str, Callable[[Any], Any]] = {
    "judge": _judge,
    "split": _split,
    "manifest": _manifest(".parquet"),
    "manifest csv": _manifest(".csv"),
    "status": _status,
    "samples": _samples,
    "audit": _audit,
    "report": _report,
    "curate": _curate,
    "note": _note,
    "curate again": _curate,
}


if __name__ == "__main__":
    main()
