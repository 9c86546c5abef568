"""Time and memory of the steps that see every picture, on synthetic rows of any number of them.

    python -m benchmarks.scale [--pictures 25000 50000 100000] [--steps judge split ...]

Fills a workspace per size (no pictures) and runs each step in a process of its own, one after
another: processor seconds and the largest resident memory are those of that process, its imports
included. ``--features`` adds feature vectors, by which crops are looked for; what they propose
counts as different, as there are no pixels. ``--folder`` keeps the workspaces for the next call;
``--add`` puts so many new pictures into it before the steps. ``note`` leaves the note of a finished
``curate`` in place of running one, for ``curate again`` where the first would take hours. With
``--postgresql`` the catalogs are in a server that is started here; its CPU-seconds are told apart.
"""

from __future__ import annotations

import argparse
import contextlib
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

from benchmarks.scale_server import server, server_cpu

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
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(Path(options.child[0]), options.child[1], options.profile)
        return
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = stack.enter_context(server()) if options.postgresql else None
        for number in map(int, options.pictures):
            root = folder / str(number)
            if database is not None:
                root.mkdir(parents=True)
                address = database.url(f"rows{number}")
                (root / "workspace.toml").write_text(f'catalog = "{address}"\n')
            filled(root, number, options.add, features=options.features)
            for step in options.steps:
                command = [sys.executable, "-m", "benchmarks.scale", "--child", str(root), step]
                subprocess.run([*command, *["--profile"] * options.profile], check=True)


def filled(root: Path, number: int, more: int, *, features: bool) -> None:
    """Fill a workspace, unless it is there from an earlier call."""
    from benchmarks.scale_rows import fill, fill_features
    from bodyshop_core.catalog.copying import count_rows
    from bodyshop_core.workspace import Workspace

    there = root.exists() and not (root / "workspace.toml").exists()
    workspace = Workspace.open(root)
    if not there:
        start, cpu, on_server = time.perf_counter(), time.process_time(), server_cpu()
        fill(workspace, number)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"{number:>9} fill: {cpu:.1f} CPU-s, {seconds:.0f} s, server "
            f"{server_cpu() - on_server:.1f} CPU-s -> {count_rows(workspace.catalog)} rows",
            flush=True,
        )
        if features:
            fill_features(workspace, number)
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
    start, on_server = time.perf_counter(), server_cpu()
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
        f"{used.ru_maxrss / 1024:.0f} MB, server {server_cpu() - on_server:.1f} CPU-s "
        f"-> {json.dumps(outcome, default=str)[:160]}",
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
