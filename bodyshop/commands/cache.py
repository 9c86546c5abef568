"""`bodyshop cache`: converted networks for machines without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bodyshop.commands.options import WeightsOption
from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from bodyshop.networks import NetworksSummary


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Converted networks, to take elsewhere.")
    group.command("export")(export_cache)
    group.command("import")(import_cache)
    app.add_typer(group, name="cache")


def export_cache(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder to write; without it, that of the run itself."),
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option(metavar="ID|FOLDER", help="Run, with its gate; repeatable."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Backbone of a gate: efficientnet-lite0; repeatable."),
    ] = None,
    weights: WeightsOption = None,
) -> None:
    """Write converted networks, for a machine that can't convert them.

    Without --run and --gate, all that have been converted on this machine.
    """
    from bodyshop.networks import bring_along, export_networks
    from bodyshop.prediction.sources import find_any_run

    terminal: Terminal = context.obj
    runs = [find_any_run(terminal.workspace, each) for each in run or ()]
    if folder is not None:
        found = export_networks(
            folder, runs=runs, backbones=gate or (), weights=weights, progress=terminal.progress
        )
    elif len(runs) == 1 and not gate:
        found = bring_along(runs[0], progress=terminal.progress)
    else:
        raise UsageError(
            "where should the networks go?", hint="name a folder, or one --run to put its own into"
        )
    _show(terminal, found, "Networks written")


def import_cache(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that cache export wrote.")],
) -> None:
    """Copy converted networks into this machine's cache."""
    from bodyshop.networks import import_networks

    _show(context.obj, import_networks(folder), "Networks imported")


def _show(terminal: Terminal, found: NetworksSummary, title: str) -> None:
    terminal.summary(
        found.as_dict(),
        title=title,
        columns=("network", "of", "MB"),
        rows=[(one.file.name, one.of, round(one.bytes / 1e6, 1)) for one in found.networks],
        notes=[f"In {found.folder}"],
    )
