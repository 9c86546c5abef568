"""The reports of the workspace as the desk shows them: the same files, with links to the grid."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.errors import NothingFoundError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
"""No script at all; styles stand in the pages, since each is one file to send."""

_REPORTS = {
    "curate": "What was kept, and why the others were not",
    "diff": "What changed between two versions",
    "similar": "The most similar pictures",
}
"""Folders of ``reports/`` without scripts, and what they are about; the map is the desk's own."""

_SUFFIXES = {".html", ".css", ".jpg", ".png"}

_STYLE = b'<link rel="stylesheet" href="/static/report.css">\n</head>'

_ORIGINAL = re.compile(rb'href="(?:\.\./)+[^":]*/([0-9a-f]{64})\.\w+"')
"""A link to an original, whose bytes come from outside."""


@dataclass(frozen=True)
class ReportLink:
    """A report in the list.

    Parameters
    ----------
    title : str
        What it is about.
    address : str
        Path at the desk.
    """

    title: str
    address: str


def list_reports(workspace: Workspace) -> list[ReportLink]:
    """Return the reports that are there: of the set first, then of the runs, the newest first."""
    found = []
    for name, about in _REPORTS.items():
        folder = workspace.reports / name
        pages = sorted(folder.glob("*.html")) if name != "curate" else [folder / "index.html"]
        for page in pages:
            if page.is_file():
                title = about if name == "curate" else f"{about}: {page.stem}"
                found.append(ReportLink(title, f"/report/reports/{name}/{page.name}"))
    runs = (page.relative_to(workspace.runs) for page in workspace.runs.glob("**/report.html"))
    for page in sorted(runs, key=_made, reverse=True):
        name = page.parent.as_posix()
        found.append(ReportLink(f"Run {name}", f"/report/runs/{name}/report.html"))
    return found


def _made(page: Path) -> tuple[str, str]:
    """Return when a run started, as its name says (``train-20261101-120000-ab12cd``)."""
    stamp = re.search(r"\d{8}-\d{6}", page.as_posix())
    return stamp[0] if stamp else "", page.as_posix()


def report_file(workspace: Workspace, area: str, path: str) -> Path:
    """Return a file of a report.

    Parameters
    ----------
    workspace : Workspace
        Whose reports.
    area : str
        ``reports`` or ``runs``.
    path : str
        Below it, as the browser asked for it.

    Raises
    ------
    NothingFoundError
        There is no such page, style or picture, or it lies elsewhere.
    """
    root = {"reports": workspace.reports, "runs": workspace.runs}.get(area)
    first = path.split("/", 1)[0]
    if root is not None and _is_plain(path) and (area == "runs" or first in _REPORTS):
        file = (root / path).resolve()
        allowed = (root if area == "runs" else root / first).resolve()
        if file.suffix in _SUFFIXES and file.is_relative_to(allowed) and file.is_file():
            return file
    raise NothingFoundError(f"there is no report {path[:80]}")


def _is_plain(path: str) -> bool:
    """Whether every part of a path is a name, so that none leads up."""
    names = path.split("/")
    return not set(path) & {"\0", "\\"} and not {"", ".", ".."} & set(names)


def for_desk(page: bytes) -> bytes:
    """Return a page with its links to the desk shown, and each original as the desk decodes it."""
    page = _ORIGINAL.sub(rb'href="/show/\1.jpg"', page)
    return page.replace(b"</head>", _STYLE, 1)
