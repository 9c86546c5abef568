"""Writing the pages of the report, only when something in them changed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.catalog import Field, in_order
from bodyshop_core.catalog.split_sets import WAY_OUT, leaks_left
from bodyshop_core.progress import SILENT, Progress
from curate.gate.gate import Gate
from curate.gate.stage import load_gate
from curate.policy import Policy, load_policy
from curate.report import charts
from curate.report.content import Card, Content, gather
from curate.report.thumbnails import make_thumbnails
from curate.targets import resolve_target
from curate.verdicts.wording import meaning, sentence

if TYPE_CHECKING:
    from jinja2 import Environment

    from bodyshop_core.workspace import Workspace

PER_PAGE = 120
"""Pictures on one page: fills a screen a few times and loads at once."""

CLUSTERS_PER_PAGE = 12

MEMBERS_SHOWN = 24
"""Of one cluster: a logo saved a thousand times must not fill its page with a thousand pictures."""

VERSION = 9
"""Increased when the pages change for the same content."""

_DESK_VIEWS = {"kept": "verdict=keep", "human": "decision=keep|reject"}
"""Gallery -> its filter at the desk; every other is named by its reason."""


def write_report(
    workspace: Workspace,
    *,
    gate: Gate | None = None,
    policy: Policy | Path | str | None = None,
    target: Field | str | None = None,
    splits: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Write ``reports/curate/index.html`` and the pages it links to.

    Parameters
    ----------
    workspace : Workspace
        A judged workspace.
    gate : Gate, optional
        Whose scores are shown; that of the newest ``curate`` by default.
    policy : Policy or path, optional
        The thresholds shown.
    target : str, optional
        The field whose labels are shown.
    splits : Mapping, optional
        ``{"skipped": why}`` when the pictures could not be split.
    progress : Progress
        Told how many thumbnails are done.

    Returns
    -------
    Path
        The first page.
    """
    rules = load_policy(policy)
    about = resolve_target(workspace.catalog, target)
    folder = workspace.reports / "curate"
    content = gather(
        workspace, rules, about, gate or load_gate(workspace), (splits or {}).get("skipped")
    )
    digest = _digest(content)
    index, stamp = folder / "index.html", folder / "content.txt"
    if index.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return index
    make_thumbnails(workspace, [card.sha256 for card in content.cards], folder, progress=progress)
    pages = _pages(content)
    environment = _environment()
    for name, (template, values) in pages.items():
        html = environment.get_template(template).render(content=content, **values)
        atomic.write_text(folder / name, html)
    _remove_stale(folder, set(pages))
    style = resources.files("curate.report") / "templates" / "style.css"
    atomic.write_text(folder / "style.css", style.read_text(encoding="utf-8"))
    atomic.write_text(stamp, digest)
    return index


def _pages(content: Content) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return file name -> (template, values)."""
    kept = [card for card in content.cards if card.keep]
    galleries: list[tuple[str, str, str, list[Card]]] = [
        ("kept", "Kept", "These pictures passed every check.", kept)
    ]
    for reason in in_order(content.reasons):
        cards = [card for card in content.cards if reason.value in card.reasons]
        title = reason.value.replace("_", " ").capitalize()
        galleries.append((reason.value, title, meaning(reason), cards))
    human = [card for card in content.cards if card.human]
    if human:
        text = "A person decided about these; a person's decision overrides the policy."
        galleries.append(("human", "Decided by people", text, human))
    links = [
        {"href": f"{name}-1.html", "title": title, "count": len(cards), "name": name}
        for name, title, _, cards in galleries
    ]
    if content.clusters:
        links.append(
            {
                "href": "clusters-1.html",
                "title": "Duplicate clusters",
                "count": len(content.clusters),
                "name": "clusters",
            }
        )
    shared = {"links": links}
    pages: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, title, text, cards in galleries:
        for number, part in _paged(cards, PER_PAGE):
            pages[f"{name}-{number}.html"] = (
                "gallery.html",
                {
                    **shared,
                    "name": name,
                    "title": title,
                    "text": text,
                    "desk": _DESK_VIEWS.get(name, f"reason={name}"),
                    "cards": part,
                    "total": len(cards),
                    "pager": _pager(name, number, len(cards), PER_PAGE),
                },
            )
    for number, group in _paged(content.clusters, CLUSTERS_PER_PAGE):
        pages[f"clusters-{number}.html"] = (
            "clusters.html",
            {
                **shared,
                "name": "clusters",
                "title": "Duplicate clusters",
                "clusters": group,
                "shown": MEMBERS_SHOWN,
                "total": len(content.clusters),
                "pager": _pager("clusters", number, len(content.clusters), CLUSTERS_PER_PAGE),
            },
        )
    pages["index.html"] = (
        "index.html",
        {
            **shared,
            "name": "index",
            "title": "Curated pictures",
            "sample": _spread(kept, 14),
            "gate_chart": charts.gate_histogram(content.p_car, content.gate_threshold),
            "framing_chart": charts.stacked_bars(content.framing_by_label),
            "audit_chart": charts.audit_bars(content.audit),
            "leaks_left": list(leaks_left(content.audit, equalised=True)),
            "way_out": WAY_OUT,
        },
    )
    return pages


def _paged(items: Sequence[Any], size: int) -> list[tuple[int, Sequence[Any]]]:
    return [
        (start // size + 1, items[start : start + size]) for start in range(0, len(items), size)
    ]


def _pager(name: str, number: int, total: int, size: int) -> list[dict[str, Any]]:
    """Links to the first, last and neighbouring pages; None stands for a gap."""
    last = math.ceil(total / size)
    wanted = sorted({1, last, *range(max(1, number - 3), min(last, number + 3) + 1)})
    links: list[dict[str, Any]] = []
    for place, page in enumerate(wanted):
        if place and page - wanted[place - 1] > 1:
            links.append({"number": None})
        links.append({"number": page, "href": f"{name}-{page}.html", "current": page == number})
    return links if last > 1 else []


def _spread(cards: Sequence[Card], count: int) -> list[Card]:
    step = max(1, len(cards) // count)
    return list(cards[::step][:count])


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("curate.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sentence"] = sentence
    environment.filters["percent"] = lambda value: f"{100 * value:.1f} %"
    environment.filters["thousands"] = lambda value: f"{value:,}"
    return environment


def _digest(content: Content) -> str:
    """Return a hash of all that is shown; picture by picture, as all in one text is 1 KB each."""
    digest = hashlib.sha256(f"{VERSION} {replace(content, cards=[], clusters=[])!r}".encode())
    for card in content.cards:
        digest.update(repr(card).encode())
    for cluster in content.clusters:
        digest.update(repr([card.sha256 for card in cluster]).encode())
    return digest.hexdigest()


def _remove_stale(folder: Path, names: set[str]) -> None:
    for path in folder.glob("*.html"):
        if path.name not in names:
            path.unlink()
