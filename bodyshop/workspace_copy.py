"""A workspace into another place: a folder and SQLite, a bucket, PostgreSQL, in any direction."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from bodyshop_core import atomic
from bodyshop_core.catalog.copying import (
    copy_rows,
    count_rows,
    has_same_rows,
    is_empty,
    picture_files,
)
from bodyshop_core.errors import BodyshopError, TransientError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.storage.blobs import BlobStore
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import CATALOG_FILE, Workspace
from bodyshop_core.workspace_settings import (
    SETTINGS_FILE,
    blob_store,
    catalog_url,
    load_settings,
)

JOURNAL = "copying.jsonl"
"""In the target, until all is there: what is copied where, and how far; see `_Journal`."""

LEFT_OUT = frozenset({SETTINGS_FILE, "blobs", "cache", "labelstudio", JOURNAL, "copying.lock"})
"""Names in a workspace's folder that are not copied as files."""

THREADS = 8

Picture = tuple[str, str, int]


@dataclass(frozen=True)
class CopySummary(Summary):
    """Outcome of `copy_workspace`.

    Parameters
    ----------
    source, target : str
        The two folders.
    pictures : int
        Originals of the source.
    copied : int
        Originals that this call brought over and verified; the others were there, verified by an
        earlier call.
    files : int
        Other files that this call brought over: masks, variants, features, runs, reports.
    rows : int
        Rows of the catalog.
    bytes : int
        Of these originals and files.
    dry_run : bool
        Nothing was written: the figures are what would be.
    seconds : float
        Duration.
    """

    source: str
    target: str
    pictures: int
    copied: int
    files: int
    rows: int
    bytes: int
    dry_run: bool
    seconds: float


def copy_workspace(
    source: Path | str, target: Path | str, *, dry_run: bool = False, progress: Progress = SILENT
) -> CopySummary:
    """Copy a workspace into an empty one and verify the sha256 of every file.

    Where the target keeps its catalog and its pictures, its ``workspace.toml`` says, which is there
    before; without one, in its folder. A call that is interrupted is resumed by the same call; it
    removes from the target what the source has lost meanwhile. The catalog comes last: until then
    the target has no pictures. The source is only read.

    Parameters
    ----------
    source : Path or str
        A workspace, which no other command changes meanwhile.
    target : Path or str
        A folder that is empty but for ``workspace.toml``; created.
    dry_run : bool
        Count only.
    progress : Progress
        Told of each picture, file and row.

    Raises
    ------
    UsageError
        The target is the source, lies in it, or is not empty; or an interrupted copy had another
        source, catalog or bucket, or another command has written into its catalog.
    TransientError
        Some pictures are missing, damaged or can't be stored; all others are there, and the
        catalog is not.
    """
    started = monotonic()
    old = Workspace.open(source, create=False)
    root = Path(target).absolute()
    _refuse(old.root, root)
    catalog_url(root)  # what its workspace.toml says is valid
    blobs = blob_store(root)
    journal = _Journal(root / JOURNAL, {"from": str(old.root), "to": _storage(root)})
    pictures, files = picture_files(old.catalog), list(_files(old.root))
    rows = count_rows(old.catalog)

    def left(have: set[str]) -> tuple[list[Picture], list[Path]]:
        moved = [
            file
            for file in files
            if _entry(old.root, file) not in have
            or not (root / file.relative_to(old.root)).is_file()
        ]
        return _missing(blobs, pictures, have), moved

    def summary(todo: list[Picture], moved: list[Path]) -> CopySummary:
        size = sum(each[2] for each in todo) + sum(file.stat().st_size for file in moved)
        seconds = 0.0 if dry_run else monotonic() - started
        return CopySummary(
            str(old.root), str(root), len(pictures), len(todo), len(moved), rows, size, dry_run,
            seconds,
        )  # fmt: skip

    if dry_run:
        return summary(*left(journal.read()[0]))
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "copying.lock", taken=f"another command copies into {root}"):
        fresh = not journal.exists()
        have, taken = journal.read()
        journal.begin()  # before the catalog's file, which makes the folder look like another's
        atomic.sweep(root)
        new = Workspace.open(root)
        if filled := not is_empty(new.catalog):
            _refuse_rows(old, new, journal, fresh=fresh)
        _remove_gone(new, taken, pictures, {file.relative_to(old.root) for file in files})
        todo, moved = left(have)
        _copy_pictures(old.blobs, new.blobs, todo, journal, progress)
        with progress.task("files", total=len(moved)) as tick:
            for file in moved:
                journal.note("take", _entry(old.root, file))
                _copy_file(file, root / file.relative_to(old.root))
                journal.note("have", _entry(old.root, file))
                tick()
        if not filled:  # else it was killed before its very last step
            with progress.task("catalog", total=rows) as tick:
                copy_rows(old.catalog, new.catalog, tick=tick)
        journal.end()
    return summary(todo, moved)


