"""What the catalog knows about each picture, for its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, effective_labels, schema
from curate.measure.stage import VERSION
from curate.policy import SplitPolicy
from curate.verdicts.bridges import PROTECTED
from curate.verdicts.grouping import group_keys, unite_spinners
from curate.verdicts.screen import Facts


def load_facts(
    catalog: Catalog, *, gate_id: str, target: Field, policy: SplitPolicy
) -> list[Facts]:
    """Read everything a verdict may depend on.

    Parameters
    ----------
    catalog : Catalog
        The workspace's.
    gate_id : str
        Of the gate scores to use.
    target : Field
        Whose labels count.
    policy : SplitPolicy
        Says which pictures are grouped by page.

    Returns
    -------
    list of Facts
        One per picture, the oldest first.
    """
    images, measured, sightings = schema.images, schema.measurements, schema.sightings
    scores, decisions = schema.gate_scores, schema.decisions
    with catalog.read() as connection:
        pictures = connection.execute(
            select(images.c.sha256, images.c.bytes).order_by(images.c.added_at, images.c.sha256)
        ).all()
        measurements = {
            row["sha256"]: dict(row)
            for row in connection.execute(
                select(measured).where(measured.c.version == VERSION)
            ).mappings()
        }
        gated = {
            row.sha256: row
            for row in connection.execute(
                select(scores.c.sha256, scores.c.p_car, scores.c.framing, scores.c.error).where(
                    scores.c.gate == gate_id
                )
            )
        }
        decided = {
            row.sha256: row
            for row in connection.execute(
                select(decisions.c.sha256, decisions.c.decision, decisions.c.framing)
            )
        }
        clustered = {
            row.sha256: row for row in connection.execute(select(schema.cluster_decisions))
        }
        seen = connection.execute(
            select(
                sightings.c.sha256,
                sightings.c.page_url,
                sightings.c.spin_group,
                sightings.c.brand,
                sightings.c.model,
                sightings.c.given_split,
                sightings.c.superseded_at,
                sightings.c.url,
                sightings.c.source,
                sightings.c.rank,
            ).order_by(sightings.c.fetched_at, sightings.c.key)
        ).all()
    standing = {row.sha256 for row in seen if row.superseded_at is None}
    replaced = {row.sha256 for row in seen} - standing
    seen = [row for row in seen if row.superseded_at is None]
    labels = effective_labels(catalog, target)
    first = {row.sha256: row for row in reversed(seen)}
    spinners, keys, given = unite_spinners(seen), group_keys(seen, policy), _given_splits(seen)
    facts = []
    for sha256, size in pictures:
        score, decision = gated.get(sha256), decided.get(sha256)
        framing = score.framing if score is not None else None
        placed, shared = clustered.get(sha256), keys.get(sha256, set())
        if placed is not None and placed.merged:
            shared = {*shared, f"merged:{placed.cluster}"}
        facts.append(
            Facts(
                sha256,
                measured=measurements.get(sha256),
                p_car=None if score is None else score.p_car,
                framing=(decision.framing if decision is not None else None) or framing,
                gate_error=None if score is None else score.error,
                label=labels.get(sha256),
                decision=None if decision is None else decision.decision,
                size_bytes=size,
                group_keys=tuple(sorted(shared)),
                spin_group=spinners.get(sha256),
                given_split=given.get(sha256),
                superseded=sha256 in replaced,
                placed=None if placed is None else placed.cluster,
                merged=placed is not None and placed.merged,
                **_found_at(first.get(sha256)),
            )
        )
    return facts


def load_assigned(catalog: Catalog, split_set: str) -> dict[str, str]:
    """Return sha256 -> split of every picture that a split set ever assigned."""
    table = schema.assignments
    query = select(table.c.sha256, table.c.split).where(table.c.split_set == split_set)
    with catalog.read() as connection:
        return dict(connection.execute(query).all())


def _found_at(sighting: Any) -> dict[str, Any]:
    """Return page, host, source and rank of a sighting."""
    if sighting is None:
        return {}
    address = sighting.page_url or sighting.url
    return {
        "page": sighting.page_url,
        "host": _host(address) if address else None,
        "source": sighting.source,
        "rank": sighting.rank,
    }


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:  # an address as some page wrote it
        return None


def _given_splits(sightings: Sequence[Any]) -> dict[str, str]:
    """Return the split that a picture's folders named; of several, the most protected one."""
    rank = {name: place for place, name in enumerate(PROTECTED)}
    given: dict[str, str] = {}
    for row in sightings:
        if row.given_split:
            names = {row.given_split, given.get(row.sha256, row.given_split)}
            given[row.sha256] = min(names, key=lambda name: (rank.get(name, len(rank)), name))
    return given
