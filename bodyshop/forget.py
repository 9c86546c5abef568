"""Erase pictures permanently: the only command that deletes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import Connection, Text, cast, delete, or_, select

from bodyshop.desk.journal import erase_from_journal
from bodyshop.erased_neighbours import erase_from_verdicts
from bodyshop.pending_downloads import PendingDownload, erase_pending, read_pending
from bodyshop_core import atomic
from bodyshop_core.catalog import all_images, now, schema
from bodyshop_core.errors import BodyshopError, NothingFoundError
from bodyshop_core.snapshots import erase_from_states
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace
from collector.weburl import url_key

if TYPE_CHECKING:
    from labeling.sync.erase import ErasedTasks

SHA256_LENGTH = 64

UPLOAD_PREFIX = 9
"""Label Studio puts eight hexadecimal digits and a dash before the name of an upload."""

KEY_STARTS = (0, SHA256_LENGTH + 1)
"""Where a row's key holds a sha256: ``<sha256>``, ``<sha256>-<copy>`` or ``<sha256>-<sha256>``."""


@dataclass(frozen=True)
class ForgetSummary(Summary):
    """Outcome of `forget`.

    Parameters
    ----------
    kind : str
        ``sha256``, ``url`` or ``host``.
    value : str
        As given.
    pictures : int
        Pictures that were erased.
    sightings : int
        Sightings that were erased; a picture that was also seen elsewhere is kept.
    pending : int
        Finished downloads that a killed crawl had not yet brought into the catalog.
    files : int
        Files removed: originals, masks, variants (in a bucket: objects and their versions),
        thumbnails.
    tasks : int
        Tasks deleted on the labelling server, with their annotations and uploads.
    remaining : tuple of str
        What is still on a labelling server, and where, one sentence each.
    reports_stale : bool
        Reports that showed the pictures were removed; the next command writes them again.
    """

    kind: str
    value: str
    pictures: int
    sightings: int
    pending: int
    files: int
    reports_stale: bool
    tasks: int = 0
    remaining: tuple[str, ...] = ()


def forget(workspace: Workspace, what: str, *, dry_run: bool = False) -> ForgetSummary:
    """Erase pictures and everything derived from them, and leave a tombstone.

    A picture named by its sha256 is erased with all its sightings. A URL (of a picture, or of the
    page that shows it) or a host erases its sightings, and the pictures that were seen nowhere
    else. Downloads that are not in the catalog yet are erased too. A later crawl respects the
    tombstone: it neither downloads such a picture nor opens such a page.

    Parameters
    ----------
    workspace : Workspace
        An existing workspace.
    what : str
        A sha256 (64 hexadecimal digits), a URL (with ``://``) or a host.
    dry_run : bool
        Count only.

    Raises
    ------
    ForeignPlaceError
        The workspace's bucket and prefix belong to another workspace; nothing is erased.
    TransientError
        The bucket does not answer, or does not allow it; run it once more.
    NothingFoundError
        The workspace has nothing of that name; the tombstone is written all the same, unless
        `dry_run`, so that a later crawl does not collect it.
    """
    kind = _kind(what)
    workspace.blobs.claim(leave_note=not dry_run)
    with workspace.catalog.read() as connection:
        keys, pictures = _matches(connection, kind, what)
    pending = [each for each in read_pending(workspace) if _is_pending(kind, what, each)]
    # A picture that is named may be nowhere but in results of workers that are not ingested yet.
    erased = {*pictures, *_only_pending(workspace, pending), *([what] if kind == "sha256" else [])}
    files = _files_of(workspace, erased)
    stale = bool(_reports(workspace)) and bool(pictures)
    summary = ForgetSummary(kind, what, len(pictures), len(keys), len(pending), 0, stale)
    if dry_run:
        stored = {*workspace.derived.find(erased), *workspace.blobs.find(sorted(erased))}
        return replace(summary, files=len(stored.union(map(str, files))))
    # The tombstone first, so that a crawl beside this command brings nothing back. Then what the
    # journal and the catalog lead to, and only then their lines and rows: when this command is
    # killed half-way, they still tell the next call of forget what is left. The rows are last,
    # because a line of the journal names its page only by the row of its candidate.
    _write_tombstone(workspace, kind, what)
    number = _erase_derived(workspace, erased, files)
    on_server = _erase_tasks(workspace, erased)
    summary = replace(summary, files=number, tasks=on_server.tasks, remaining=on_server.remaining)
    if stale:
        for path in _reports(workspace):
            path.unlink(missing_ok=True)
    erase_pending(workspace, partial(_is_pending, kind, what))
    erase_from_journal(workspace, erased)
    with workspace.catalog.begin() as connection:
        _erase_rows(connection, kind, what, keys, pictures)
    # A command beside this one may have written results until the rows were gone. A picture that a
    # crawl has found elsewhere since then is not erased.
    erased -= all_images(workspace.catalog).keys()
    _erase_derived(workspace, erased, _files_of(workspace, erased))
    if not keys and not pictures and not pending:
        raise NothingFoundError(
            f"{kind} {what} is not in this workspace; later crawls will not collect it"
        )
    return summary


