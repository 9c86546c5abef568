"""A fixed number of pictures per model from a fixed mix of sources, as studies choose them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import select

from bodyshop_core import atomic
from bodyshop_core.catalog import schema
from bodyshop_core.errors import UsageError
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace

ENOUGH_PIXELS = 1000
"""A shorter side above this makes a picture no better for training."""


@dataclass(frozen=True)
class Pick:
    """One chosen picture."""

    sha256: str
    brand: str
    model: str
    source: str
    place: int


@dataclass(frozen=True)
class Shortfall:
    """A source that has fewer pictures of a model than the mix asks for."""

    brand: str
    model: str
    source: str
    chosen: int
    wanted: int


@dataclass(frozen=True)
class MixSummary(Summary):
    """What was chosen and what is missing.

    Parameters
    ----------
    picks : tuple of Pick
        By brand, model, source and quality.
    short : tuple of Shortfall
        Where a source has fewer pictures than the mix asks for.
    """

    picks: tuple[Pick, ...]
    short: tuple[Shortfall, ...]

    columns: ClassVar[tuple[str, ...]] = ("brand", "model", "source", "chosen", "wanted")
    derived: ClassVar[tuple[str, ...]] = ("chosen",)
    hidden: ClassVar[tuple[str, ...]] = ("picks",)

    @property
    def chosen(self) -> int:
        """Pictures chosen."""
        return len(self.picks)

    def rows(self) -> list[tuple[str, str, str, int, int]]:
        """Return a table of the shortfalls."""
        return [(e.brand, e.model, e.source, e.chosen, e.wanted) for e in self.short]

    def write(self, path: Path | str) -> None:
        """Write the picks as CSV: sha256, brand, model, source, place."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("sha256", "brand", "model", "source", "place"))
        writer.writerows((p.sha256, p.brand, p.model, p.source, p.place) for p in self.picks)
        atomic.write_text(Path(path), text.getvalue())


def parse_mix(text: str, *, per_class: int | None = None) -> dict[str, int]:
    """Parse ``spinner=120,search=180``; `per_class`, if given, must be the sum.

    Raises
    ------
    UsageError
        The text is not a mix, or the sum is another.
    """
    mix: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = part.strip().partition("=")
        if not equals or not name or not number.isdigit() or int(number) == 0 or name in mix:
            raise UsageError(
                f"invalid mix {text!r}: it is written like spinner=120,search=180",
                hint="sources: spinner, spinner:angles, pages, search, search:bing, openverse, "
                "commons, urls",
            )
        mix[name] = int(number)
    _check_sum(mix, per_class)
    return mix


def _check_sum(mix: Mapping[str, int], per_class: int | None) -> None:
    if per_class is not None and sum(mix.values()) != per_class:
        raise UsageError(
            f"the sum of the mix is {sum(mix.values())}, but {per_class} per class are required"
        )


def select_mix(
    workspace: Workspace, *, mix: Mapping[str, int] | str, per_class: int | None = None
) -> MixSummary:
    """Choose pictures per model by source and quality.

    A picture counts once, for the first source of the mix that has it. Pictures that curate
    rejected are left out. Of a search, the larger and sharper pictures are chosen first, then those
    of better rank; of spinners, the frames are spread evenly over the angles.

    Parameters
    ----------
    workspace : Workspace
        Collected, and preferably curated.
    mix : Mapping or str
        Source -> pictures per model; ``search`` covers every engine.
    per_class : int, optional
        Pictures per model over all sources; by default the sum of the mix. If a source has too few,
        the others do *not* replace them, because that would change the mix.

    Returns
    -------
    MixSummary
        The choice, and where the collection has too few pictures.

    Raises
    ------
    UsageError
        The sum of the mix is not `per_class`.
    """
    mix = parse_mix(mix) if isinstance(mix, str) else dict(mix)
    _check_sum(mix, per_class)
    available = _available(workspace)
    picks: list[Pick] = []
    short: list[Shortfall] = []
    for (brand, model), rows in sorted(available.items()):
        taken: set[str] = set()
        for source, wanted in mix.items():
            fitting = [row for row in rows if _fits(row["source"], source)]
            chosen = _best(fitting, wanted, taken)
            taken.update(chosen)
            picks += [Pick(sha, brand, model, source, n) for n, sha in enumerate(chosen, 1)]
            if len(chosen) < wanted:
                short.append(Shortfall(brand, model, source, len(chosen), wanted))
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
        # A model that was asked for and has no picture misses every source.
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
