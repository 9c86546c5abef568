"""A workspace into another place: a folder and SQLite, a bucket, PostgreSQL, in any direction."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from bodyshop_core import atomic
from bodyshop_core.catalog.copying import copy_rows, count_rows, is_empty, picture_files
from bodyshop_core.errors import BodyshopError, TransientError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.storage.blobs import BlobStore
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import CATALOG_FILE, Workspace
from bodyshop_core.workspace_settings import SETTINGS_FILE, blob_store, catalog_url

JOURNAL = "copying.jsonl"
"""In the target, until all is there: the source, then a line for each thing that is verified."""

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
    before; without one, in its folder. A call that is interrupted is resumed by the same call. The
    catalog comes last: until then the target has no pictures. The source is only read.

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
        The target is the source, lies in it, or is not empty.
    TransientError
        Some pictures are missing, damaged or can't be stored; all others are there, and the
        catalog is not.
    """
    started = monotonic()
    old = Workspace.open(source, create=False)
    root = Path(target).absolute()
    _refuse(old.root, root)
    journal = _Journal(root / JOURNAL)
    done = journal.read(old.root)
    pictures = picture_files(old.catalog)
    files = list(_files(old.root))
    todo = [each for each in pictures if f"{each[0]}.{each[1]}" not in done]
    moved = [file for file in files if _entry(old.root, file) not in done]
    size = sum(each[2] for each in todo) + sum(file.stat().st_size for file in moved)
    rows = count_rows(old.catalog)

    def summary(*, seconds: float = 0.0) -> CopySummary:
        return CopySummary(
            str(old.root), str(root), len(pictures), len(todo), len(moved), rows, size, dry_run,
            seconds,
        )  # fmt: skip

    if dry_run:
        catalog_url(root), blob_store(root)  # what its workspace.toml says is valid
        return summary()
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "copying.lock", taken=f"another command copies into {root}"):
        new = Workspace.open(root)
        filled = not is_empty(new.catalog)
        if filled and not journal.exists():
            raise UsageError(f"{new.catalog.label} has rows already", hint="name an empty catalog")
        if not filled:  # else it was killed before its very last step
            journal.begin(old.root)
            _copy_pictures(old.blobs, new.blobs, todo, journal, progress)
            with progress.task("files", total=len(moved)) as tick:
                for file in moved:
                    _copy_file(file, root / file.relative_to(old.root))
                    journal.note(_entry(old.root, file))
                    tick()
            with progress.task("catalog", total=rows) as tick:
                copy_rows(old.catalog, new.catalog, tick=tick)
        journal.end()
    return summary(seconds=monotonic() - started)


def _refuse(source: Path, target: Path) -> None:
    one, other = source.resolve(), target.resolve()
    if one == other or one in other.parents or other in one.parents:
        raise UsageError(f"{target} and {source} are not two separate folders")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file, but a workspace is a folder")
    allowed = {SETTINGS_FILE}
    if target.is_dir() and not (target / JOURNAL).exists():
        strange = sorted(each.name for each in target.iterdir() if each.name not in allowed)
        if strange not in ([], ["copying.lock"]):
            raise UsageError(
                f"{target} is not empty: it has {strange[0]}",
                hint=f"name a new folder, or one with nothing but {SETTINGS_FILE}",
            )


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
                journal.note(f"{sha256}.{extension}")
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
    """A file of lines that survives a kill: a line that is cut counts as not written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        return self._path.exists()

    def read(self, source: Path) -> set[str]:
        """Return what an earlier call has verified.

        Raises
        ------
        UsageError
            That was a copy of another workspace.
        """
        if not self._path.exists():
            return set()
        lines = self._path.read_text(encoding="utf-8").split("\n")[:-1]
        entries = [json.loads(line) for line in lines]
        if entries and entries[0] != {"from": str(source)}:
            raise UsageError(
                f"{self._path.parent} holds a part of {entries[0].get('from')}",
                hint="copy that one to its end, or name another folder",
            )
        return {each["have"] for each in entries[1:]}

    def begin(self, source: Path) -> None:
        """Write the first line, and cut off a line that a kill has left unfinished."""
        whole = self._path.read_bytes() if self._path.exists() else b""
        whole = whole[: whole.rfind(b"\n") + 1]
        first = json.dumps({"from": str(source)}).encode() + b"\n"
        atomic.write_bytes(self._path, whole or first)

    def note(self, entry: str) -> None:
        """Add what is verified."""
        with self._path.open("ab") as file:
            file.write(json.dumps({"have": entry}).encode() + b"\n")

    def end(self) -> None:
        """Remove the file: all is there."""
        self._path.unlink(missing_ok=True)
