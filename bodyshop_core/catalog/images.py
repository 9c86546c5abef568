"""Pictures in the catalog, and how they enter it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.dialect import insert_into
from bodyshop_core.catalog.store import Catalog, now
from bodyshop_core.errors import ErasedPictureError
from bodyshop_core.storage.blobs import Blob

FACTS = ("format", "width", "height", "mode", "exif_orientation", "artist", "copyright")
"""What a header holds: columns of `images`, keys of `bodyshop_core.imaging.read_header`."""

_VARIABLES = 500


def register_image(
    connection: Connection, blob: Blob, *, extension: str, facts: Mapping[str, Any]
) -> bool:
    """Register the bytes of a picture; bytes that are known already change nothing.

    Parameters
    ----------
    connection : Connection
        A write transaction.
    blob : Blob
        The stored bytes.
    extension : str
        Of the sniffed type.
    facts : Mapping
        From `bodyshop_core.imaging.read_header`; all None for bytes that can't be decoded.

    Returns
    -------
    bool
        Whether the picture is new to the catalog.

    Raises
    ------
    ErasedPictureError
        This picture was erased on request; its bytes must not be kept.
    """
    if is_forgotten(connection, "sha256", blob.sha256):
        raise ErasedPictureError(f"picture {blob.sha256} was erased on request")
    row = {
        "sha256": blob.sha256,
        "extension": extension,
        "bytes": blob.size,
        "added_at": now(),
        **{name: facts.get(name) for name in FACTS},
    }
    statement = insert_into(connection, schema.images).values(row).on_conflict_do_nothing()
    # Not its rowcount: with PostgreSQL's driver that is -1 here, whether or not there was a row.
    written = connection.execute(statement.returning(schema.images.c.sha256))
    return written.first() is not None


def is_forgotten(connection: Connection, kind: str, value: str) -> bool:
    """Return whether a sha256, url or host was erased on request (kind: ``sha256|url|host``)."""
    tombstones = schema.tombstones
    query = select(tombstones.c.value).where(tombstones.c.kind == kind, tombstones.c.value == value)
    return connection.execute(query).first() is not None


def pictures_among(connection: Connection, sha256s: Sequence[str]) -> set[str]:
    """Return those digests that the catalog has a picture of."""
    known: set[str] = set()
    column = schema.images.c.sha256
    for at in range(0, len(sha256s), _VARIABLES):
        known.update(
            connection.scalars(select(column).where(column.in_(sha256s[at : at + _VARIABLES])))
        )
    return known


def all_images(catalog: Catalog) -> dict[str, str]:
    """Return sha256 -> extension of every picture, oldest first."""
    table = schema.images
    query = select(table.c.sha256, table.c.extension).order_by(table.c.added_at, table.c.sha256)
    with catalog.read() as connection:
        return dict(connection.execute(query).all())


def extensions_of(catalog: Catalog, pictures: Iterable[str]) -> dict[str, str]:
    """Return sha256 -> extension of those of the pictures that are in the catalog."""
    table, wanted = schema.images, sorted(set(pictures))
    found: dict[str, str] = {}
    with catalog.read() as connection:
        for start in range(0, len(wanted), _VARIABLES):
            query = select(table.c.sha256, table.c.extension).where(
                table.c.sha256.in_(wanted[start : start + _VARIABLES])
            )
            found |= dict(connection.execute(query).all())
    return found
