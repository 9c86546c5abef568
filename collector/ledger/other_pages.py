"""On which other pages a candidate was found: the row names the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from bodyshop_core.catalog import schema
from collector.candidate import ALSO_ON
from collector.ledger.candidate_rows import UPDATE_DETAILS

MOST_PAGES = 100
"""Of one picture; a logo is on every page of a site."""


def note_page(connection: Connection, page: str, keys: Sequence[str]) -> None:
    """Note with candidates that are not downloaded that one more page shows them.

    Parameters
    ----------
    connection : Connection
        Of a transaction that may write.
    page : str
        Key of the page.
    keys : sequence of str
        Of candidates that the ledger has; as many as one statement takes.
    """
    c = schema.candidates.c
    query = select(c.key, c.details).where(
        c.key.in_(keys), c.page_key != page, c.state.in_(("queued", "failed"))
    )
    updates = []
    for key, details in connection.execute(query):
        known = details.get(ALSO_ON, [])
        if page not in known and len(known) < MOST_PAGES:
            updates.append({"of_key": key, "to_details": details | {ALSO_ON: [*known, page]}})
    if updates:
        connection.execute(UPDATE_DETAILS, updates)


def with_other_pages(
    connection: Connection, updates: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return updates of `details` that keep what other pages were noted meanwhile."""
    c = schema.candidates.c
    query = select(c.key, c.details).where(c.key.in_([each["of_key"] for each in updates]))
    noted = {
        key: {ALSO_ON: details[ALSO_ON]}
        for key, details in connection.execute(query)
        if details.get(ALSO_ON)
    }
    return [
        each | {"to_details": each["to_details"] | noted.get(each["of_key"], {})}
        for each in updates
    ]


def pages_of(first: str | None, details: Mapping[str, Any]) -> set[str]:
    """Return the keys of the pages that show a candidate.

    Parameters
    ----------
    first : str or None
        `page_key` of its row.
    details : Mapping
        `details` of its row.
    """
    return {each for each in (first, *details.get(ALSO_ON, ())) if each is not None}