def _storage(root: Path) -> dict[str, Any]:
    """Return where a workspace keeps catalog and pictures, the same when its folder is moved."""
    return load_settings(root).model_dump(include={"catalog", "blobs", "blobs_endpoint"})


def _refuse(source: Path, target: Path) -> None:
    one, other = source.resolve(), target.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise UsageError(f"{target} and {source} are not two separate folders")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file, but a workspace is a folder")
    allowed = {SETTINGS_FILE}
    if target.is_dir() and not (target / JOURNAL).exists():
        strange = sorted(
            each.name
            for each in target.iterdir()
            if each.name not in allowed and not each.name.startswith(atomic.TEMPORARY)
        )
        if strange not in ([], ["copying.lock"]):
            raise UsageError(
                f"{target} is not empty: it has {strange[0]}",
                hint=f"name a new folder, or one with nothing but {SETTINGS_FILE}",
            )


def _refuse_rows(old: Workspace, new: Workspace, journal: _Journal, *, fresh: bool) -> None:
    """Refuse rows in the target's catalog that this copy has not written."""
    if fresh:
        journal.end()
        raise UsageError(f"{new.catalog.label} has rows already", hint="name an empty catalog")
    if not has_same_rows(old.catalog, new.catalog):
        raise UsageError(
            f"{new.catalog.label} has rows that are not those of {old.root}, and the copy is not "
            "finished",
            hint="remove that catalog's file, or empty its database, and copy again: it resumes; "
            f"or, if all pictures are in it, remove {JOURNAL} there and keep it",
        )


def _remove_gone(
    new: Workspace, taken: set[str], pictures: Iterable[Picture], files: set[Path]
) -> None:
    """Remove what an earlier call brought and the source has no more, such as what was erased."""
    known = {each[0] for each in pictures}
    gone = []
    for entry in taken:
        if " " not in entry:
            gone.append(entry.partition(".")[0])
        elif (file := Path(entry.rsplit(" ", 2)[0])) not in files:
            (new.root / file).unlink(missing_ok=True)
    new.blobs.remove(sorted(set(gone) - known))


def _missing(store: BlobStore, pictures: list[Picture], have: set[str]) -> list[Picture]:
    """Return the pictures that are not verified, or not in the store any more."""
    with ThreadPoolExecutor(THREADS) as pool:
        there = pool.map(lambda each: f"{each[0]}.{each[1]}" in have and store.has(*each), pictures)
        return [each for each, is_there in zip(pictures, there, strict=True) if not is_there]


def _files(root: Path) -> Iterator[Path]:
    """Yield what is copied as it is: all but the catalog, the originals, caches and locks."""
    for place in sorted(root.iterdir()):
        if place.name in LEFT_OUT or place.name.startswith(CATALOG_FILE):
            continue
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            passing = path.name.startswith(atomic.TEMPORARY) or path.name.endswith(".lock")
            if path.is_file() and not passing:
                yield path


