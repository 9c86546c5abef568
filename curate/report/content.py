"""Reading everything that the report shows from the catalog."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
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
    cluster: str | None

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
        gated = {
            sha256: (p_car, framing, _first_guess(top5))
            for sha256, p_car, framing, top5 in connection.execute(
                select(scores.c.sha256, scores.c.p_car, scores.c.framing, scores.c.top5).where(
                    scores.c.gate == gate.id
                )
            )
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
        first: dict[str, tuple[str, str | None, str]] = {}
        seen = sightings.c
        query = select(seen.sha256, seen.page_url, seen.final_url, seen.file, seen.source)
        for sha256, page, final, file, source in connection.execute(
            query.order_by(seen.fetched_at)
        ):
            if sha256 not in first:
                first[sha256] = (*_shown_source(page or final, file), source)
        cards: list[Card] = []
        by_cluster: dict[str, list[Card]] = defaultdict(list)
        by_origin: dict[str, Counter[str]] = defaultdict(Counter)
        origins = picture_origins(catalog)
        for row in connection.execute(
            select(
                images.c.sha256, images.c.extension, images.c.width, images.c.height,
                verdicts.c.verdict, verdicts.c.human, verdicts.c.reasons, verdicts.c.details,
                verdicts.c.cluster, verdicts.c.representative,
            )
            .join(verdicts, verdicts.c.sha256 == images.c.sha256)
            .order_by(images.c.added_at, images.c.sha256)
        ):  # fmt: skip
            label = labels.get(row.sha256)
            card = _card(
                row,
                workspace.blobs.below_workspace(row.sha256, row.extension),
                gated.get(row.sha256),
                label,
                first.get(row.sha256),
                assigned,
            )
            cards.append(card)
            if row.cluster:
                by_cluster[row.cluster].append(card)
            if card.keep and label is not None and label.value is not None:
                by_origin[origins[row.sha256]][label.value] += 1
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
        dict(_largest_first(by_origin)[:ORIGINS_SHOWN]),
        max(0, len(by_origin) - ORIGINS_SHOWN),
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


def _first_guess(top5: list[list[Any]] | None) -> str:
    return f"{top5[0][0]} {top5[0][1]:.2f}" if top5 else ""


def _shown_source(url: str | None, file: str | None) -> tuple[str, str | None]:
    """Return what is shown as a picture's source, and where it leads."""
    safe = url if url and urlsplit(url).scheme in {"http", "https"} else None
    host = (urlsplit(safe).hostname or "") if safe else ""
    name = file.replace("\\", "/").rsplit("/", 1)[-1] if file else ""
    return host or name, safe


def _card(
    row: Any,
    file_below: str | None,
    score: tuple[float | None, str | None, str] | None,
    label: EffectiveLabel | None,
    sighting: tuple[str, str | None, str] | None,
    assigned: dict[str, str],
) -> Card:
    p_car, framing, seen_as = score or (None, None, "")
    source, link, _ = sighting or ("", None, "")
    return Card(
        row.sha256,
        file_below,
        f"{row.width or '?'}×{row.height or '?'}",
        None if label is None else label.value or " / ".join(label.conflict),
        row.verdict == "keep",
        bool(row.human),
        tuple(row.reasons),
        row.details or {},
        p_car,
        framing,
        seen_as,
        source,
        link,
        assigned.get(row.sha256),
        row.representative,
        row.cluster,
    )


def _framing_by_label(cards: list[Card]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        if card.keep and card.label and card.framing:
            table[card.label][card.framing] += 1
    return {label: dict(sorted(table[label].items())) for label in sorted(table)}


def _sources(
    cards: list[Card], first: Mapping[str, tuple[str, str | None, str]]
) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        seen = first.get(card.sha256)
        name = "unknown" if seen is None else seen[-1]
        table[name]["kept" if card.keep else "rejected"] += 1
    return {name: dict(table[name]) for name in sorted(table)}


def _largest_first(by_origin: Mapping[str, Counter[str]]) -> list[tuple[str, dict[str, int]]]:
    """Return (origin, label -> kept pictures)."""
    order = sorted(by_origin, key=lambda name: (-by_origin[name].total(), name))
    return [(name, dict(by_origin[name])) for name in order]


def _sizes(cards: list[Card]) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for card in cards:
        if card.split and card.label:
            table[card.label][card.split] += 1
    return {label: dict(table[label]) for label in sorted(table)}
