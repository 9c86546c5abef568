"""`bodyshop sweep`, `compare`, `evaluate` and `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.commands.brief import brief
from bodyshop.commands.options import (
    CostOption,
    NoEqualiseOption,
    RunOption,
    SeedOption,
    SetOption,
    SplitSetOption,
    TargetOption,
    TrainWeightsOption,
    read_costs,
    read_overrides,
)
from bodyshop.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("sweep")(sweep_settings)
    app.command("compare")(compare_backbones)
    app.command("evaluate")(evaluate_run)
    app.command("explain")(explain_predictions)


def sweep_settings(
    context: typer.Context,
    sweep: Annotated[
        str,
        typer.Argument(help="Name of a built-in sweep, such as freeze-points, or a sweep.yaml."),
    ],
    target: TargetOption = None,
    split_set: SplitSetOption = None,
    weights: TrainWeightsOption = None,
    overrides: SetOption = None,
    no_equalise: NoEqualiseOption = False,
    jobs: Annotated[int, typer.Option(min=1, help="Number of trials to run at the same time.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Database of a search that machines share; by default a file."
        ),
    ] = None,
    seed: SeedOption = 7,
) -> None:
    """Train every combination of a grid of settings, or what a search proposes.

    Each in its own process. Resumes where an earlier call stopped.
    """
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
        overrides=read_overrides(overrides),
        jobs=jobs,
        seed=seed,
        storage=storage,
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
        list[str] | None, typer.Argument(help="Backbones; by default all.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Weights of a backbone, or none for random; repeatable.",
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="Number of pictures to time.")] = 64,
    split_set: SplitSetOption = None,
) -> None:
    """Compare speed, memory, size and accuracy of backbones."""
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
        typer.Option(metavar="FOLDER", help="Evaluate on the class folders of another data set."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER=CLASS",
            help="Class of a --cross folder; repeatable.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="ID|FOLDER", help="Compare with another run, picture by picture."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=3, help="Cross-validate: train the recipe of the run once per fold."),
    ] = None,
    abroad: Annotated[
        bool,
        typer.Option(
            "--abroad", help="Fit the recipe of the run without some origins, and test it on these."
        ),
    ] = False,
    cost: CostOption = None,
) -> None:
    """Evaluate a run on a split or on another data set.

    With confidence intervals, calibration and the worst mistakes.
    """
    import train
    from bodyshop_core.errors import UsageError
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    summary: train.EvaluateSummary | train.FoldsSummary
    if abroad:
        if cross is not None or against is not None or folds is not None:
            raise UsageError("--abroad can't be combined with --cross, --against or --folds")
        workspace = Workspace.open(terminal.workspace, create=False)
        found = train.evaluate_abroad(
            run, workspace, split_set=split_set, progress=terminal.progress
        )
        terminal.summary(
            found.as_dict(),
            title=f"Abroad: {found.run}",
            rows=found.rows() or found.lines(),
            columns=found.columns if found.pairs else (),
            notes=[
                *(f"{name}: {value}" for name, value in found.lines() if found.pairs),
                f"Report: {found.report}",
            ],
        )
        return
    if folds is not None:
        if cross is not None or against is not None or cost is not None:
            raise UsageError("--folds can't be combined with --cross, --against or --cost")
        workspace = Workspace.open(terminal.workspace, create=False)
        summary = train.evaluate_folds(
            run, workspace, folds=folds, split_set=split_set, progress=terminal.progress
        )
    else:
        # A run folder on a data folder needs no workspace: the run may come from another machine.
        alone = cross is not None and all(
            Path(each).is_dir() for each in (run or "no run", against or ".")
        )
        summary = train.evaluate(
            run,
            workspace=None if alone else Workspace.open(terminal.workspace, create=False),
            split=split,
            split_set=split_set,
            cross=cross,
            rename={key: str(value) for key, value in read_overrides(rename).items()},
            against=against,
            costs=train.Costs(**read_costs(cost)) if cost else None,
            progress=terminal.progress,
        )
    terminal.summary(
        summary.as_dict(),
        title="Evaluated",
        rows=brief(summary),
        notes=[f"Report: {summary.report}"],
    )


def explain_predictions(
    context: typer.Context,
    pictures: Annotated[list[Path], typer.Argument(help="Pictures or folders of pictures.")],
    run: RunOption = None,
    label: Annotated[
        str | None, typer.Option(help="Class to explain; by default the predicted one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the overlays and the page.")] = Path(
        "explained"
    ),
) -> None:
    """Show which regions drive a prediction (Grad-CAM).

    Writes an overlay per picture and a page with all of them.
    """
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
