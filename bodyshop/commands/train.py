"""`bodyshop train` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.commands.options import (
    NoEqualiseOption,
    ObjectsOption,
    RunOption,
    SeedOption,
    SetOption,
    SplitSetOption,
    TargetOption,
    TrainWeightsOption,
    object_names,
    read_overrides,
)
from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train_model)
    app.command("predict")(predict_pictures)


def train_model(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe, segment for damage masks, or a recipe.yaml.")
    ] = "default",
    target: TargetOption = None,
    split_set: SplitSetOption = None,
    weights: TrainWeightsOption = None,
    augment_with: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="POLICY",
            help="Augment again in every epoch instead of using the variants on disk (slow).",
        ),
    ] = None,
    overrides: SetOption = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Train even if the same run exists.")
    ] = False,
    no_equalise: NoEqualiseOption = False,
    seed: SeedOption = 7,
    resume: Annotated[
        str | None, typer.Option(metavar="ID|FOLDER", help="Resume an interrupted run.")
    ] = None,
) -> None:
    """Train and evaluate a classifier or a segmenter."""
    import augment
    import curate
    import train
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    if train.is_segment_recipe(recipe) or (resume and Path(resume).name.startswith("segment-")):
        if augment_with:
            raise UsageError(
                "--augment can't transform masks together with their pictures",
                hint="write variants with masks first: bodyshop augment",
            )
        summary = train.segment(
            workspace,
            recipe if train.is_segment_recipe(recipe) else "segment",
            split_set=split_set,
            overrides=read_overrides(overrides),
            weights=weights,
            seed=seed,
            resume=resume,
            anew=anew,
            progress=terminal.progress,
        )
    else:
        summary = train.train(
            workspace,
            recipe,
            target=target,
            split_set=split_set,
            weights=weights,
            overrides=read_overrides(overrides),
            anew=anew,
            augmenter=augment.online(augment_with) if augment_with else None,
            equalise=False if no_equalise else None,
            gate=curate.load_gate(workspace).as_dict(),
            seed=seed,
            resume=resume,
            progress=terminal.progress,
        )
    terminal.summary(summary.as_dict(), title="Trained", notes=[f"Report: {summary.report}"])


def predict_pictures(
    context: typer.Context,
    pictures: Annotated[list[Path], typer.Argument(help="Pictures or folders of pictures.")],
    run: RunOption = None,
    segmenter: Annotated[
        str | None,
        typer.Option(metavar="ID|FOLDER", help="Segmenter run: also write damage masks."),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tflite", help="COCO SSD model: classify each car it finds."),
    ] = None,
    objects: ObjectsOption = None,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Also write pictures with the results drawn in.")
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for masks and annotated pictures.")
    ] = Path("predicted"),
) -> None:
    """Predict whether pictures show a car, and damage, and where."""
    from bodyshop.prediction import find_run, find_segmenter, predict

    terminal: Terminal = context.obj
    folder = find_run(terminal.workspace, run)
    predictions = predict(
        folder,
        pictures,
        segmenter=find_segmenter(terminal.workspace, segmenter) if segmenter else None,
        detector=detector,
        objects=object_names(objects),
        out=out,
        annotate=annotate,
        progress=terminal.progress,
    )
    columns = ("picture", "is_car", "p_car", "label", "probability", "mask", "error")
    rows = [prediction.as_dict() for prediction in predictions]
    terminal.summary(
        rows,
        title=f"Predicted by {folder.name}",
        columns=columns,
        rows=[[row[name] for name in columns] for row in rows],
        notes=[f"Annotated pictures: {out}"] if annotate else [],
    )
    if all(prediction.error for prediction in predictions):
        raise typer.Exit(1)
