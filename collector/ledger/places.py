"""Places of ``limits.per_model`` for pictures whose bytes are there: a new picture takes one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from sqlalchemy import Connection

from bodyshop_core.catalog import pictures_among
from collector.candidate import Candidate
from collector.ledger.record import DownloadRecord


def with_places(
    connection: Connection,
    records: Collection[DownloadRecord],
    give: Callable[[list[Candidate]], Iterable[Candidate]],
) -> list[DownloadRecord]:
    """Return the records without those of new pictures that get no place.

    A refusal, a failure and a further sighting of a picture that the catalog has need none.

    Parameters
    ----------
    connection : Connection
        Of any transaction.
    records : collection of DownloadRecord
        Of pictures that were checked already.
    give : callable
        Returns those of some candidates, one per new picture, that get a place.
    """
    pictures = [(each.picture.sha256, each.candidate) for each in records if each.picture]
    known = pictures_among(connection, [sha256 for sha256, _ in pictures])
    new: dict[str, Candidate] = {}
    for sha256, candidate in pictures:
        if sha256 not in known:
            new.setdefault(sha256, candidate)
    placed = {each.key for each in give(list(new.values()))}
    without = {sha256 for sha256, candidate in new.items() if candidate.key not in placed}
    return [each for each in records if not (each.picture and each.picture.sha256 in without)]
