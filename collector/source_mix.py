"""A fixed number of pictures per model from a fixed mix of sources, as studies choose them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bodyshop_core import atomic
from bodyshop_core.catalog import schema
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace

ENOUGH_PIXELS = 1000
"""A shorter side beyond this makes a picture no better for training."""


@dataclass(frozen=True)
class Pick:
    """One chosen picture."""

    sha256: str
    brand: str
    model: str
    source: str
    place: int


@dataclass(frozen=True)
class MixSummary:
    """What was chosen and what is missing.

    Parameters
    ----------
    picks : tuple of Pick
        By brand, model, source and quality.
    short : tuple of (brand, model, source, chosen, wanted)
        Where a source has fewer pictures than the mix wants.
    """

    picks: tuple[Pick, ...]
    short: tuple[tuple[str, str, str, int, int], ...]

    columns = ("brand", "model", "source", "chosen", "wanted")

    def as_dict(self) -> dict[str, Any]:
        """Return it with keys and values that JSON knows."""
        return {
            "chosen": len(self.picks),
            "short": [dict(zip(self.columns, each, strict=True)) for each in self.short],
        }

    def rows(self) -> list[tuple[str, str, str, int, int]]:
        """Return a table of what falls short."""
        return list(self.short)

    def write(self, path: Path | str) -> None:
        """Write the picks as CSV: sha256, brand, model, source, place."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("sha256", "brand", "model", "source", "place"))
        writer.writerows((p.sha256, p.brand, p.model, p.source, p.place) for p in self.picks)
        atomic.write_text(Path(path), text.getvalue())


def parse_mix(text: str, *, per_class: int | None = None) -> dict[str, int]:
    """Read ``spinner=120,search=180``; `per_class`, when given, is what it has to add up to.

    Raises
    ------
    UsageError
        It is something else.
    """
    mix: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = part.strip().partition("=")
        if not equals or not name or not number.isdigit() or int(number) == 0 or name in mix:
            raise UsageError(
                f"a mix is written like spinner=120,search=180, not {text!r}",
                hint="sources: spinner, spinner:angles, pages, search, search:bing, openverse, "
                "commons, urls",
            )
        mix[name] = int(number)
    _check_sum(mix, per_class)
    return mix


def _check_sum(mix: Mapping[str, int], per_class: int | None) -> None:
    if per_class is not None and sum(mix.values()) != per_class:
        raise UsageError(
            f"the mix adds up to {sum(mix.values())}, but {per_class} per class were asked for"
        )


def select_mix(
    workspace: Workspace, *, mix: Mapping[str, int] | str, per_class: int | None = None
) -> MixSummary:
    """Choose pictures per model by source and quality.

    A picture counts once, for the source of the mix that is named first and has it. Pictures that
    curate rejected are left out. Of a search the larger and sharper come first, then the better
    rank; of spinners the frames are spread evenly over the angles.

    Parameters
    ----------
    workspace : Workspace
        Collected, and best also curated.
    mix : Mapping or str
        Source -> pictures per model; ``search`` covers every engine.
    per_class : int, optional
        Pictures per model over all sources; by default the sum of the mix. What one source is short
        of is *not* made up for by another, because that would change the mix.

    Returns
    -------
    MixSummary
        Picks, and where the collection falls short.

    Raises
    ------
    UsageError
        The mix adds up to something other than `per_class`.
    """
    mix = parse_mix(mix) if isinstance(mix, str) else dict(mix)
    _check_sum(mix, per_class)
    available = _available(workspace)
    picks: list[Pick] = []
    short: list[tuple[str, str, str, int, int]] = []
    for (brand, model), rows in sorted(available.items()):
        taken: set[str] = set()
        for source, wanted in mix.items():
            fitting = [row for row in rows if _fits(row["source"], source)]
            chosen = _best(fitting, wanted, taken)
            taken.update(chosen)
            picks += [Pick(sha, brand, model, source, n) for n, sha in enumerate(chosen, 1)]
            if len(chosen) < wanted:
                short.append((brand, model, source, len(chosen), wanted))
    return MixSummary(tuple(picks), tuple(short))


def _available(workspace: Workspace) -> dict[tuple[str, str], list[dict[str, Any]]]:
    s, i, v, m = schema.sightings, schema.images, schema.verdicts, schema.measurements
    query = (
        select(
            s.c.sha256, s.c.brand, s.c.model, s.c.source, s.c.rank, s.c.spin_group, s.c.angle_deg,
            s.c.frame, i.c.width, i.c.height, v.c.verdict, m.c.sharpness,
        )
        .join(i, i.c.sha256 == s.c.sha256)
        .outerjoin(v, v.c.sha256 == s.c.sha256)
        .outerjoin(m, m.c.sha256 == s.c.sha256)
        .where(s.c.brand.is_not(None), s.c.model.is_not(None), i.c.format.is_not(None))
        .order_by(s.c.key)
    )  # fmt: skip
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with workspace.catalog.read() as connection:
        # A model that was asked for and brought nothing falls short of everything.
        asked = select(schema.pages.c.brand, schema.pages.c.model).distinct()
        for brand, model in connection.execute(asked):
            found[(brand, model)] = []
        for row in connection.execute(query):
            if row.verdict != "reject":
                found.setdefault((row.brand, row.model), []).append(dict(row._mapping))
    return found


def _fits(source: str, wanted: str) -> bool:
    return source == wanted or source.startswith(wanted + ":")


def _best(rows: Sequence[dict[str, Any]], wanted: int, taken: set[str]) -> list[str]:
    once = {row["sha256"]: row for row in rows if row["sha256"] not in taken}
    rows = list(once.values())
    turned = [row for row in rows if row["spin_group"]]
    ordered = _spread(turned, wanted) if turned else sorted(rows, key=_quality)
    return [row["sha256"] for row in ordered][:wanted]


def _quality(row: dict[str, Any]) -> tuple[float, float, int, str]:
    side = min(row["width"] or 0, row["height"] or 0, ENOUGH_PIXELS)
    return (-side, -(row["sharpness"] or 0.0), row["rank"] or 10**6, row["sha256"])


def _spread(rows: list[dict[str, Any]], wanted: int) -> list[dict[str, Any]]:
    """Take frames evenly over the turn, of all groups in turn."""
    rows = sorted(rows, key=lambda row: (row["angle_deg"] or row["frame"] or 0, row["spin_group"]))
    if len(rows) <= wanted:
        return rows
    chosen = [rows[n * len(rows) // wanted] for n in range(wanted)]
    return chosen
