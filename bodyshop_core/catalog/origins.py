"""The origin of a picture: the host it was downloaded from, or the name its import was given.

Pictures of one origin share photographers, cameras, websites and tools. What a model is worth on
photos of others is therefore measured on origins that it has not seen.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.catalog.store import Catalog

UNKNOWN = "unknown"
"""Origin of a picture that was never sighted."""


def host_of(url: str) -> str:
    """Return the host of a URL in lower case, without the port; empty when it has none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:  # "http://[": a page may write anything
        return ""


def picture_origins(catalog: Catalog) -> dict[str, str]:
    """Return sha256 -> origin of every picture: that of its first sighting.

    A picture that was found in several places was still taken by one camera: the first place
    counts.
    """
    images, seen = schema.images, schema.sightings
    query = select(seen.c.sha256, seen.c.origin, seen.c.source)
    with catalog.read() as connection:
        origins = dict.fromkeys(connection.scalars(select(images.c.sha256)), UNKNOWN)
        for sha256, origin, source in connection.execute(
            query.order_by(seen.c.fetched_at.desc(), seen.c.key.desc())
        ):  # the last one set is the first
            origins[sha256] = origin or source
    return origins
