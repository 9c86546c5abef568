"""`bodyshop train` and `predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train_model)
    app.command("predict")(predict_pictures)


RunOption = Annotated[
    str | None,
    typer.Option("--run", metavar="ID|FOLDER", help="A run; the newest finished one by default."),
]
WeightsOption = Annotated[
    str | None, typer.Option(help="Weights file of the backbone; none for random weights.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a key of the recipe; repeatable."),
]


def train_model(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(help="A recipe's name, segment for damage masks, or a recipe.yaml.")
    ] = "default",
    target: Annotated[
        str | None, typer.Option(help="damage, brand or model; the split set's by default.")
    ] = None,
    split_set: Annotated[str | None, typer.Option(help="Split set; the newest by default.")] = None,
    weights: WeightsOption = None,
    augment_with: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="POLICY",
            help="Draw new augmented copies in every epoch instead of those on disk (slow).",
        ),
    ] = None,
    changes: SetOption = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Train again, even when a run with the same plan exists.")
    ] = False,
    no_equalise: Annotated[
        bool,
        typer.Option(
            "--no-equalise", help="Train on unchanged pictures, even if the audit found a leak."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
    resume: Annotated[
        str | None, typer.Option(metavar="ID|FOLDER", help="Resume an interrupted run.")
    ] = None,
) -> None:
    """Train a classifier on the curated splits, or a segmenter on damage masks, and evaluate it."""
    import augment
    import train
    from bodyshop.gate_of_run import gate_for
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    if train.is_segment_recipe(recipe) or (resume and Path(resume).name.startswith("segment-")):
        if augment_with:
            raise UsageError(
                "--augment can't be used for masks: it changes pictures without their masks",
                hint="write augmented copies with their masks first: bodyshop augment",
            )
        summary = train.segment(
            workspace,
            recipe if train.is_segment_recipe(recipe) else "segment",
            split_set=split_set,
            overrides=read_changes(changes),
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
            overrides=read_changes(changes),
            anew=anew,
            augmenter=augment.online(augment_with) if augment_with else None,
            equalise=False if no_equalise else None,
            gate=gate_for(workspace),
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
        typer.Option(metavar="ID|FOLDER", help="A segmenter run: writes damage masks, too."),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.tflite", help="COCO SSD model: detect each car and classify it."
        ),
    ] = None,
    annotate: Annotated[
        bool,
        typer.Option("--annotate", help="Also write the pictures with the predictions drawn in."),
    ] = False,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where masks and annotated pictures go.")
    ] = Path("predicted"),
) -> None:
    """Predict for each picture whether it shows a car, whether it is damaged, and where."""
    from bodyshop.prediction import find_run, find_segmenter, predict

    terminal: Terminal = context.obj
    folder = find_run(terminal.workspace, run)
    predictions = predict(
        folder,
        pictures,
        segmenter=find_segmenter(terminal.workspace, segmenter) if segmenter else None,
        detector=detector,
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


def read_changes(pairs: list[str] | None) -> dict[str, object]:
    """Turn ``KEY=VALUE`` words into overrides; the values are YAML.

    Raises
    ------
    UsageError
        A word has no equals sign.
    """
    import yaml

    from bodyshop_core.errors import UsageError

    found: dict[str, object] = {}
    for pair in pairs or []:
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"invalid --set '{pair}'", hint="write --set KEY=VALUE")
        found[key] = yaml.safe_load(value)
    return found
