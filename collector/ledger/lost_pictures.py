"""Pages of which pictures were found and could not be had: they are partial, and say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from bodyshop_core.catalog import Catalog, schema
from collector.ledger.other_pages import pages_of

LOST = "failed_pictures"
"""Error class of a page that is partial because downloads of its pictures failed."""

_PAGES = ("pages", "spinner", "spinner:angles")
"""Sources whose tasks are a site's own pages; a list or search has dead links of other sites."""

_NOT_READ = ("not_a_picture", "unreadable", "encoded", "bomb", "too_many_bytes")
"""Refusals by which a frame of a viewer is missing; not every element of a page is a picture."""

_NAMED_ONLY = frozenset({"json", "json_ld", "og_image", "data_src", "data_full"})
"""Addresses that a page names and need not show: a wrong one is no picture that is missing."""

_LARGER = frozenset({"parent_link", "data_full"})
"""Names by which an icon leads to a picture."""


def note_lost_pictures(catalog: Catalog) -> None:
    """Mark finished pages as partial whose pictures failed, and as done when none does any more.

    Parameters
    ----------
    catalog : Catalog
        Downloads that still wait count as not failed.
    """
    pages = schema.pages
    with catalog.begin() as connection:
        lost = _lost(connection)
        query = select(pages.c.key, pages.c.state, pages.c.error, pages.c.found).where(
            (pages.c.error_class == LOST) | (pages.c.state == "done"),
            pages.c.state.in_(("done", "partial")),
            pages.c.source.in_(_PAGES),
        )
        for key, state, error, found in connection.execute(query).all():
            reasons = lost.get(key)
            message = _message(reasons, found) if reasons else None
            wanted = "partial" if reasons else "done"
            if (state, error) == (wanted, message) or (state == wanted == "done"):
                continue
            connection.execute(
                update(pages)
                .where(pages.c.key == key, pages.c.state == state)
                .values(state=wanted, error_class=LOST if reasons else None, error=message)
            )


def _lost(connection: Connection) -> dict[str, Counter[str]]:
    """Return page -> error class -> pictures that it shows and that failed."""
    c = schema.candidates.c
    query = select(c.page_key, c.state, c.error_class, c.details).where(
        (c.state == "failed") | ((c.state == "refused") & c.error_class.in_(_NOT_READ))
    )
    lost: dict[str, Counter[str]] = {}
    for first, state, reason, details in connection.execute(query):
        counts = _is_frame(details) or (state == "failed" and _is_shown(details))
        for page in pages_of(first, details) if counts else ():
            lost.setdefault(page, Counter())[reason or "unknown"] += 1
    return lost


def _is_frame(details: Mapping[str, Any]) -> bool:
    return details.get("spin_group") is not None


def _is_shown(details: Mapping[str, Any]) -> bool:
    names = {each["name"] for each in details.get("url_candidates", ())}
    if details.get("icon") and _LARGER.isdisjoint(names):
        return False
    return any(
        each["name"] not in _NAMED_ONLY and not each.get("unproven")
        for each in details.get("url_candidates", ())
    )


def _message(reasons: Counter[str], found: int) -> str:
    failed = sum(reasons.values())
    classes = ", ".join(f"{count} {name}" for name, count in reasons.most_common())
    return f"{failed} of {max(found, failed)} pictures failed ({classes})"
