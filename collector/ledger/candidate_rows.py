"""Rows of the table `candidates`, and the statements that write them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from bodyshop_core.catalog import Catalog, schema
from collector.candidate import Candidate
from collector.weburl import host_of

NEW_CANDIDATE = insert(schema.candidates)
UPDATE_CANDIDATE = (
    update(schema.candidates)
    .where(schema.candidates.c.key == bindparam("of_key"))
    .values(
        state=bindparam("to_state"),
        error_class=bindparam("to_class"),
        error=bindparam("to_error"),
        attempts=bindparam("to_attempts"),
        sha256=bindparam("to_sha256"),
        updated_at=bindparam("to_time"),
        lease=None,
    )
)
UPDATE_DETAILS = (
    update(schema.candidates)
    .where(schema.candidates.c.key == bindparam("of_key"))
    .values(details=bindparam("to_details"))
)


_CHUNK = 500


def known_candidates(catalog: Catalog, keys: Collection[str]) -> set[str]:
    """Return which of these candidates the ledger has."""
    key, wanted, found = schema.candidates.c.key, list(keys), set[str]()
    with catalog.read() as connection:
        for at in range(0, len(wanted), _CHUNK):
            query = select(key).where(key.in_(wanted[at : at + _CHUNK]))
            found.update(connection.execute(query).scalars())
    return found


def candidate_row(page: str, candidate: Candidate, at: str) -> dict[str, Any]:
    """Return the row of a candidate that a page has brought."""
    return {
        "key": candidate.key,
        "page_key": page,
        "url": candidate.url,
        "host": host_of(candidate.url),
        "brand": candidate.brand,
        "model": candidate.model,
        "source": candidate.source,
        "details": candidate.as_dict(),
        "state": "queued",
        "attempts": 0,
        "updated_at": at,
        "address": candidate.address,
    }
