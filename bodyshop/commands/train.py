"""`bodyshop train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from bodyshop.commands.brief import brief
from bodyshop.commands.options import (
    CostOption,
    EpochsOption,
    NoEqualiseOption,
    SeedOption,
    SetOption,
    SplitSetOption,
    TargetOption,
    TrainWeightsOption,
    read_costs,
    read_overrides,
)
from bodyshop.terminal import Terminal
from bodyshop_core.errors import BodyshopError, UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train_model)


def train_model(
    context: typer.Context,
    recipe: Annotated[
        str, typer.Argument(help="Name of a recipe, segment for damage masks, or a recipe.yaml.")
    ] = "default",
    start: Annotated[
        str | None,
        typer.Option(
            metavar="shipped",
            help="Adapt the damage model that comes with bodyshop: short for the recipe damage.",
        ),
    ] = None,
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
    epochs: EpochsOption = None,
    cost: CostOption = None,
    find_lr: Annotated[
        bool,
        typer.Option("--find-lr", help="Only test learning rates on the recipe, with a plot."),
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Train even if the same run exists.")
    ] = False,
    no_equalise: NoEqualiseOption = False,
    seed: SeedOption = 7,
    resume: Annotated[
        str | None, typer.Option(metavar="ID|FOLDER", help="Resume an interrupted run.")
    ] = None,
    abroad: Annotated[
        bool | None,
        typer.Option(
            "--abroad/--no-abroad",
            help="Also fit without some origins and test on these; by default where it is fast.",
        ),
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs over which each batch is split.")] = 1,
) -> None:
    """Train and evaluate a classifier or a segmenter."""
    import augment
    import curate
    import train
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    changes = read_overrides(overrides)
    if start:
        recipe = _started(start, recipe)
    if cost:
        changes["threshold"] = read_costs(cost)
    if train.is_window_recipe(recipe):
        _refuse_for_windows(
            {
                "--resume": resume, "--weights": weights, "--augment": augment_with,
                "--find-lr": find_lr, "--epochs": epochs, "--no-equalise": no_equalise,
                "--abroad": abroad, "--target": target not in (None, "damage"),
                "--devices": devices > 1,
            }
        )  # fmt: skip
    if resume and (changes or epochs):
        raise UsageError(
            "--resume goes on with the run's recipe: --set, --epochs and --cost can't change it",
            hint="train another run: leave --resume out",
        )
    if epochs:
        load = train.load_segment_recipe if train.is_segment_recipe(recipe) else train.load_recipe
        changes |= train.epochs_overrides(load(recipe, overrides=changes), epochs)
    if find_lr:
        options = train.TrainOptions(
            target=target,
            split_set=split_set,
            equalise=False if no_equalise else None,
            weights=weights,
            seed=seed,
        )
        found = train.find_rate(
            workspace, recipe, options=options, overrides=changes, progress=terminal.progress
        )
        terminal.summary(found.as_dict(), title="Learning rates", notes=[f"Plot: {found.report}"])
        return
    if train.is_window_recipe(recipe):
        summary = train.train_damage(
            workspace,
            recipe,
            split_set=split_set,
            overrides=changes,
            gate=curate.load_gate(workspace).as_dict(),
            seed=seed,
            anew=anew,
            progress=terminal.progress,
        )
    elif train.is_segment_recipe(recipe) or (resume and Path(resume).name.startswith("segment-")):
        if augment_with:
            raise UsageError(
                "--augment can't transform masks together with their pictures",
                hint="write variants with masks first: bodyshop augment",
            )
        summary = train.segment(
            workspace,
            recipe if train.is_segment_recipe(recipe) else "segment",
            split_set=split_set,
            overrides=changes,
            weights=weights,
            seed=seed,
            resume=resume,
            anew=anew,
            devices=devices,
            progress=terminal.progress,
        )
        _bring_network(summary.folder, terminal)
    else:
        summary = train.train(
            workspace,
            recipe,
            target=target,
            split_set=split_set,
            weights=weights,
            overrides=changes,
            anew=anew,
            augmenter=augment.online(augment_with) if augment_with else None,
            equalise=False if no_equalise else None,
            gate=curate.load_gate(workspace).as_dict(),
            seed=seed,
            resume=resume,
            abroad=abroad,
            devices=devices,
            progress=terminal.progress,
        )
    terminal.summary(
        summary.as_dict(),
        title="Trained",
        rows=[*summary.lines(), *brief(summary)],
        notes=[
            f"Report: {summary.report}",
            *([f"Snapshot: {summary.snapshot[:12]}"] if summary.snapshot else []),
        ],
    )


def _bring_network(folder: Path, terminal: Terminal) -> None:
    """Convert a segmenter while TensorFlow is there: its folder then needs none, anywhere."""
    from bodyshop.networks import bring_along

    try:
        bring_along(folder, progress=terminal.progress)
    except BodyshopError as error:
        terminal.progress.log(f"the run will predict on TensorFlow only: {error.message}")


def _started(start: str, recipe: str) -> str:
    """Return the recipe that goes on from the shipped model."""
    if start != "shipped" or recipe not in ("default", "damage"):
        raise UsageError(
            f"'{recipe}' can't start from '{start}': only the damage model that comes with "
            "bodyshop can be gone on from",
            hint="run: bodyshop train --start shipped; a recipe of your own says start.run",
        )
    return "damage"


def _refuse_for_windows(given: Mapping[str, object]) -> None:
    refused = [name for name, value in given.items() if value]
    if refused:
        raise UsageError(
            f"a damage model by windows has no use for {', '.join(refused)}: it is fitted "
            "at once, to damaged and whole pictures as they are",
            hint="leave it out, or train another recipe",
        )
