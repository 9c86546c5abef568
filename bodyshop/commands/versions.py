"""`bodyshop snapshot`, `diff` and `checkout`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.terminal import Terminal
from bodyshop_core.errors import UsageError

MOST_ROWS = 20
"""Of each table on a terminal; all are in ``--json`` and on the page."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("snapshot")(take_snapshot)
    app.command("diff")(show_diff)
    app.command("checkout")(check_out)


def take_snapshot(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Name of the present state; without one: list them.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="What to remember about it.")] = None,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Remove the snapshot of this name instead, or by its id."),
    ] = False,
) -> None:
    """Name the present state of the set, or list the snapshots.

    Which pictures there are, verdicts with reasons, labels, splits, masks and policy.
    No picture is copied.
    """
    from bodyshop_core.snapshots import list_snapshots, remove_snapshot, save_snapshot
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    if name is None:
        if note is not None or remove:
            raise UsageError("which snapshot?", hint="bodyshop snapshot NAME")
        found = list_snapshots(workspace)
        terminal.summary(
            found.as_dict(),
            title="Snapshots",
            columns=("name", "id", "pictures", "erased", "made", "runs", "note"),
            rows=[
                (
                    each.name, each.short, each.pictures, each.erased or "", each.created_at,
                    each.runs, each.note,
                )
                for each in found.snapshots
            ],
            notes=[] if found.snapshots else ["There is none yet: bodyshop snapshot NAME"],
        )  # fmt: skip
        return
    if remove and note is not None:
        raise UsageError("--remove takes no --note")
    change = remove_snapshot if remove else lambda w, n: save_snapshot(w, n, note)
    snapshot = change(workspace, name)
    terminal.summary(snapshot.as_dict(), title="Removed" if remove else "Snapshot")


VersionArgument = Annotated[
    str, typer.Argument(metavar="NAME|ID|RUN", help="A snapshot, a training run, or now.")
]


def show_diff(
    context: typer.Context,
    before: VersionArgument,
    after: VersionArgument = "now",
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Write a page with the pictures.")
    ] = True,
) -> None:
    """Show what changed between two snapshots, or since one.

    Pictures that came, went, or have another verdict, label, split or mask, by class and origin.
    Between two runs: which of their pictures changed, beside the figures and settings that did.
    """
    from bodyshop.versions import diff
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    found = diff(workspace, before, after, page=page, progress=terminal.progress)
    if terminal.as_json:
        terminal.summary(found.as_dict())
        return
    title = f"{found.before.name} → {found.after.name}"
    terminal.summary({}, title=title, rows=[(k, n) for k, n in found.data.counts.items() if n])
    for name, values in (("Figures", found.metrics), ("Recipe and settings", found.settings)):
        rows = [(key, *map(_shown, pair)) for key, pair in values.items()]
        terminal.summary({}, title=name, columns=("", "before", "after"), rows=rows)
    policy = [(key, *map(_shown, pair)) for key, pair in found.data.policy().items()]
    terminal.summary({}, title="Policy", columns=("key", "before", "after"), rows=policy)
    moves = [
        (what, text, number)
        for what, each in found.data.transitions().items()
        for text, number in list(each.items())[:MOST_ROWS]
    ]
    terminal.summary({}, title="Changes", columns=("of", "change", "pictures"), rows=moves)
    for name, table in (
        (f"Classes ({found.data.target})", found.data.per_class()),
        ("Origins", found.data.per_origin()),
    ):
        changed = {
            key: row
            for key, row in table.items()
            if row["before"] != row["after"] or any(list(row.values())[2:])
        }
        shown = list(changed.items())[:MOST_ROWS]
        terminal.summary(
            {},
            title=name,
            columns=("", *next(iter(table.values()), {})),
            rows=[(key, *row.values()) for key, row in shown],
        )
    notes = [] if found.data.changes else ["The pictures are the same."]
    terminal.summary({}, notes=[*notes, *([f"Page: {found.page}"] if found.page else [])])


def check_out(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|ID", help="A snapshot.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
) -> None:
    """Lay a snapshot out for reading: manifest, policy and facts.

    The pictures of it: bodyshop export FORMAT DEST --snapshot NAME.
    """
    from bodyshop.versions import checkout
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    workspace = Workspace.open(terminal.workspace, create=False)
    terminal.summary(checkout(workspace, name, folder).as_dict(), title="Checked out")


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
