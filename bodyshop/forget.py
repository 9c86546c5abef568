"""Erasing pictures for good: the one command that deletes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Text, cast, delete, or_, select

from bodyshop_core import atomic
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from collector.candidate import url_key

SHA256_LENGTH = 64

UPLOAD_PREFIX = 9
"""Label Studio puts eight hexadecimal letters and a dash before the name of an upload."""


@dataclass(frozen=True)
class ForgetSummary:
    """What was erased.

    Parameters
    ----------
    kind : str
        ``sha256``, ``url`` or ``host``.
    value : str
        What was named.
    pictures : int
        Pictures whose bytes are gone.
    sightings : int
        Sightings that are gone; a picture that was also seen elsewhere stays.
    files : int
        Files removed: originals, masks, variants, thumbnails.
    reports_stale : bool
        Reports that showed the pictures were removed; the next command writes them anew.
    """

    kind: str
    value: str
    pictures: int
    sightings: int
    files: int
    reports_stale: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the summary as JSON-able values."""
        return asdict(self)


def forget(workspace: Workspace, what: str, *, dry_run: bool = False) -> ForgetSummary:
    """Erase pictures and everything derived from them, and leave a tombstone.

    A picture named by its sha256 goes with all its sightings. A URL (of a picture, or of the page
    that shows it) or a host takes its sightings, and the pictures that were seen nowhere else. A
    re-crawl respects the tombstone: it neither downloads such a picture nor opens such a page.

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
    NothingFoundError
        The workspace has nothing of that name; the tombstone is left all the same, unless
        `dry_run`, so that it never comes in.
    """
    kind = _kind(what)
    with workspace.catalog.read() as connection:
        keys, pictures = _matches(connection, kind, what)
    files = _files_of(workspace, pictures)
    stale = any(path.suffix == ".html" for path in _reports(workspace)) and bool(pictures)
    summary = ForgetSummary(kind, what, len(pictures), len(keys), len(files), stale)
    if dry_run:
        return summary
    # The tombstone first: if this command is killed half-way, a crawl beside it brings nothing
    # back and the next call of forget finishes the work.
    _bury(workspace, kind, what, pictures if kind == "sha256" else ())
    for path in files:
        path.unlink(missing_ok=True)
    if stale:
        for path in _reports(workspace):
            path.unlink(missing_ok=True)
    _drop_features(workspace, pictures)
    with workspace.catalog.begin() as connection:
        _erase_rows(connection, kind, what, keys, pictures)
    if not keys and not pictures:
        raise NothingFoundError(
            f"nothing of {kind} {what} was here; it is on the list and will not be collected"
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
        workspace.blobs.root,
        workspace.masks,
        workspace.variants,
        workspace.reports,
        workspace.runs,
        workspace.root / "labelstudio" / "pictures",
        workspace.root / "labelstudio" / "media",
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


def _bury(workspace: Workspace, kind: str, what: str, pictures: Iterable[str]) -> None:
    stones = {(kind, what), *(("sha256", sha256) for sha256 in pictures)}
    workspace.catalog.upsert(
        schema.tombstones, [{"kind": k, "value": v, "at": now()} for k, v in sorted(stones)]
    )


def _drop_features(workspace: Workspace, pictures: Iterable[str]) -> None:
    """Rewrite the feature shards that hold one of the pictures, without them."""
    wanted = set(pictures)
    if not wanted or not workspace.features.exists():
        return
    import train

    train.purge_feature_cache(workspace.features, sorted(wanted))
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from pyarrow import array, string

    for shard in workspace.features.rglob("*.parquet"):
        table = pq.read_table(shard)
        column = next((name for name in ("key", "sha256") if name in table.column_names), None)
        if column is None:
            continue
        gone = pc.is_in(table[column], value_set=array(sorted(wanted), string()))
        if pc.any(gone).as_py():
            with atomic.replacing(shard) as temporary:
                pq.write_table(table.filter(pc.invert(gone)), temporary)


def _erase_rows(
    connection: Connection, kind: str, what: str, keys: list[str], pictures: list[str]
) -> None:
    for part in _parts(keys):
        connection.execute(delete(schema.sightings).where(schema.sightings.c.key.in_(part)))
    for part in _parts(pictures):
        connection.execute(delete(schema.candidates).where(schema.candidates.c.sha256.in_(part)))
        # Everything else that hangs on the picture goes with it: ON DELETE CASCADE.
        connection.execute(delete(schema.images).where(schema.images.c.sha256.in_(part)))
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
