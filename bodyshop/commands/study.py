"""`bodyshop sweep`, `compare`, `evaluate` and `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.commands.train import SetOption, read_changes
from bodyshop.terminal import Terminal


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
        typer.Argument(help="Name of a shipped sweep, such as freeze-points, or a sweep.yaml."),
    ],
    target: Annotated[
        str | None, typer.Option(help="damage, brand or model; by default that of the split set.")
    ] = None,
    split_set: SplitSetOption = None,
    weights: Annotated[
        str | None, typer.Option(help="Weights file of the backbone; none for random weights.")
    ] = None,
    changes: SetOption = None,
    no_equalise: Annotated[
        bool,
        typer.Option(
            "--no-equalise",
            help="Train on the pictures as they are, even if the audit found a leak.",
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Trials that run at the same time.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
) -> None:
    """Train every combination of a grid in worker processes; finished trials are kept."""
    import train
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = train.sweep(
        workspace,
        sweep,
        target=target,
        split_set=split_set,
        equalise=False if no_equalise else None,
        weights=weights,
        overrides=read_changes(changes),
        jobs=jobs,
        seed=seed,
        progress=terminal.progress,
    )
    rows = [
        [
            ", ".join(f"{key}={value}" for key, value in trial["overrides"].items()),
            trial.get("accuracy"),
            trial.get("loss"),
            trial.get("seconds"),
            trial["error"],
        ]
        for trial in summary.trials
    ]
    terminal.summary(
        summary.as_dict(),
        title="Sweep",
        columns=("trial", "validation accuracy", "loss", "seconds", "error"),
        rows=rows,
        notes=[f"Report: {summary.report}", f"To train the best trial: {summary.command}"],
    )


def compare_backbones(
    context: typer.Context,
    backbones: Annotated[
        list[str] | None, typer.Argument(help="Backbones; all of them by default.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Weights of one backbone, or NAME=none for random ones; may be repeated.",
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Number of pictures to time.")] = 64,
    split_set: SplitSetOption = None,
) -> None:
    """Measure speed, memory, size and accuracy of backbones on the same pictures."""
    import train
    from bodyshop_core.errors import UsageError
    from bodyshop_core.workspace import Workspace

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
    columns = {
        "backbone": "backbone",
        "parameters": "parameters",
        "seconds_per_picture": "s per picture (Keras)",
        "litert_seconds_per_picture": "s per picture (LiteRT)",
        "linear_probe_accuracy": "linear probe accuracy",
        "error": "error",
    }
    terminal.summary(
        summary.as_dict(),
        title="Backbones",
        columns=list(columns.values()),
        rows=[[row[key] for key in columns] for row in summary.rows],
        notes=[f"Report: {summary.report}"],
    )


def evaluate_run(
    context: typer.Context,
    run: RunOption = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    split_set: SplitSetOption = None,
    cross: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Evaluate on another data set: a folder with one folder per class.",
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER=CLASS",
            help="The class of the run that a folder of --cross holds; may be repeated.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="ID|FOLDER", help="Another run, compared on the same pictures."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=3, help="Cross-validate the run's recipe instead, with this many folds."),
    ] = None,
) -> None:
    """Evaluate a run on a split or on another data set, with intervals, calibration and errors."""
    import train
    from bodyshop_core.errors import UsageError
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    summary: train.EvaluateSummary | train.FoldsSummary
    if folds is not None:
        if cross is not None or against is not None:
            raise UsageError(
                "--folds trains new models: it can't be combined with --cross or --against"
            )
        workspace = Workspace.open(terminal.workspace, create=False)
        summary = train.evaluate_folds(
            run, workspace, folds=folds, split_set=split_set, progress=terminal.progress
        )
    else:
        # A run's folder tested on a folder needs no workspace.
        alone = cross is not None and all(
            Path(each).is_dir() for each in (run or "no run", against or ".")
        )
        summary = train.evaluate(
            run,
            workspace=None if alone else Workspace.open(terminal.workspace, create=False),
            split=split,
            split_set=split_set,
            cross=cross,
            rename={key: str(value) for key, value in read_changes(rename).items()},
            against=against,
            progress=terminal.progress,
        )
    terminal.summary(summary.as_dict(), title="Evaluated", notes=[f"Report: {summary.report}"])


def explain_predictions(
    context: typer.Context,
    pictures: Annotated[list[Path], typer.Argument(help="Pictures or folders of pictures.")],
    run: RunOption = None,
    label: Annotated[
        str | None, typer.Option(help="The class to explain; the predicted class by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the overlays and the page.")] = Path(
        "explained"
    ),
) -> None:
    """Write Grad-CAM overlays, which show the regions that support a class, and a page of them."""
    import train
    from bodyshop.prediction import find_run, list_pictures

    terminal: Terminal = context.obj
    classifier = train.load_run(find_run(terminal.workspace, run))
    summary = train.explain(
        classifier, list_pictures(pictures), out, label=label, progress=terminal.progress
    )
    terminal.summary(
        summary.as_dict(),
        title="Explained",
        columns=("picture", "label", "probability", "error"),
        rows=[
            [row[key] for key in ("picture", "label", "probability", "error")]
            for row in summary.pictures
        ],
        notes=[f"Report: {summary.report}"],
    )
    if all(row["error"] for row in summary.pictures):
        raise typer.Exit(1)
