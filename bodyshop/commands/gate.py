"""`bodyshop gate …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.commands.options import BackboneOption, WeightsOption
from bodyshop.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    gate = typer.Typer(
        help="Fit and evaluate the gate, which separates cars from the rest.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    gate.command("discover")(discover)
    gate.command("fit")(fit)
    gate.command("evaluate")(evaluate)
    app.add_typer(gate, name="gate")


def discover(
    context: typer.Context,
    cars: Annotated[Path, typer.Argument(help="A folder of car pictures.")],
    count: Annotated[int, typer.Option(min=1, help="Number of categories to list.")] = 50,
    gate: BackboneOption = "efficientnet-lite0",
    weights: WeightsOption = None,
) -> None:
    """Find the ImageNet categories that stand for cars.

    From the categories of the pictures in a folder.
    """
    import curate

    terminal: Terminal = context.obj
    found = curate.discover_categories(
        cars, count=count, gate=gate, weights=weights, progress=terminal.progress
    )
    terminal.summary(
        found.as_dict(),
        title="Car categories",
        rows=found.rows(),
        columns=found.columns,
        notes=found.notes(),
    )


def fit(
    context: typer.Context,
    accept: Annotated[
        list[Path] | None, typer.Option(help="Folder of pictures to accept; repeatable.")
    ] = None,
    reject: Annotated[
        list[Path] | None, typer.Option(help="Folder of pictures to reject; repeatable.")
    ] = None,
    from_review: Annotated[
        bool, typer.Option("--from-review", help="Learn from the decisions of reviewers.")
    ] = False,
    framing: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Columns file, framing (full or part): learn close-ups.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Fit a probe of this name, such as watermark, in place of the car gate; "
            "'probes: {watermark: {}}' in curate.yaml uses it."
        ),
    ] = None,
    gate: BackboneOption = "efficientnet-lite0",
    weights: WeightsOption = None,
) -> None:
    """Fit a gate to your own examples.

    This workspace then uses it. With --name it is a probe beside the gate: a picture that looks
    like its rejected examples gets a reason of its own.
    """
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace)
    fitted = curate.fit_gate(
        workspace,
        accept=accept or [],
        reject=reject or [],
        from_review=from_review,
        name=name,
        framing=framing,
        gate=gate,
        weights=weights,
        progress=terminal.progress,
    )
    terminal.summary(
        fitted.as_dict(),
        title="Fitted gate" if name is None else f"Fitted probe {name}",
        rows=fitted.rows(),
        columns=fitted.columns,
        notes=fitted.notes(),
    )


def evaluate(
    context: typer.Context,
    accept: Annotated[list[Path], typer.Option(help="Folder of cars, one group; repeatable.")],
    reject: Annotated[list[Path], typer.Option(help="Folder of non-cars; repeatable.")],
    gate: BackboneOption = "efficientnet-lite0",
    weights: WeightsOption = None,
    policy: Annotated[
        Path | None, typer.Option(help="curate.yaml with the rule and the threshold of the gate.")
    ] = None,
) -> None:
    """Measure recall and false accepts of a gate.

    Per group, with confidence intervals, ROC curve and threshold.
    """
    import curate
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace)
    result = curate.evaluate_gate(
        workspace,
        accept=accept,
        reject=reject,
        gate=gate,
        weights=weights,
        policy=policy,
        progress=terminal.progress,
    )
    terminal.summary(
        result.as_dict(),
        title="Gate evaluation",
        rows=result.rows(),
        columns=result.columns,
        notes=result.notes(),
    )
