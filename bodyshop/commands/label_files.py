"""`bodyshop label import` and `label export`: annotation files of other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from bodyshop.terminal import Terminal, first_lines
from bodyshop_core.errors import UsageError


class MaskFormat(StrEnum):
    """Formats of annotation files, as in `labeling.formats.table`."""

    COCO = "coco"
    VIA = "via"
    LABELSTUDIO = "labelstudio"
    SUPERVISELY = "supervisely"
    LABELME = "labelme"
    CVAT = "cvat"
    VOC = "voc"
    YOLO = "yolo"
    PNG = "png"


def register(label: typer.Typer) -> None:
    """Add the commands to `bodyshop label`."""
    label.command("import")(import_masks)
    label.command("export")(export_masks)


def import_masks(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[FORMAT] SOURCE",
            help=f"File or folder. Its format is found out; or name it: {', '.join(MaskFormat)}.",
        ),
    ],
    pictures: Annotated[
        Path | None,
        typer.Option(help="Folder with the pictures that SOURCE names; no others are used."),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="Rename a class; OURS/SEVERITY also sets the severity; THEIRS= omits it.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Who drew the masks.")] = None,
    label: Annotated[
        str | None, typer.Option(help="Class of shapes for which SOURCE gives none.")
    ] = None,
) -> None:
    """Import masks and instances from annotation files of other tools.

    For pictures that are in the workspace already.
    """
    import labeling
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    format, source = _format_and_source(words)
    workspace = Workspace.open(terminal.workspace, create=False)
    summary = labeling.import_masks(
        workspace,
        format,
        source,
        pictures=pictures,
        classes=_classes(mapping or []),
        name=name,
        label=label,
        progress=terminal.progress,
    )
    data = summary.as_dict()
    rows: list[tuple[str, Any]] = [(key, data[key]) for key in _SHOWN]
    rows += [(key.replace("_", " "), len(data[key])) for key in _LISTED]
    notes = [
        f"{sign} {line}"
        for key, sign in (("problems", "!"), ("refused", "?"), ("replaced", "-"))
        for line in first_lines(data[key])
    ]
    if summary.by_name:
        notes.append(f"Identified by name only: {', '.join(first_lines(summary.by_name, 5))}")
    if summary.turned:
        notes.append(
            "Turned by EXIF, and nothing says whether masks were drawn on the photo as stored or "
            f"as shown (this was assumed): {', '.join(first_lines(summary.turned, 5))}"
        )
    if summary.unmatched:
        notes.append(f"Not in the workspace: {', '.join(first_lines(summary.unmatched, 5))}")
    terminal.summary(data, title="Imported", rows=rows, notes=notes)


_SHOWN = ("format", "pictures", "masks", "regions", "boxes")
_LISTED = ("unmatched", "refused", "by_name", "turned", "replaced", "problems")


def _format_and_source(words: list[str]) -> tuple[str | None, Path]:
    if len(words) == 1:
        return None, Path(words[0])
    if len(words) == 2 and words[0] in set(MaskFormat):
        return words[0], Path(words[1])
    raise UsageError(
        f"label import needs one SOURCE, or FORMAT and SOURCE, not {' '.join(words)!r}",
        hint=f"formats: {', '.join(MaskFormat)}",
    )


def export_masks(
    context: typer.Context,
    format: Annotated[
        MaskFormat,
        typer.Argument(metavar="FORMAT", help=f"Format to write: {', '.join(MaskFormat)}."),
    ],
    dest: Annotated[Path, typer.Argument(help="Folder to write to.")],
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Whether to copy the pictures.")
    ] = True,
) -> None:
    """Write the valid masks, and their pictures, for another tool."""
    import labeling
    from bodyshop_core.workspace import Workspace

    terminal: Terminal = context.obj
    summary = labeling.export_masks(
        Workspace.open(terminal.workspace, create=False),
        format.value,
        dest,
        with_pictures=pictures,
        progress=terminal.progress,
    )
    terminal.summary(summary.as_dict(), title="Exported")


def _classes(mapping: list[str]) -> dict[str, str]:
    classes = {}
    for pair in mapping:
        theirs, equals, ours = pair.partition("=")
        if not equals or not theirs:
            raise UsageError(f"--map needs THEIRS=OURS, not {pair!r}")
        classes[theirs] = ours
    return classes
