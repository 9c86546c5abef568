"""Reading everything that the report shows from the catalog."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sqlalchemy import select

from bodyshop_core.catalog import (
    EffectiveLabel,
    Field,
    effective_labels,
    in_order,
    picture_origins,
    schema,
)
from bodyshop_core.catalog.split_sets import newest_split_set
from curate.duplicates.stage import load_counts

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace
    from curate.gate.gate import Gate
    from curate.policy import Policy


ORIGINS_SHOWN = 30


@dataclass(frozen=True)
class Card:
    """One picture as the galleries show it; texts from outside are untrusted."""

    sha256: str
    file_below: str | None
    size: str
    label: str | None
    keep: bool
    human: bool
    reasons: tuple[str, ...]
    details: dict[str, Any]
    p_car: float | None
    framing: str | None
    seen_as: str
    source: str
    link: str | None
    split: str | None
    representative: str | None

    @property
    def original(self) -> str:
        """Path of the picture from the report's folder; of an object, of its thumbnail."""
        return self.thumbnail if self.file_below is None else f"../../{self.file_below}"

    @property
    def thumbnail(self) -> str:
        """Path below the report's folder."""
        return f"thumbnails/{self.sha256[:2]}/{self.sha256}.jpg"


@dataclass(frozen=True)
class Content:
    """What the report is made of."""

    workspace: str
    target: str
    policy: dict[str, Any]
    cards: list[Card]
    clusters: list[list[Card]]
    duplicates: dict[str, int]
    reasons: dict[str, int]
    gate: str
    gate_rule: str
    gate_threshold: float
    p_car: list[tuple[float, bool]]
    framing_by_label: dict[str, dict[str, int]]
    sources: dict[str, dict[str, int]]
    origins: dict[str, dict[str, int]]
    more_origins: int
    split_set: dict[str, Any] | None
    split_sizes: dict[str, dict[str, int]]
    split_problem: str | None
    audit: dict[str, Any] | None

    @property
    def kept(self) -> int:
        """Number of kept pictures."""
        return sum(card.keep for card in self.cards)

    @property
    def origin_labels(self) -> list[str]:
        """Labels of the kept pictures of the origins shown."""
        return sorted({label for row in self.origins.values() for label in row})


def gather(
    workspace: Workspace,
    policy: Policy,
    target: Field,
    gate: Gate,
    split_problem: str | None,
) -> Content:
    """Read a judged workspace."""
    catalog = workspace.catalog
    labels = effective_labels(catalog, target)
    current = newest_split_set(catalog, target)
    images, verdicts, scores = schema.images, schema.verdicts, schema.gate_scores
    splits, sightings = schema.splits, schema.sightings
    with catalog.read() as connection:
        pictures = connection.execute(
            select(images, verdicts)
            .join(verdicts, verdicts.c.sha256 == images.c.sha256)
            .order_by(images.c.added_at, images.c.sha256)
        ).all()
        gated = {
            row.sha256: row
            for row in connection.execute(select(scores).where(scores.c.gate == gate.id))
        }
        assigned = {}
        if current is not None:
            assigned = dict(
                connection.execute(
                    select(splits.c.sha256, splits.c.split).where(
                        splits.c.split_set == current.name
                    )
                ).all()
            )
        first: dict[str, Any] = {}
        for row in connection.execute(select(sightings).order_by(sightings.c.fetched_at)):
            first.setdefault(row.sha256, row)
    origins = _origins(pictures, labels, picture_origins(catalog))
    cards = [
        _card(
            row,
            workspace.blobs.below_workspace(row.sha256, row.extension),
            gated.get(row.sha256),
            labels.get(row.sha256),
            first.get(row.sha256),
            assigned,
        )
        for row in pictures
    ]
    by_cluster: dict[str, list[Card]] = defaultdict(list)
    for row, card in zip(pictures, cards, strict=True):
        if row.cluster:
            by_cluster[row.cluster].append(card)
    clusters = [
        sorted(members, key=lambda card: (not card.keep, card.sha256))
        for members in by_cluster.values()
    ]
    clusters.sort(key=lambda members: (-len(members), members[0].sha256))
    counts = Counter(reason for card in cards for reason in card.reasons)
    return Content(
        workspace.root.name,
        target.value,
        policy.model_dump(mode="json"),
        cards,
        clusters,
        load_counts(workspace),
        {reason.value: counts[reason] for reason in in_order(counts)},
        gate.backbone,
        gate.rule.name,
        gate.rule.threshold,
        [(card.p_car, card.keep) for card in cards if card.p_car is not None],
        _framing_by_label(cards),
        _sources(cards, first),
        dict(origins[:ORIGINS_SHOWN]),
        max(0, len(origins) - ORIGINS_SHOWN),
        None
        if current is None
        else {
            name: getattr(current, name)
            for name in ("name", "seed", "ratios", "options", "leakage_check")
        },
        _sizes(cards),
        split_problem,
        None if current is None else current.audit,
    )


def _card(
    row: Any,
    file_below: str | None,
    score: Any,
    label: Any,
    sighting: Any,
    assigned: dict[str, str],
) -> Card:
    top = (score.top5 or [None])[0] if score is not None else None
    url = None if sighting is None else sighting.page_url or sighting.final_url
    safe = url if url and urlsplit(url).scheme in {"http", "https"} else None
    host = (urlsplit(safe).hostname or "") if safe else ""
    file = "" if sighting is None or not sighting.file else sighting.file.replace("\\", "/")
    return Card(
        row.sha256,
        file_below,
        f"{row.width or '?'}×{row.height or '?'}",
        None if label is None else label.value or " / ".join(label.conflict),
        row.verdict == "keep",
        bool(row.human),
        tuple(row.reasons),
        row.details or {},
        None if score is None else score.p_car,
        None if score is None else score.framing,
        f"{top[0]} {top[1]:.2f}" if top else "",
        host or file.rsplit("/", 1)[-1],
        safe,
        assigned.get(row.sha256),
        row.representative,
    )


def _framing_by_label(cards: list[Card]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        if card.keep and card.label and card.framing:
            table[card.label][card.framing] += 1
    return {label: dict(sorted(table[label].items())) for label in sorted(table)}


def _sources(cards: list[Card], first: dict[str, Any]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        row = first.get(card.sha256)
        name = "unknown" if row is None else row.source
        table[name]["kept" if card.keep else "rejected"] += 1
    return {name: dict(table[name]) for name in sorted(table)}


def _origins(
    pictures: Sequence[Any], labels: Mapping[str, EffectiveLabel], origins: Mapping[str, str]
) -> list[tuple[str, dict[str, int]]]:
    """Return (origin, label -> kept pictures), the largest first."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for row in pictures:
        label = labels.get(row.sha256)
        if row.verdict == "keep" and label is not None and label.value is not None:
            table[origins[row.sha256]][label.value] += 1
    order = sorted(table, key=lambda name: (-table[name].total(), name))
    return [(name, dict(table[name])) for name in order]


def _sizes(cards: list[Card]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        if card.split and card.label:
            table[card.label][card.split] += 1
    return {label: dict(table[label]) for label in sorted(table)}
