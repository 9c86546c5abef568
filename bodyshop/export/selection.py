"""The pictures of an export: those that are kept and in a split."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop.export.destination import Destination, Link
from bodyshop.export.hiding import Hidden, hidden_picture
from bodyshop.export.metadata import upright_png, without_metadata
from bodyshop.export.rows import manifest_rows
from bodyshop_core.catalog import BlobRef, nfc, schema
from bodyshop_core.errors import (
    NothingFoundError,
    TransientError,
    UnreadableImageError,
    UsageError,
)
from bodyshop_core.progress import Progress
from bodyshop_core.snapshots import State

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

_FORBIDDEN = re.compile(r'[\x00-\x1f/\\:*?"<>|]')
"""Characters that Windows, macOS or Linux do not allow in a file name."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever follows a dot."""

_NAME_BYTES = 200
"""Longest name of a folder in UTF-8; file systems take 255."""

SHARD_MB = 256
"""Default size of a WebDataset shard, in megabytes."""


@dataclass(frozen=True)
class Chosen:
    """A picture of the export.

    Parameters
    ----------
    row : Mapping
        Row of the manifest.
    extension : str
        Of the original, with no dot.
    orientation : int
        EXIF, 1 to 8.
    blob : BlobRef
        The original.
    hidden : tuple of Hidden
        Regions that are made unreadable.
    """

    row: Mapping[str, Any]
    extension: str
    orientation: int
    blob: BlobRef
    hidden: tuple[Hidden, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 of the original bytes."""
        return str(self.row["sha256"])

    def read(self) -> bytes:
        """Return the original bytes.

        Raises
        ------
        TransientError
            The file is missing, can't be read, or does not hold what was stored.
        """
        try:
            return self.blob.read()
        except TransientError as error:
            raise TransientError(
                error.message,
                hint="bring the storage back (mount, permissions, network), then export again: "
                "only what is missing is written. A file that is lost for good: import the picture "
                f"again, or erase it: bodyshop forget {self.sha256}",
            ) from error


@dataclass(frozen=True)
class PictureOptions:
    """How pictures are written.

    Parameters
    ----------
    keep_metadata : bool
        Keep EXIF, GPS and the like.
    link : str
        ``copy``, ``hardlink`` or ``symlink``, for pictures that need no change.
    upright : bool
        Turn pictures by their EXIF orientation, for readers that ignore it.
    shard_mb : int
        Largest size of a WebDataset shard, in megabytes of 10^6 bytes.
    """

    keep_metadata: bool = False
    link: Link = "copy"
    upright: bool = False
    shard_mb: int = SHARD_MB

    def extension(self, picture: Chosen) -> str:
        """Return the extension that `content` will have."""
        if picture.hidden:
            return "jpg" if picture.extension == "jpg" else "png"
        if self.upright and picture.orientation != 1:
            return "png"
        if not self.keep_metadata and picture.extension in ("tif", "avif"):
            return "png"
        return picture.extension

    def content(self, picture: Chosen) -> bytes | Path:
        """Return the bytes to write, or the original to link to where nothing has to change."""
        data = picture.read()
        try:
            changed = self._changed(picture, data)
        except UnreadableImageError as error:
            raise UnreadableImageError(
                f"{picture.blob}: {error.message}",
                hint="reject it: bodyshop curate",
                code=error.code,
            ) from error
        if changed != data or self.link == "copy":
            return changed
        if picture.blob.place is not None:
            raise UsageError(
                f"there is no file to link to: the pictures are at {picture.blob.place.url}",
                hint="export with --link copy",
            )
        return picture.blob.path

    def _changed(self, picture: Chosen, data: bytes) -> bytes:
        if picture.hidden:
            return hidden_picture(data, self.extension(picture), picture.hidden)
        if self.upright and picture.orientation != 1:
            return upright_png(data)
        if self.keep_metadata:
            return data
        return without_metadata(data, picture.extension, picture.orientation)[0]


def of_origins(rows: list[dict[str, Any]], origins: Collection[str]) -> list[dict[str, Any]]:
    """Return the rows of the manifest that are of these origins; all when none is named.

    Raises
    ------
    UsageError
        No picture is of one of them.
    """
    wanted = {nfc(name) for name in origins}
    known = {row["origin"] for row in rows}
    unknown = sorted(wanted - known)
    if unknown:
        raise UsageError(
            f"no picture is of the origin '{unknown[0]}'",
            hint=f"there are: {', '.join(sorted(known)[:20])}",
        )
    return [row for row in rows if not wanted or row["origin"] in wanted]


def choose(
    workspace: Workspace, split_set: str, origins: Collection[str] = (), state: State | None = None
) -> list[Chosen]:
    """Return the kept pictures of a split set and of some origins, or of all, by sha256.

    They are those of a recorded state, or of now.

    Raises
    ------
    NothingFoundError
        There is none.
    UsageError
        There is no such origin.
    """
    images = schema.images
    query = select(images.c.sha256, images.c.extension, images.c.exif_orientation)
    with workspace.catalog.read() as connection:
        facts = {row.sha256: row for row in connection.execute(query)}
    chosen = [
        Chosen(
            row,
            facts[row["sha256"]].extension,
            facts[row["sha256"]].exif_orientation or 1,
            workspace.blobs.ref(row["sha256"], facts[row["sha256"]].extension),
        )
        for row in of_origins(manifest_rows(workspace, split_set=split_set, state=state), origins)
        if row["split"] and row["verdict"] != "reject"
    ]
    if not chosen:
        raise NothingFoundError(
            f"split set '{split_set}' has no kept picture"
            + (f" of {', '.join(origins)}" if origins else ""),
            hint="see which pictures were rejected, and why: bodyshop status",
        )
    return chosen


def put_pictures(
    destination: Destination,
    files: Mapping[str, Chosen],
    options: PictureOptions,
    progress: Progress,
) -> None:
    """Write pictures to the given file names."""
    with progress.task("export", total=len(files)) as tick:
        for file, picture in files.items():
            destination.put_picture(file, partial(options.content, picture), options.link)
            tick(1)


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """Give each class a folder name of its own that is valid on every operating system.

    Parameters
    ----------
    labels : iterable of str
        Class names; Hangul and other scripts are kept, normalised to NFC.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in sorted(set(labels)):
        base = _FORBIDDEN.sub("_", nfc(label)).strip(" .")
        base = base.encode()[:_NAME_BYTES].decode(errors="ignore").rstrip(" .") or "_"
        if _DEVICES.match(base):
            base = f"_{base}"
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(name.casefold())
        names[label] = name
    return names


def count(pictures: Iterable[Chosen]) -> dict[str, dict[str, int]]:
    """Return split -> label -> number of pictures."""
    counts: dict[str, dict[str, int]] = {}
    for picture in pictures:
        of_split = counts.setdefault(picture.row["split"], {})
        of_split[picture.row["label"]] = of_split.get(picture.row["label"], 0) + 1
    return {split: dict(sorted(counts[split].items())) for split in sorted(counts)}
