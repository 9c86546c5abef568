"""Runs and pictures that a prediction is asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bodyshop_core.errors import NothingFoundError
from bodyshop_core.imaging import pictures_below
from bodyshop_core.workspace import Workspace, is_workspace

SHIPPED = "shipped"
"""Names the damage model that comes with the package in place of a run."""


@dataclass(frozen=True)
class PictureFile:
    """A picture that was asked for.

    Parameters
    ----------
    name : str
        As given: a path or an address.
    file : Path or None
        Where its bytes are; None for a picture that could not be downloaded.
    error : str or None
        Why it could not.
    """

    name: str
    file: Path | None
    error: str | None = None


def find_run(workspace: Path, run: str | None) -> Path:
    """Return the folder of a run.

    Parameters
    ----------
    workspace : Path
        The workspace folder.
    run : str or None
        Id or folder of a run, or None for the newest finished classifier.

    Raises
    ------
    NothingFoundError
        There is no such run.
    UsageError
        The folder holds no classifier.
    """
    import train

    folder = Path(run) if run is not None else None
    opened = None if folder and folder.is_dir() else Workspace.open(workspace, create=False)
    return Path(train.resolve_run(run, opened).folder)


def find_run_or_shipped(workspace: Path, run: str | None) -> Path | None:
    """Return the folder of a run, or None for the damage model that comes with the package.

    Parameters
    ----------
    workspace : Path
        The workspace folder.
    run : str or None
        Id or folder of a run; ``shipped``; or None for the newest finished classifier, and where
        there is no workspace or no run, the shipped model.

    Raises
    ------
    NothingFoundError
        There is no such run.
    UsageError
        The folder holds no classifier.
    """
    if run == SHIPPED or (run is None and not is_workspace(workspace)):
        return None
    try:
        return find_run(workspace, run)
    except NothingFoundError:
        if run is not None:
            raise
        return None


def find_segmenter(workspace: Path, run: str) -> Path:
    """Return the folder of a segmenter run, given its id or folder.

    Raises
    ------
    NothingFoundError
        There is no such run.
    """
    return _run_folder(workspace, run) or _no_run(
        f"no segmenter run '{run}'", "train one: bodyshop train segment"
    )


def find_any_run(workspace: Path, run: str) -> Path:
    """Return the folder of a run of any kind, given its id or folder.

    Raises
    ------
    NothingFoundError
        There is no such run.
    """
    return _run_folder(workspace, run) or _no_run(f"no run '{run}'", "bodyshop status lists runs")


def _run_folder(workspace: Path, run: str) -> Path | None:
    folders = (Path(run), workspace / "runs" / run)
    return next((folder for folder in folders if folder.is_dir()), None)


def _no_run(message: str, hint: str) -> NoReturn:
    raise NothingFoundError(message, hint=hint)


def list_pictures(places: Sequence[Path]) -> list[Path]:
    """Return the given files, and all pictures in the given folders, sorted.

    What `pictures_below` takes for a picture may turn out to be unreadable.

    Raises
    ------
    NothingFoundError
        A file or folder does not exist, or there is no picture.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += pictures_below(place)
        elif place.exists():
            files.append(place)
        else:
            raise NothingFoundError(
                f"{place} does not exist",
                hint="wildcards are replaced by the shell, and only without quotes"
                if set("*?[") & set(str(place))
                else None,
            )
    if not files:
        raise NothingFoundError(f"no picture in {', '.join(map(str, places))}")
    return files
