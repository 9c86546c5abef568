"""`bodyshop inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bodyshop.commands.options import RunOption
from bodyshop.terminal import Terminal


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect")(inspect_car)


def inspect_car(
    context: typer.Context,
    before: Annotated[Path, typer.Argument(help="Folder with the pictures of the car before.")],
    after: Annotated[Path, typer.Argument(help="Folder with the pictures of the same car after.")],
    run: RunOption = None,
    segmenter: Annotated[
        str | None,
        typer.Option(metavar="ID|FOLDER", help="Segmenter run: what is new in its masks."),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE.tflite", help="COCO SSD model, for a run on cropped cars."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the report.")] = Path(
        "inspection"
    ),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only pair the pictures; judge and write nothing.")
    ] = False,
) -> None:
    """Find damage that a car has after, and did not have before.

    Pairs the pictures of the two folders by what they show, and reports new damage with both
    pictures side by side.
    """
    from bodyshop.inspection import inspect
    from bodyshop.prediction import find_run_or_shipped, find_segmenter

    terminal: Terminal = context.obj
    found = inspect(
        before,
        after,
        run=find_run_or_shipped(terminal.workspace, run),
        segmenter=find_segmenter(terminal.workspace, segmenter) if segmenter else None,
        detector=detector,
        out=None if dry_run else out,
        pair_only=dry_run,
        progress=terminal.progress,
    )
    rows = [
        (
            pair.before.picture,
            pair.after.picture,
            pair.similarity,
            pair.matches,
            *(
                ()
                if dry_run
                else (
                    f"{pair.before.label} -> {pair.after.label}",
                    "not judged"
                    if pair.not_judged
                    else ", ".join(f"{one.kind or 'new'} {one.score}" for one in pair.new_damage),
                )
            ),
        )
        for pair in found.pairs
    ]
    columns = ("before", "after", "likeness", "common points")
    left = [
        f"No partner {when}: {', '.join(names)}"
        for when, names in (("after", found.unpaired_before), ("before", found.unpaired_after))
        if names
    ]
    unknown = [
        f"Not judged: {pair.after.picture}: {pair.not_judged}"
        for pair in found.pairs
        if pair.not_judged and not dry_run
    ]
    bad = [f"Unreadable: {one.picture}: {one.error}" for one in found.unreadable]
    judged = [] if dry_run else [f"{found.new_damage} of {len(found.pairs)} views with new damage"]
    terminal.summary(
        found.as_dict(),
        title="Would be compared" if dry_run else f"Compared, judged by {found.run}",
        columns=columns if dry_run else (*columns, "label", "new damage"),
        rows=rows,
        notes=[*judged, *unknown, *left, *bad, *([f"Report: {found.page}"] if found.page else [])],
    )
