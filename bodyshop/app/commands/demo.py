"""`bodyshop demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bodyshop.app.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Where the showroom and its workspace go.")] = Path(
        "bodyshop-demo"
    ),
    size: Annotated[
        Literal["demo", "tiny"], typer.Option(help="tiny is for a quick look.")
    ] = "demo",
) -> None:
    """Run the whole job on an embedded showroom, offline, and check it against the truth."""
    from bodyshop.app.demo import run_demo

    terminal: Terminal = context.obj
    report = run_demo(folder, size=size, progress=terminal.progress)
    total = sum(report.seconds.values())
    if not terminal.as_json:
        terminal.summary(
            {},
            title="How well each stage did, against what the showroom really shows",
            columns=("", "stage", "what", "found", "needed"),
            rows=[
                ("ok" if f.ok else "FAILED", f.stage, f.what, f.found, f.needed)
                for f in report.findings
            ],
        )
        terminal.summary(
            {},
            title="Time",
            columns=("stage", "seconds"),
            rows=[*((s, round(t, 1)) for s, t in report.seconds.items()), ("all", round(total, 1))],
        )
    terminal.summary(
        report.as_dict(),
        rows=[],
        notes=[f"{what}: {place}" for what, place in report.places.items()],
    )
    if not report.ok:
        raise typer.Exit(1)
