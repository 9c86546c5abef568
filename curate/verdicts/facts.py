"""What the catalog knows about each picture, for its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from sqlalchemy import select

from bodyshop_core.catalog import Catalog, Field, each_effective_label, schema, stream
from curate.measure.columns import read_measurements
from curate.measure.stage import VERSION
from curate.policy import SplitPolicy
from curate.verdicts.bridges import PROTECTED
from curate.verdicts.fact_table import NO_RANK, FactTable, Found, Scores
from curate.verdicts.grouping import Frame, Pages, burst_keys, unite_spinners

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bodyshop_core.catalog import EffectiveLabel

IMPORT = "import"
"""The source of every imported picture."""


def load_facts(catalog: Catalog, *, gate_id: str, target: Field, policy: SplitPolicy) -> FactTable:
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
    FactTable
        One row per picture, the oldest first; about a kilobyte each.
    """
    images = schema.images
    query = select(images.c.sha256, images.c.bytes).order_by(images.c.added_at, images.c.sha256)
    with catalog.read() as connection:
        names: list[str] = []
        sizes: list[int] = []
        for part in stream(connection, query):
            names += [name for name, _ in part]
            sizes += [size for _, size in part]
        positions = {name: place for place, name in enumerate(names)}
        labels: list[EffectiveLabel | None] = [None] * len(names)
        for name, label in each_effective_label(connection, target):
            labels[positions[name]] = label
        decisions, framings = _decided(connection, positions)
        return FactTable(
            names,
            np.array(sizes, dtype=np.int64),
            read_measurements(connection, positions),
            _scores(connection, gate_id, positions, framings),
            labels,
            decisions,
            _found(connection, positions, policy),
            clustered=_clustered(connection, positions),
        )


def load_assigned(catalog: Catalog, split_set: str) -> dict[str, str]:
    """Return sha256 -> split of every picture that a split set ever assigned."""
    table = schema.assignments
    query = select(table.c.sha256, table.c.split).where(table.c.split_set == split_set)
    with catalog.read() as connection:
        return dict(connection.execute(query).all())


def _decided(
    connection: Connection, positions: Mapping[str, int]
) -> tuple[dict[int, str], dict[int, str]]:
    """Return by position what people decided, and the framings that they gave."""
    table = schema.decisions
    decided: dict[int, str] = {}
    framings: dict[int, str] = {}
    query = select(table.c.sha256, table.c.decision, table.c.framing)
    for name, decision, framing in connection.execute(query):
        decided[positions[name]] = decision
        if framing:
            framings[positions[name]] = framing
    return decided, framings


def _clustered(connection: Connection, positions: Mapping[str, int]) -> dict[int, tuple[str, bool]]:
    """Return by position the cluster that a person made, and whether all of it show the same."""
    table = schema.cluster_decisions
    query = select(table.c.sha256, table.c.cluster, table.c.merged)
    return {
        positions[name]: (cluster, bool(merged))
        for name, cluster, merged in connection.execute(query)
    }


def _scores(
    connection: Connection,
    gate_id: str,
    positions: Mapping[str, int],
    framings: Mapping[int, str],
) -> Scores:
    table = schema.gate_scores
    scores = Scores(np.full(len(positions), np.nan), [None] * len(positions), {})
    query = select(table.c.sha256, table.c.p_car, table.c.framing, table.c.error)
    known: dict[str | None, str | None] = {}
    for part in stream(connection, query.where(table.c.gate == gate_id)):
        for name, p_car, framing, error in part:
            place = positions[name]
            if p_car is not None:
                scores.p_car[place] = p_car
            scores.framing[place] = known.setdefault(framing, framing)
            if error is not None:
                scores.errors[place] = error
    for place, framing in framings.items():
        scores.framing[place] = framing
    return scores


def _found(connection: Connection, positions: Mapping[str, int], policy: SplitPolicy) -> Found:
    """Read the sightings, the earliest first."""
    n = len(positions)
    standing = np.zeros(n, dtype=bool)
    replaced = np.zeros(n, dtype=bool)
    found = Found(
        [None] * n, [None] * n, [None] * n, np.full(n, NO_RANK, dtype=np.int64), [()] * n, {}, {},
        replaced,
    )  # fmt: skip
    given: dict[int, set[str]] = {}
    frames: list[Frame] = []
    pages = Pages(policy)
    texts: dict[str | None, str | None] = {}
    table = schema.sightings
    query = select(
        table.c.sha256, table.c.page_url, table.c.spin_group, table.c.brand, table.c.model,
        table.c.given_split, table.c.superseded_at, table.c.url, table.c.source, table.c.origin,
        table.c.rank,
    ).order_by(table.c.fetched_at, table.c.key)  # fmt: skip
    for part in stream(connection, query):
        for row in part:
            name, page, spinner, brand, model, split, superseded, url, source, origin, rank = row
            place = positions[name]
            if superseded is not None:
                replaced[place] = True
                continue
            if not standing[place]:
                standing[place] = True
                address = page or url
                host = _host(address) if address else None
                found.page[place] = texts.setdefault(page, page)
                found.host[place] = texts.setdefault(host, host)
                if source == IMPORT and origin:  # imports are told apart by their names
                    source = origin
                found.source[place] = texts.setdefault(source, source)
                if rank is not None:
                    found.rank[place] = rank
            if spinner:
                frames.append(Frame(name, spinner))
            else:
                pages.add(place, page, brand, model)
            if split:
                given.setdefault(place, set()).add(split)
    replaced &= ~standing
    found.spinners.update(
        (positions[name], spinner) for name, spinner in unite_spinners(frames).items()
    )
    found.given.update((place, min(names, key=_protection)) for place, names in given.items())
    pages.add_keys(found.keys)
    for name, spinner in set(frames):
        keys, place = found.keys, positions[name]
        keys[place] = tuple(sorted((*keys[place], f"spin:{spinner}")))
    clusters = schema.cluster_decisions
    merged = select(clusters.c.sha256, clusters.c.cluster).where(clusters.c.merged)
    for name, cluster in connection.execute(merged):
        keys, place = found.keys, positions[name]
        keys[place] = tuple(sorted((*keys[place], f"merged:{cluster}")))
    for name, burst in burst_keys(_shots(connection)).items():
        keys, place = found.keys, positions[name]
        keys[place] = tuple(sorted((*keys[place], burst)))
    return found


def _shots(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Yield sha256, camera and time of the pictures that say both."""
    table = schema.measurements
    query = select(table.c.sha256, table.c.exif_camera, table.c.exif_time).where(
        table.c.version == VERSION, table.c.exif_camera.is_not(None), table.c.exif_time.is_not(None)
    )
    for part in stream(connection, query):
        yield from part


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:  # an address as some page wrote it
        return None


def _protection(split: str) -> tuple[int, str]:
    """Return a sort key: of several splits that folders named, the most protected one counts."""
    place = PROTECTED.index(split) if split in PROTECTED else len(PROTECTED)
    return (place, split)