def _entry(root: Path, file: Path) -> str:
    """Name a file as it is now: one that changes is copied again."""
    state = file.stat()
    return f"{file.relative_to(root).as_posix()} {state.st_size} {state.st_mtime_ns}"


def _copy_pictures(
    source: BlobStore,
    target: BlobStore,
    pictures: list[Picture],
    journal: _Journal,
    progress: Progress,
) -> None:
    left: list[tuple[str, str]] = []
    waiting = iter(pictures)
    running: dict[Future[None], Picture] = {}
    with (
        progress.task("pictures", total=len(pictures)) as tick,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        while True:
            while len(running) < 2 * THREADS and (each := next(waiting, None)) is not None:
                journal.note("take", f"{each[0]}.{each[1]}")
                running[pool.submit(_copy_picture, source, target, each)] = each
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                sha256, extension, _ = running.pop(future)
                try:
                    future.result()
                except TransientError as error:
                    left.append((sha256, error.message))
                    continue
                journal.note("have", f"{sha256}.{extension}")
                tick()
    if left:
        raise TransientError.of(left)


def _copy_picture(source: BlobStore, target: BlobStore, picture: Picture) -> None:
    sha256, extension, _ = picture
    data = source.fetch(sha256, extension)
    if target.put_bytes(data, extension).new:
        target.fetch(sha256, extension)  # what was there before was compared when it was put


def _copy_file(source: Path, target: Path) -> None:
    with atomic.replacing(target) as temporary:
        shutil.copyfile(source, temporary)
        if _digest(temporary) != _digest(source):
            raise BodyshopError(
                f"{target} does not hold what {source} holds",
                hint="check the disk, and that no other command changes the workspace; then copy "
                "again: it resumes",
            )


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Journal:
    """A file of lines that survives a kill: a line that is cut counts as not written.

    Its first line says what is copied where. Each thing has a line ``take`` before anything of it
    is in the target, and a line ``have`` when it is verified.
    """

    def __init__(self, path: Path, first: dict[str, Any]) -> None:
        self._path, self._first = path, first

    def exists(self) -> bool:
        return self._path.exists()

    def read(self) -> tuple[set[str], set[str]]:
        """Return what an earlier call has verified, and what it has begun.

        Raises
        ------
        UsageError
            That was a copy of another workspace, or into another catalog or bucket.
        """
        if not self._path.exists():
            return set(), set()
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        first, *entries = [json.loads(line) for line in lines] or [self._first]
        if entries and first != self._first:
            self._refuse(first)
        have = {each["have"] for each in entries if "have" in each}
        return have, have | {each["take"] for each in entries if "take" in each}

    def begin(self) -> None:
        """Write the first line, and cut off a line that a kill has left unfinished."""
        whole = self._path.read_bytes() if self._path.exists() else b""
        whole = whole[: whole.rfind(b"\n") + 1]
        first = json.dumps(self._first).encode() + b"\n"
        atomic.write_bytes(self._path, whole if whole.startswith(first) else first)

    def note(self, what: Literal["take", "have"], entry: str) -> None:
        """Add what is begun or verified."""
        with self._path.open("ab") as file:
            file.write(json.dumps({what: entry}).encode() + b"\n")

    def end(self) -> None:
        """Remove the file: all is there."""
        self._path.unlink(missing_ok=True)

    def _refuse(self, first: dict[str, Any]) -> None:
        folder = self._path.parent
        if first.get("from") != self._first["from"]:
            raise UsageError(
                f"{folder} holds a part of {first.get('from')}",
                hint="copy that one to its end, or name another folder",
            )
        raise UsageError(
            f"{folder} holds a part of a copy into another catalog or bucket",
            hint=f"let its {SETTINGS_FILE} say again what it said when the copy began, or name "
            "another folder",
        )
