"""The page of a diff: one file with the thumbnails inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bodyshop.versions.compare import KINDS, Change
from bodyshop_core import atomic
from bodyshop_core.catalog import all_images
from bodyshop_core.errors import DamagedBlobError, LostBlobError, UnreadableImageError
from bodyshop_core.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from bodyshop.versions.outcome import Diff
    from bodyshop_core.workspace import Workspace

MOST = 100
"""Pictures that are shown of each kind of change; a page of 8 times as many is 5 MB."""

TITLES = {
    "added": "New pictures",
    "removed": "Pictures that are gone",
    "rejected": "Rejected now",
    "kept": "Kept now",
    "reasons": "Rejected for other reasons",
    "label": "Other labels",
    "split": "Other splits",
    "masks": "Other masks",
}


def write_page(workspace: Workspace, found: Diff, progress: Progress) -> Path:
    """Write ``reports/diff/<before>-<after>.html`` and return its path."""
    from jinja2 import Environment, PackageLoader

    of_kind = {
        kind: [change for change in found.data.changes if kind in change.kinds] for kind in KINDS
    }
    shown = {change.picture.sha256 for each in of_kind.values() for change in each[:MOST]}
    template = Environment(
        loader=PackageLoader("bodyshop.versions"), autoescape=True, trim_blocks=True
    ).get_template("diff.html.j2")
    name = "-".join(re.sub(r"[^\w.-]", "_", side.name) for side in (found.before, found.after))
    path = workspace.reports / "diff" / f"{name}.html"
    text = template.render(
        found=found,
        sections=[(TITLES[kind], len(each), each[:MOST]) for kind, each in of_kind.items() if each],
        kinds=KINDS,
        per_class=found.data.per_class(),
        per_origin=found.data.per_origin(),
        thumbnails=_thumbnails(workspace, sorted(shown), progress),
        words=Change.words,
    )
    atomic.write_text(path, text)
    return path


def _thumbnails(workspace: Workspace, shas: Iterable[str], progress: Progress) -> dict[str, str]:
    """Return sha256 -> the thumbnail as a data address, of the pictures that can be decoded."""
    from PIL import Image

    from bodyshop_core.imaging import load_rgb
    from curate.measure.thumbnail import SIDE, thumbnail_of

    extensions, found = all_images(workspace.catalog), {}
    wanted = [sha for sha in shas if sha in extensions]
    with progress.task("thumbnails", total=len(wanted)) as tick:
        for sha in wanted:
            tick(1)
            try:
                rgb = load_rgb(workspace.blobs.ref(sha, extensions[sha]), at_least=SIDE)
            except (UnreadableImageError, LostBlobError, DamagedBlobError):
                continue
            data = base64.b64encode(thumbnail_of(Image.fromarray(rgb))).decode()
            found[sha] = f"data:image/jpeg;base64,{data}"
    return found
