"""`bodyshop augment`."""

from __future__ import annotations

from typing import Annotated

import typer

from bodyshop.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("augment")(augment_pictures)


def augment_pictures(
    context: typer.Context,
    policy: Annotated[
        str, typer.Argument(help="A preset's name or a policy.yaml of your own.")
    ] = "car-damage",
    copies: Annotated[
        int | None,
        typer.Option(min=1, help="Variants per train picture; 2, or 4 on a contact sheet."),
    ] = None,
    preview: Annotated[
        int, typer.Option(min=0, help="Only write a contact sheet of N pictures.")
    ] = 0,
    balance: Annotated[bool, typer.Option("--balance", help="Top up the smaller classes.")] = False,
    split_set: Annotated[str | None, typer.Option(help="Split set; the newest by default.")] = None,
    engine: Annotated[
        str, typer.Option(help="local, dask, or a Dask scheduler's address.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Worker processes.")] = None,
) -> None:
    """Write augmented variants of the train split, images and masks together, and only of it."""
    import augment
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    chosen = augment.load_policy(policy)
    if preview:
        sheet = augment.preview(
            workspace, chosen, n=preview, copies=copies or 4, split_set=split_set
        )
        terminal.summary({"preview": str(sheet)}, notes=[f"Look at {sheet}"])
        return
    copies = copies or 2
    arguments = {"policy": policy, "copies": copies, "balance": balance, "split_set": split_set}
    with workspace.record_run("augment", arguments) as run:
        summary = augment.augment(
            workspace,
            chosen,
            copies=copies,
            split_set=split_set,
            engine=engine,
            workers=workers,
            balance=balance,
            progress=terminal.progress,
        )
        run.counts.update(summary.as_dict())
    terminal.summary(summary.as_dict(), title="Augmented")
