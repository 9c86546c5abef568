"""A workspace into another place: a folder and SQLite, a bucket, PostgreSQL, in any direction."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from bodyshop.copy_journal import Journal
from bodyshop_core import atomic
from bodyshop_core.catalog.copying import (
    copy_rows,
    count_rows,
    has_same_rows,
    is_empty,
    picture_files,
)
from bodyshop_core.catalog.identity import identity, take_over
from bodyshop_core.errors import BodyshopError, TransientError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.storage.blobs import BlobStore
from bodyshop_core.storage.derived_files import DerivedFiles, picture_of
from bodyshop_core.storage.manifests import rename_in_manifests
from bodyshop_core.storage.ownership import ForeignPlaceError, read_note, refuse_foreign
from bodyshop_core.storage.remote_blobs import RemoteBlobs
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import CATALOG_FILE, Workspace
from bodyshop_core.workspace_settings import (
    SETTINGS_FILE,
    blob_store,
    catalog_url,
    derived_files,
    load_settings,
)

JOURNAL = "copying.jsonl"
"""In the target, until all is there: what is copied where, and how far; see `Journal`."""

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
        Masks, variants, features, runs, reports and other files that this call brought over.
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

    Where the target keeps its catalog, pictures, masks and variants, its ``workspace.toml`` says,
    which is there before; without one, in its folder. A bucket and prefix that belong to another
    workspace are refused: each has its own. Masks and variants of pictures that are not in the
    source's catalog are left. A call that is interrupted is resumed by the
    same call; it removes from the target what the source has lost meanwhile. The catalog comes
    last: until then the target has no pictures. The source is only read.

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
        The target is the source, lies in it, or is not empty, or its bucket and prefix belong to
        another workspace (`ForeignPlaceError`); or an interrupted copy had another source, catalog
        or bucket, or another command has written into its catalog.
    TransientError
        Some pictures, masks or variants are missing, damaged or can't be stored; all others are
        there, and the catalog is not.
    """
    started = monotonic()
    old = Workspace.open(source, create=False)
    root = Path(target).absolute()
    _refuse(old.root, root)
    catalog_url(root)  # what its workspace.toml says is valid
    blobs = blob_store(root)
    derived = derived_files(root, blobs)
    journal = Journal(root / JOURNAL, {"from": str(old.root), "to": _storage(root)})
    journal.read()  # it refuses a copy of something else, or into another place
    _refuse_place(old, blobs, journal.owner())
    pictures, derivates = picture_files(old.catalog), old.derived.sizes()
    known = {sha256 for sha256, _, _ in pictures}  # others may use the same bucket and prefix
    made = {name: size for name, size in derivates.items() if picture_of(name) in known}
    files = [file for file in _files(old.root) if _name(old.root, file) not in derivates]
    entries = {name: _made_entry(old.root, name, size) for name, size in made.items()}
    rows = count_rows(old.catalog)

    def left(have: set[str]) -> tuple[list[Picture], list[str], list[Path]]:
        moved = [
            file
            for file in files
            if _entry(old.root, file) not in have
            or not (root / file.relative_to(old.root)).is_file()
        ]
        there = derived.sizes() if not have.isdisjoint(entries.values()) else {}
        names = journal.names()
        derive = [
            name
            for name, size in made.items()
            if entries[name] not in have or there.get(names.get(entries[name], name)) != size
        ]
        return _missing(blobs, pictures, have), derive, moved

    def summary(todo: list[Picture], derive: list[str], moved: list[Path]) -> CopySummary:
        size = sum(each[2] for each in todo) + sum(file.stat().st_size for file in moved)
        size += sum(made[name] for name in derive)
        seconds = 0.0 if dry_run else monotonic() - started
        number = len(derive) + len(moved)
        return CopySummary(
            str(old.root), str(root), len(pictures), len(todo), number, rows, size, dry_run, seconds
        )

    if dry_run:
        return summary(*left(journal.read()[0]))
    root.mkdir(parents=True, exist_ok=True)
    with locked(root / "copying.lock", taken=f"another command copies into {root}"):
        fresh = not journal.exists()
        have, taken = journal.read()
        journal.begin()  # before the catalog's file, which makes the folder look like another's
        atomic.sweep(root)
        new = _opened(root, journal)
        if filled := not is_empty(new.catalog):
            _refuse_rows(old, new, journal, fresh=fresh)
        there = {_name(old.root, file) for file in files} | set(made)
        _remove_gone(new, taken, pictures, there, journal.names())
        todo, derive, moved = left(have)
        _copy_pictures(old.blobs, new.blobs, todo, journal, progress)
        copy = partial(_copy_derived, old.derived, new.derived)
        parts = [_Part(entries[name], name, partial(copy, name)) for name in derive]
        _copy_parts("masks and variants", parts, journal, progress)
        with progress.task("files", total=len(moved)) as tick:
            for file in moved:
                journal.note("take", _entry(old.root, file))
                _copy_file(file, root / file.relative_to(old.root))
                journal.note("have", _entry(old.root, file))
                tick()
        named = journal.names()
        names = {name: named[entry] for name, entry in entries.items() if entry in named}
        rename_in_manifests(root, names)
        if not filled:  # else it was killed before its very last step
            with progress.task("catalog", total=rows) as tick:
                copy_rows(old.catalog, new.catalog, names=names, tick=tick)
        journal.end()
    return summary(todo, derive, moved)


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