def _kind(what: str) -> str:
    if "://" in what:
        return "url"
    if len(what) == SHA256_LENGTH and all(c in "0123456789abcdef" for c in what):
        return "sha256"
    return "host"


def _matches(connection: Connection, kind: str, what: str) -> tuple[list[str], list[str]]:
    """Return keys of the sightings that go, and sha256 of the pictures that go with them."""
    seen = schema.sightings
    if kind == "sha256":
        keys = connection.scalars(select(seen.c.key).where(seen.c.sha256 == what)).all()
        there = connection.scalar(
            select(schema.images.c.sha256).where(schema.images.c.sha256 == what)
        )
        return list(keys), [what] if there else []
    going: dict[str, str] = {}
    query = select(seen.c.key, seen.c.sha256, seen.c.url, seen.c.final_url, seen.c.page_url)
    for key, sha256, *urls in connection.execute(query):
        if any(_names(kind, what, address) for address in urls if address):
            going[key] = sha256
    touched = sorted(set(going.values()))
    elsewhere = {
        sha256
        for key, sha256 in connection.execute(select(seen.c.key, seen.c.sha256))
        if key not in going
    }
    return sorted(going), [sha256 for sha256 in touched if sha256 not in elsewhere]


def _names(kind: str, what: str, address: str) -> bool:
    if kind == "url":
        return url_key(address) == url_key(what)
    parts = urlsplit(address)
    return what.lower() in {parts.netloc.lower(), (parts.hostname or "").lower()}


def _files_of(workspace: Workspace, pictures: Iterable[str]) -> list[Path]:
    """List every file made of the pictures; each derived file carries the sha256 in its name."""
    wanted = set(pictures)
    if not wanted:
        return []
    roots = (
        workspace.masks,
        workspace.variants,
        workspace.reports,
        workspace.runs,
        workspace.root / "labelstudio" / "pictures",
        workspace.root / "labelstudio" / "media",
        workspace.root / "desk",
    )
    return sorted(
        path
        for root in roots
        if root.exists()
        for path in root.rglob("*")
        if path.is_file() and _carries(path, wanted)
    )


def _carries(path: Path, wanted: set[str]) -> bool:
    uploaded = path.name[UPLOAD_PREFIX : UPLOAD_PREFIX + SHA256_LENGTH]
    names = (path.name[:SHA256_LENGTH], path.parent.name[:SHA256_LENGTH], uploaded)
    return any(name in wanted for name in names)


def _reports(workspace: Workspace) -> list[Path]:
    return sorted(workspace.reports.rglob("*.html")) if workspace.reports.exists() else []


def _is_pending(kind: str, what: str, download: PendingDownload) -> bool:
    if kind == "sha256":
        return download.sha256 == what
    return any(_names(kind, what, address) for address in download.addresses)


def _only_pending(workspace: Workspace, pending: Iterable[PendingDownload]) -> list[str]:
    """Return the pictures that only these downloads have: no sighting, no other download."""
    known = all_images(workspace.catalog)
    ours = {each.line for each in pending}
    others = {each.sha256 for each in read_pending(workspace) if each.line not in ours}
    return [each.sha256 for each in pending if each.sha256 not in known.keys() | others]


