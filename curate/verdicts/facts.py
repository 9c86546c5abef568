"""Reading from the catalog what verdicts, splits and the audit are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, effective_labels, schema
from curate.audit.nuisance import host_of
from curate.verdicts.screen import Facts

if TYPE_CHECKING:
    from curate.policy import SplitPolicy


def load_facts(
    catalog: Catalog, *, version: str, gate_id: str, target: Field, policy: SplitPolicy
) -> list[Facts]:
    """Read everything a verdict may depend on.

    Parameters
    ----------
    catalog : Catalog
        The workspace's.
    version : str
        Of the measurements to use.
    gate_id : str
        Of the gate scores to use.
    target : Field
        Whose labels count.
    policy : SplitPolicy
        Says which pictures are grouped by page.

    Returns
    -------
    list of Facts
        One per picture, in the order they came.
    """
    images, measured = schema.images, schema.measurements
    scores, decisions = schema.gate_scores, schema.decisions
    with catalog.read() as connection:
        pictures = connection.execute(
            select(images.c.sha256, images.c.bytes).order_by(images.c.added_at, images.c.sha256)
        ).all()
        measurements = {
            row["sha256"]: dict(row)
            for row in connection.execute(
                select(measured).where(measured.c.version == version)
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
        sightings = connection.execute(
            select(
                schema.sightings.c.sha256,
                schema.sightings.c.page_url,
                schema.sightings.c.spin_group,
                schema.sightings.c.brand,
                schema.sightings.c.model,
            )
        ).all()
    labels = effective_labels(catalog, target)
    spins = {row.sha256: row.spin_group for row in sightings if row.spin_group}
    keys = group_keys(sightings, policy)
    facts = []
    for sha256, size in pictures:
        score, decision = gated.get(sha256), decided.get(sha256)
        framing = score.framing if score is not None else None
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
                group_keys=tuple(sorted(keys.get(sha256, ()))),
                spin_group=spins.get(sha256),
            )
        )
    return facts


def group_keys(sightings: Iterable[Any], policy: SplitPolicy) -> dict[str, set[str]]:
    """Tell what ties pictures together besides their looks.

    Parameters
    ----------
    sightings : iterable of rows
        With sha256, page_url, spin_group, brand and model.
    policy : SplitPolicy
        `by_page` and `max_page`.

    Returns
    -------
    dict
        sha256 -> keys. A page ties its pictures together when it is about one car: not more than
        `max_page` pictures, all of one model. Result pages and galleries of many cars do not.
    """
    keys: dict[str, set[str]] = defaultdict(set)
    pages: dict[str, set[str]] = defaultdict(set)
    models: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for row in sightings:
        if row.spin_group:
            keys[row.sha256].add(f"spin:{row.spin_group}")
        elif row.page_url and policy.by_page:
            page = row.page_url.split("#")[0]
            pages[page].add(row.sha256)
            models[page].add((row.brand, row.model))
    for page, members in pages.items():
        if 1 < len(members) <= policy.max_page and len(models[page]) == 1:
            for sha256 in members:
                keys[sha256].add(f"page:{page}")
    return keys


def nuisance_rows(
    catalog: Catalog, shas: Sequence[str], facts: Mapping[str, Facts]
) -> list[dict[str, Any]]:
    """Return what `curate.audit.nuisance.columns` takes, for the given pictures in order."""
    wanted = set(shas)
    hosts: dict[str, str] = {}
    sightings, images = schema.sightings, schema.images
    with catalog.read() as connection:
        for sha256, url, source in connection.execute(
            select(sightings.c.sha256, sightings.c.final_url, sightings.c.source).order_by(
                sightings.c.fetched_at, sightings.c.key
            )
        ):
            if sha256 in wanted:
                hosts.setdefault(sha256, host_of(url, source))
        formats = dict(connection.execute(select(images.c.sha256, images.c.format)).all())
    names = ("width", "height", "jpeg_quality", "brightness", "contrast", "sharpness")
    return [
        {
            **{name: (facts[sha256].measured or {}).get(name) for name in names},
            "bytes": facts[sha256].size_bytes,
            "format": formats.get(sha256),
            "host": hosts.get(sha256, ""),
            "framing": facts[sha256].framing,
        }
        for sha256 in shas
    ]
