"""`bodyshop sweep`, `compare`, `evaluate` and `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.app.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sweep")(sweep_settings)
    app.command("compare")(compare_backbones)
    app.command("evaluate")(evaluate_run)
    app.command("explain")(explain_predictions)


RunOption = Annotated[
    str | None,
    typer.Option("--run", metavar="ID|FOLDER", help="A run; the newest finished one by default."),
]
SplitSetOption = Annotated[str | None, typer.Option(help="Split set; the newest by default.")]


def sweep_settings(
    context: typer.Context,
    sweep: Annotated[
        str,
        typer.Argument(help="freeze-points, learning-rates, batch-sizes, epochs, or a sweep.yaml."),
    ],
    split_set: SplitSetOption = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights file of the backbone, or none for random ones.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seeds everything.")] = 7,
) -> None:
    """Train every combination of a grid, each in its own process; goes on where it stopped."""
    import train
    from bodyshop.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = train.sweep(
        workspace,
        sweep,
        split_set=split_set,
        weights=weights,
        seed=seed,
        progress=terminal.progress,
    )
    data = summary.as_dict()
    terminal.summary(data, title="Sweep", notes=[f"Report: {data['report']}"])


def compare_backbones(
    context: typer.Context,
    backbones: Annotated[
        list[str] | None, typer.Argument(help="Backbones; all of them by default.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="Weights of one backbone, or NAME=none; repeatable."
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="How many pictures to time.")] = 64,
    split_set: SplitSetOption = None,
) -> None:
    """Measure speed, memory, size and accuracy of backbones on the same pictures."""
    import train
    from bodyshop.errors import UsageError
    from bodyshop.workspace import Workspace

    terminal: Terminal = context.obj
    pairs = [entry.partition("=") for entry in weights or ()]
    if not all(equals for _, equals, _ in pairs):
        raise UsageError("--weights takes NAME=FILE", hint="--weights vgg16=vgg16_notop.h5")
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = train.compare(
        workspace,
        backbones or (),
        weights={name: file for name, _, file in pairs},
        pictures=pictures,
        split_set=split_set,
        progress=terminal.progress,
    )
    data = summary.as_dict()
    terminal.summary(data, title="Backbones", notes=[f"Report: {data['report']}"])


def evaluate_run(
    context: typer.Context,
    run: RunOption = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    split_set: SplitSetOption = None,
    cross: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Class folders of another data set instead."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="ID|FOLDER", help="Another run, compared picture by picture."),
    ] = None,
) -> None:
    """Evaluate a run on a split or on another data set: intervals, calibration, worst mistakes."""
    import train
    from bodyshop.workspace import Workspace

    terminal: Terminal = context.obj
    summary = train.evaluate(
        run,
        workspace=Workspace.open(terminal.workspace, create=False),
        split=split,
        split_set=split_set,
        cross=cross,
        against=against,
        progress=terminal.progress,
    )
    terminal.summary(summary.as_dict(), title="Evaluated", notes=[f"Report: {summary.report}"])


def explain_predictions(
    context: typer.Context,
    pictures: Annotated[list[Path], typer.Argument(help="Pictures or folders of pictures.")],
    run: RunOption = None,
    label: Annotated[
        str | None, typer.Option(help="The class to explain; the predicted one by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the overlays and the page go.")] = Path(
        "explained"
    ),
) -> None:
    """Show where the network looks: Grad-CAM overlays and a page of them."""
    import train
    from bodyshop.app.predict import find_run, list_pictures

    terminal: Terminal = context.obj
    classifier = train.load_run(find_run(terminal.workspace, run))
    summary = train.explain(
        classifier, list_pictures(pictures), out, label=label, progress=terminal.progress
    )
    terminal.summary(summary.as_dict(), title="Explained")
