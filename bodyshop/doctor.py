"""What works on this machine, and how to fix the rest."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bodyshop_core.errors import BodyshopError
from bodyshop_core.extras import EXTRAS, missing_modules
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary

DISK_NEEDED_GB = 2.0
"""Space for a few thousand originals, features and one run."""


@dataclass(frozen=True)
class Check(Summary):
    """One part of the machine.

    Parameters
    ----------
    part : str
        What was checked.
    ok : bool
        Whether it works.
    found : str
        Version, path or what is wrong.
    fix : str
        The command that fixes it; empty when nothing has to be fixed.
    needed : bool
        Whether the main path (collect, curate, train) needs it.
    """

    part: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = True

    @property
    def mark(self) -> str:
        """``ok``, ``MISSING`` or ``absent`` (not needed for the main path)."""
        return "ok" if self.ok else ("MISSING" if self.needed else "absent")


def examine(
    workspace: Path,
    *,
    sources: Path | None = None,
    browser_url: str | None = None,
    proxy_address: str | None = None,
    progress: Progress = SILENT,
) -> list[Check]:
    """Check every part that bodyshop needs or can use.

    Parameters
    ----------
    workspace : Path
        The workspace folder; it may not exist yet.
    sources : Path, optional
        A brands.yaml; the known pages of its search recipes are tested (needs a network).
    browser_url, proxy_address : str, optional
        Of a Selenium Grid, as for `collect`: it is asked, and one of its browsers is started.
    progress : Progress
        Receives the progress.

    Returns
    -------
    list of Check
        In the order of the stages.
    """
    parts: list[Callable[[], Check]] = [
        _python,
        *(partial(_extra, extra) for extra in EXTRAS),
        _browser,
        _gate_weights,
        _other_weights,
        _font,
        lambda: _label_studio(workspace),
        lambda: _disk(workspace),
        lambda: _workspace(workspace),
    ]
    checks = []
    with progress.task("doctor", total=len(parts)) as tick:
        for part in parts:
            checks.append(part())
            tick(note=checks[-1].part)
    if browser_url is not None:
        checks += _grid(browser_url, proxy_address)
    if sources is not None:
        checks += _sources(sources, progress)
    return checks


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info >= (3, 11), version, "")


def _extra(extra: str) -> Check:
    missing = missing_modules(extra)
    found = f"{', '.join(missing)} missing" if missing else ", ".join(EXTRAS[extra])
    fix = f"pip install 'bodyshop[{extra}]'" if missing else ""
    return Check(f"extra {extra}", not missing, found, fix, needed=False)


def _browser() -> Check:
    import collector

    try:
        return Check("browser and driver", True, collector.describe_browser())
    except BodyshopError as error:
        return Check("browser and driver", False, error.message, error.hint or "")


def _grid(url: str, proxy_address: str | None) -> Iterator[Check]:
    import collector

    for each in collector.check_grid(url, proxy_address=proxy_address):
        yield Check(each.part, each.ok, each.found, each.fix, each.needed)


def _gate_weights() -> Check:
    from bodyshop_core.backbones import fingerprint

    try:
        return Check("weights of the default gate", True, fingerprint("efficientnet-lite0"))
    except BodyshopError as error:
        return Check("weights of the default gate", False, error.message, error.hint or "")


def _other_weights() -> Check:
    from bodyshop_core.backbones import get, names
    from bodyshop_core.backbones.weights import cache_folder

    folder = cache_folder()
    there = [
        name
        for name in names()
        if any((folder / file).is_file() for file in get(name).cache_files or ())
    ]
    if there:
        return Check("weights of other backbones", True, ", ".join(there), needed=False)
    fix = "downloaded on first use; without a network: --weights FILE"
    return Check("weights of other backbones", False, f"none in {folder}", fix, needed=False)


def _font() -> Check:
    from bodyshop_core.figures import hangul_font

    font = hangul_font()
    fix = "" if font else "pip install koreanize-matplotlib"
    return Check("Hangul in plots", font is not None, font.name if font else "no font", fix, False)


def _label_studio(workspace: Path) -> Check:
    """Check program, server, key and projects; report the first problem.

    It is required if a project exists, or if a server is configured.
    """
    from sqlalchemy import select

    import labeling
    from bodyshop_core.catalog import schema
    from bodyshop_core.workspace import Workspace, is_workspace
    from labeling.server.connection import URL

    if not is_workspace(workspace):
        fix = "bodyshop label serve installs and starts it"
        return Check("Label Studio", False, "not checked: no workspace yet", fix, needed=False)
    opened = Workspace.open(workspace, create=False)
    with opened.catalog.read() as connection:
        used = connection.scalar(select(schema.label_projects.c.name).limit(1)) is not None
    checks = labeling.doctor(opened)
    # Without the program, a server elsewhere may work: the later findings decide.
    worst = next((check for check in checks[1:] if not check.ok), checks[-1])
    needed = used or URL in os.environ
    return Check("Label Studio", worst.ok, worst.message, worst.hint or "", needed=needed)


def _disk(workspace: Path) -> Check:
    folder = workspace.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    fix = (
        ""
        if free >= DISK_NEEDED_GB
        else f"free some space on {folder}, or choose another --workspace"
    )
    return Check("disk", free >= DISK_NEEDED_GB, f"{free:.1f} GB free at {folder}", fix)


def _workspace(workspace: Path) -> Check:
    from bodyshop_core.workspace import Workspace

    if not workspace.exists():
        return Check("workspace", True, f"{workspace} will be created on first use")
    try:
        Workspace.open(workspace, create=False)
    except BodyshopError as error:
        return Check("workspace", False, error.message, error.hint or "")
    return Check("workspace", True, str(workspace))


def _sources(brands: Path, progress: Progress) -> Iterator[Check]:
    import collector

    for canary in collector.check_sources(collector.load_brands(brands), progress=progress):
        yield Check(f"source {canary.source}", canary.ok, canary.found, canary.fix)