def _refuse_place(old: Workspace, blobs: BlobStore, owner: str | None) -> None:
    """Refuse a bucket and prefix that belong to another workspace than the copy."""
    if not isinstance(blobs, RemoteBlobs):
        return
    place, own = blobs.place, old.blobs
    if isinstance(own, RemoteBlobs) and (own.place.url, own.place.endpoint) == (
        place.url,
        place.endpoint,
    ):
        raise ForeignPlaceError(
            f"{place.url} is where {old.root} has its pictures",
            hint=f"give the copy a prefix of its own: blobs in {SETTINGS_FILE}",
        )
    if (note := read_note(place)) is not None:
        refuse_foreign(place, note, owner)


def _opened(root: Path, journal: Journal) -> Workspace:
    """Open the target; one whose catalog was removed meanwhile is still the same workspace."""
    new, owner = Workspace.open(root), journal.owner()
    if owner is None:
        journal.note("own", identity(new.catalog))
    elif identity(new.catalog) != owner:
        take_over(new.catalog, owner)
        new = Workspace.open(root)
    return new


def _refuse_rows(old: Workspace, new: Workspace, journal: Journal, *, fresh: bool) -> None:
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
    new: Workspace,
    taken: set[str],
    pictures: Iterable[Picture],
    files: set[str],
    names: Mapping[str, str],
) -> None:
    """Remove what an earlier call brought and the source has no more, such as what was erased."""
    known = {each[0] for each in pictures}
    gone = []
    for entry in taken:
        if " " not in entry:
            gone.append(entry.partition(".")[0])
        elif (file := entry.rsplit(" ", 2)[0]) in files:
            continue
        elif picture := picture_of(file):
            new.derived.discard([names.get(entry, file)])
            if picture not in known:
                new.derived.remove([picture])
        else:
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
    return f"{_name(root, file)} {state.st_size} {state.st_mtime_ns}"


def _made_entry(root: Path, name: str, size: int) -> str:
    """Name a mask or a variant as it is now; as an object it does not change."""
    return _entry(root, root / name) if (root / name).is_file() else f"{name} {size} 0"


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix()


@dataclass(frozen=True)
class _Part:
    """What is copied beside others: its line in the journal, its name, and how."""

    entry: str
    name: str
    copy: Callable[[], str | None]
    """Returns the name in the target, where that may be another one."""


def _copy_pictures(
    source: BlobStore,
    target: BlobStore,
    pictures: list[Picture],
    journal: Journal,
    progress: Progress,
) -> None:
    copy = partial(_copy_picture, source, target)
    parts = [_Part(f"{each[0]}.{each[1]}", each[0], partial(copy, each)) for each in pictures]
    _copy_parts("pictures", parts, journal, progress)


def _copy_parts(what: str, parts: list[_Part], journal: Journal, progress: Progress) -> None:
    left: list[tuple[str, str]] = []
    waiting = iter(parts)
    running: dict[Future[str | None], _Part] = {}
    with progress.task(what, total=len(parts)) as tick, ThreadPoolExecutor(THREADS) as pool:
        while True:
            while len(running) < 2 * THREADS and (part := next(waiting, None)) is not None:
                journal.note("take", part.entry)
                running[pool.submit(part.copy)] = part
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                part = running.pop(future)
                try:
                    named = future.result()
                except TransientError as error:
                    left.append((part.name, error.message))
                    continue
                journal.note("have", part.entry, named=named)
                tick()
    if left:
        raise TransientError.of(left)


def _copy_picture(source: BlobStore, target: BlobStore, picture: Picture) -> None:
    sha256, extension, _ = picture
    data = source.fetch(sha256, extension)
    if target.put_bytes(data, extension).new:
        target.fetch(sha256, extension)  # what was there before was compared when it was put


def _copy_derived(source: DerivedFiles, target: DerivedFiles, name: str) -> str:
    return target.bring(name, source.fetch(name))


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