def _write_tombstone(workspace: Workspace, kind: str, what: str) -> None:
    workspace.catalog.upsert(schema.tombstones, [{"kind": kind, "value": what, "at": now()}])


def _erase_derived(workspace: Workspace, pictures: set[str], files: Iterable[Path]) -> int:
    """Remove the files of the pictures, and their rows in the files that hold many pictures.

    Returns how many files, objects and versions were removed.
    """
    removed = {*workspace.derived.remove(pictures), *workspace.blobs.remove(sorted(pictures))}
    for path in files:
        path.unlink(missing_ok=True)
        removed.add(str(path))
    _drop_features(workspace, pictures)
    for folder in (workspace.features, workspace.root / "shards", workspace.variants):
        _drop_rows(folder, pictures)
    return len(removed)


def _erase_tasks(workspace: Workspace, pictures: set[str]) -> ErasedTasks:
    from labeling.sync.erase import erase_tasks

    return erase_tasks(workspace, pictures)


def _drop_features(workspace: Workspace, pictures: Iterable[str]) -> None:
    """Erase the pictures from the feature caches of training."""
    wanted = set(pictures)
    if not wanted or not workspace.features.exists():
        return
    import train

    train.purge_feature_cache(workspace.features, sorted(wanted))


def _drop_rows(folder: Path, pictures: set[str]) -> None:
    """Rewrite the Parquet files that hold rows of one of the pictures, without those rows.

    Unfinished ones are removed unread: killed processes leave them, and what a running one, or
    one of another machine, is about to finish would bring the rows back.
    """
    if not pictures or not folder.exists():
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    for shard in sorted(folder.rglob("*.parquet")):
        if shard.name.startswith(atomic.TEMPORARY):
            shard.unlink(missing_ok=True)
            continue
        try:
            names = pq.read_schema(shard).names
            column = next((name for name in ("key", "sha256") if name in names), None)
            if column is None:
                continue
            keys = pq.read_table(shard, columns=[column])[column].to_pylist()
            keep = [not _is_about(key, pictures) for key in keys]
            if all(keep):
                continue
            table = pq.read_table(shard).filter(pa.array(keep))
        except (pa.ArrowInvalid, OSError) as error:
            raise BodyshopError(
                f"{shard} can't be read, so the pictures can't be erased from it: {error}",
                hint="remove this file, it can be computed again; then run forget once more",
            ) from error
        if any(keep):
            with atomic.replacing(shard) as temporary:
                pq.write_table(table, temporary, compression="zstd")
        else:
            shard.unlink()


def _is_about(key: str, pictures: set[str]) -> bool:
    return any(key[start : start + SHA256_LENGTH] in pictures for start in KEY_STARTS)


def _erase_rows(
    connection: Connection, kind: str, what: str, keys: list[str], pictures: list[str]
) -> None:
    for part in _parts(keys):
        connection.execute(delete(schema.sightings).where(schema.sightings.c.key.in_(part)))
    for part in _parts(pictures):
        connection.execute(delete(schema.candidates).where(schema.candidates.c.sha256.in_(part)))
    erase_from_verdicts(connection, pictures)
    for part in _parts(pictures):
        # Everything else that hangs on the picture goes with it: ON DELETE CASCADE.
        connection.execute(delete(schema.images).where(schema.images.c.sha256.in_(part)))
    erase_from_states(connection, pictures)
    table = schema.candidates
    if kind == "url":
        urls = connection.execute(select(table.c.key, table.c.url)).all()
        same = [key for key, url in urls if url_key(url) == url_key(what)]
        for part in _parts(same):
            connection.execute(delete(table).where(table.c.key.in_(part)))
    elif kind == "host":
        hosts = or_(table.c.host == what, cast(table.c.host, Text).startswith(f"{what}:"))
        connection.execute(delete(table).where(hosts))


def _parts(values: list[str], size: int = 500) -> Iterable[list[str]]:
    """Cut a list into pieces that fit SQLite's limit on parameters."""
    return (values[start : start + size] for start in range(0, len(values), size))
