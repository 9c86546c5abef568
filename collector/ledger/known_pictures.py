"""Pictures that the ledger has already, by the address that they were downloaded from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from bodyshop_core.catalog import schema
from collector.net.outcome import StoredPicture
from collector.weburl import url_key


def known_pictures(
    connection: Connection, addresses: Sequence[str] | None = None
) -> dict[str, StoredPicture]:
    """Return `url_key` -> what was downloaded from it, so that no address is asked twice.

    Parameters
    ----------
    connection : Connection
        Of any transaction.
    addresses : sequence of str, optional
        `Candidate.address` of those that are wanted; all without it.
    """
    c, s = schema.candidates.c, schema.sightings.c
    first = c.details["url_candidates"][0]["name"].as_string()
    query = select(
        first.label("first"), c.url, s.sha256, s.final_url, s.status, s.etag, s.content_type,
        s.url_candidate, s.permission, s.last_modified,
        schema.images.c.extension, schema.images.c.bytes,
    ).select_from(
        schema.candidates.join(schema.sightings, (s.sha256 == c.sha256) & (s.url == c.url))
        .join(schema.images, schema.images.c.sha256 == s.sha256)
    ).where(c.state.in_(("done", "duplicate")), s.capture == "bytes")  # fmt: skip
    if addresses is not None:
        query = query.where(c.address.in_(addresses))
    return {
        url_key(row.url): StoredPicture(
            sha256=row.sha256, size=row.bytes, extension=row.extension, facts={},
            url=row.final_url, url_candidate=row.url_candidate or "",
            etag=row.etag or "", last_modified=row.last_modified or "",
            content_type=row.content_type or "", permission=row.permission or {},
            status=row.status, asked=row.url,
        )
        for row in connection.execute(query)
        if row.first == row.url_candidate
    }  # fmt: skip
