"""`bodyshop demo`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from bodyshop.demo.checks import Finding
    from labeling import AnnotationServer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Folder for the showroom and its workspace.")] = Path(
        "bodyshop-demo"
    ),
    size: Annotated[Literal["demo", "tiny"], typer.Option(help="tiny takes less time.")] = "demo",
    labels: Annotated[
        bool,
        typer.Option(
            "--labels",
            help="Also label pictures in a real Label Studio (installs 1 GB on first use).",
        ),
    ] = False,
    by_hand: Annotated[
        bool,
        typer.Option("--by-hand", help="With --labels: wait while you label in your browser."),
    ] = False,
) -> None:
    """Run every stage offline on an embedded showroom.

    Each stage is checked against the ground truth of the showroom.
    """
    from bodyshop.demo.run import run_demo

    if by_hand and not labels:
        raise UsageError("--by-hand needs --labels", hint="bodyshop demo --labels --by-hand")
    terminal: Terminal = context.obj
    report = run_demo(folder, size=size, progress=terminal.progress)
    total = sum(report.seconds.values())
    if not terminal.as_json:
        _show_findings(terminal, report.findings)
        terminal.summary(
            {},
            title="Time",
            columns=("stage", "seconds"),
            rows=[
                *((s, round(t, 1)) for s, t in report.seconds.items()),
                ("total", round(total, 1)),
            ],
        )
    if labels:
        report.findings += _label(terminal, folder, by_hand)
    else:
        chosen = "" if folder == Path("bodyshop-demo") else f" --folder {shlex.quote(str(folder))}"
        report.places["label damage in a real Label Studio"] = f"bodyshop demo --labels{chosen}" + (
            "" if size == "demo" else f" --size {size}"
        )
    terminal.summary(
        report.as_dict(),
        rows=[],
        notes=[f"{what}: {place}" for what, place in report.places.items()],
    )
    if not report.ok:
        raise typer.Exit(1)


def _show_findings(
    terminal: Terminal,
    findings: Sequence[Finding],
    title: str = "Results of each stage against the ground truth of the showroom",
) -> None:
    terminal.summary(
        {},
        title=title,
        columns=("", "stage", "check", "found", "required"),
        rows=[("ok" if f.ok else "FAILED", f.stage, f.what, f.found, f.needed) for f in findings],
    )


def _label(terminal: Terminal, folder: Path, by_hand: bool) -> list[Finding]:
    from bodyshop.demo.labels import ACCEPTED, label_demo

    def wait(server: AnnotationServer, project: str) -> None:
        for line in (
            f"Label Studio is open at {project}/data?labeling=1",
            f"Log in as {server.user}; the password is in {server.log.parent / 'account.json'}",
            "Correct or accept the proposed masks, and submit as many pictures as you like.",
        ):
            terminal.stderr.print(line, markup=False, soft_wrap=True)
        typer.prompt("Then press Enter here", default="", show_default=False, err=True)

    if not by_hand:
        terminal.progress.log(
            f"No person labels in this demo: a script accepts {ACCEPTED} proposals through the API "
            "of Label Studio. To label yourself: --labels --by-hand"
        )
    findings = label_demo(folder, by_hand=wait if by_hand else None, progress=terminal.progress)
    if not terminal.as_json:
        _show_findings(terminal, findings, "Labeling against the ground truth of the showroom")
    return findings
