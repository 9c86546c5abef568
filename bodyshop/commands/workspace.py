"""`bodyshop status`, `doctor`, `forget` and `workspace copy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(show_status)
    app.command("doctor")(examine)
    app.command("forget")(forget_pictures)
    group = typer.Typer(no_args_is_help=True, help="The workspace as a whole.")
    group.command("copy")(copy)
    group.command("orphans")(show_orphans)
    app.add_typer(group, name="workspace")


def show_status(context: typer.Context) -> None:
    """Count the contents of the workspace.

    Per stage, per brand and model, and per reason.
    """
    from bodyshop.status import status
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    report = status(Workspace.open(terminal.workspace, create=False))
    if terminal.as_json:
        terminal.summary(report.as_dict())
        return
    for title, columns, rows in report.tables():
        if rows:
            terminal.summary({}, title=title, columns=columns, rows=rows)
    for warning in report.warnings:
        terminal.summary({}, notes=[f"! {warning}"])


def examine(
    context: typer.Context,
    sources: Annotated[
        Path | None,
        typer.Option(metavar="BRANDS.YAML", help="Also test its search recipes."),
    ] = None,
    browser_url: Annotated[
        str | None,
        typer.Option(
            "--browser-url",
            metavar="URL",
            help="Also test this Selenium Grid 4: one of its browsers is started.",
        ),
    ] = None,
    proxy_address: Annotated[
        str | None,
        typer.Option(
            "--proxy-address",
            metavar="HOST[:PORT]",
            help="With --browser-url: where the nodes reach this machine.",
        ),
    ] = None,
    models: Annotated[
        bool,
        typer.Option(
            "--models", help="Print the card of the damage model that comes with bodyshop."
        ),
    ] = False,
) -> None:
    """Check what works on this machine, and how to fix the rest."""
    from bodyshop.doctor import examine as run_checks

    terminal: Terminal = context.obj
    if models:
        from bodyshop.prediction.shipped import NAME, shipped_model

        card = shipped_model().card
        terminal.summary({"models": [{"name": NAME, "card": card}]}, rows=[], notes=[card])
        return
    checks = run_checks(
        terminal.workspace, sources=sources, browser_url=browser_url, proxy_address=proxy_address,
        progress=terminal.progress,
    )  # fmt: skip
    terminal.summary(
        {"checks": [check.as_dict() for check in checks]},
        title="Doctor",
        columns=("", "part", "found", "how to fix it"),
        rows=[(check.mark, check.part, check.found, check.fix) for check in checks],
    )
    if any(check.needed and not check.ok for check in checks):
        raise typer.Exit(5)


def forget_pictures(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="The sha256 of a picture, a URL, or a host.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be erased, erase nothing.")
    ] = False,
) -> None:
    """Erase pictures and everything made from them, permanently.

    Later crawls do not collect them again.
    """
    from bodyshop.forget import forget
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = forget(workspace, what, dry_run=dry_run)
    title = "Would be erased" if dry_run else "Erased"
    notes = [f"! Still there: {place}" for place in summary.remaining]
    terminal.summary(summary.as_dict(), title=title, notes=notes)


def copy(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FROM", help="The workspace to copy.")],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TO",
            help="A new folder, or one with only a workspace.toml that names catalog or bucket.",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be copied, write nothing.")
    ] = False,
) -> None:
    """Copy a workspace to another folder, bucket or database.

    Every file's sha256 is verified. The same command again resumes where it was interrupted.
    """
    from bodyshop.workspace_copy import copy_workspace

    terminal: Terminal = context.obj
    summary = copy_workspace(source, target, dry_run=dry_run, progress=terminal.progress)
    title = "Would be copied" if dry_run else "Copied, every sha256 verified"
    terminal.summary(summary.as_dict(), title=title)


def show_orphans(
    context: typer.Context,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove them; without it they are only counted.")
    ] = False,
    older_than: Annotated[
        float,
        typer.Option(
            metavar="HOURS",
            min=0,
            help="Only files of this age: a running command may not have noted younger ones.",
        ),
    ] = 24.0,
    originals: Annotated[
        bool,
        typer.Option("--originals", help="Also original pictures that the catalog does not have."),
    ] = False,
) -> None:
    """Count files that nothing refers to any more, and remove them.

    Masks and variants are left in a bucket when one is drawn or made again, original pictures by a
    killed import.
    """
    from bodyshop.orphans import orphans
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = orphans(workspace, remove=remove, older_than=older_than, originals=originals)
    notes = []
    if summary.orphans and not remove:
        also = " --originals" * originals
        notes.append(f"-> bodyshop workspace orphans --remove{also}")
    title = "Removed" if remove else "Left over"
    terminal.summary(summary.as_dict(), title=title, notes=notes)
