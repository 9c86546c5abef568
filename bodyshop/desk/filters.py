"""What the desk is asked to show: read from the address bar, applied to the table. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

CHOICES = (
    "verdict", "reason", "label", "predicted", "split", "source", "origin", "brand", "model",
    "framing", "decision", "said", "gold", "placed", "cluster", "group", "sha256",
)  # fmt: skip
"""Columns of which one value, or several separated by ``|``, may be asked for; a sha256 by its
first `LEAST_DIGITS` digits or more."""

LEAST_DIGITS = 8
"""Of a sha256 that is asked for."""

FIGURES = {
    "p_car": "0.2..0.6", "sharpness": "..0.1", "disagreement": "0.5..", "width": "..640",
    "height": "..480",
}  # fmt: skip
"""Columns that can be limited, with an example, and, as those above, sorted by."""

MOST_CORNERS = 200
"""Of a polygon on the map."""

NOTHING = "-"
"""Stands for a picture without a value."""

_RANGE = re.compile(r"(-?[\d.]*)\.\.(-?[\d.]*)")


@dataclass(frozen=True)
class View:
    """One view of the set.

    Parameters
    ----------
    choices : Mapping of str to tuple of str
        Column -> accepted values.
    ranges : Mapping of str to (low, high)
        Column -> inclusive limits; None where open.
    text : str
        Words that have to occur in title, caption, query or address.
    sort : str
        Column; a ``-`` before it turns the order around. Empty: the catalog's order.
    area : tuple of (x, y)
        Corners of a polygon on the map, in which pictures have to lie.
    """

    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    text: str = ""
    sort: str = ""
    area: tuple[tuple[float, float], ...] = ()


def parse_view(query: Mapping[str, str]) -> View:
    """Read a view from the parameters of an address.

    Parameters
    ----------
    query : Mapping of str to str
        As in ``?verdict=reject&reason=blurry|near_duplicate&p_car=..0.5&sort=-sharpness``; what is
        no filter is left alone.

    Raises
    ------
    UsageError
        A limit is no number, or there is no such column to sort by.
    """
    choices = {name: tuple(query[name].split("|")) for name in CHOICES if query.get(name)}
    ranges = {name: _limits(name, query[name]) for name in FIGURES if query.get(name)}
    sort = query.get("sort", "")
    if sort and sort.removeprefix("-") not in (*CHOICES, *FIGURES, "file"):
        raise UsageError(
            f"there is no column '{sort}' to sort by",
            hint=f"one of {', '.join((*CHOICES, *FIGURES))}",
        )
    return View(choices, ranges, query.get("text", "").strip(), sort, _area(query.get("map", "")))


def apply_view(table: pa.Table, view: View) -> NDArray[np.int64]:
    """Return the rows that a view shows, in its order.

    Parameters
    ----------
    table : pyarrow.Table
        With columns as `bodyshop.desk.table.load_table` makes them.
    view : View
        What to show.

    Returns
    -------
    ndarray of int64
        Row numbers. Rows without a value come last, whatever the direction.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = pa.array(np.ones(len(table), bool))
    for name, values in view.choices.items():
        keep = pc.and_(keep, _has_one_of(table, name, values))
    for name, (low, high) in view.ranges.items():
        column = table[name]
        if low is not None:
            keep = pc.and_(keep, pc.fill_null(pc.greater_equal(column, low), False))
        if high is not None:
            keep = pc.and_(keep, pc.fill_null(pc.less_equal(column, high), False))
    for word in view.text.lower().split():
        keep = pc.and_(keep, pc.match_substring(table["words"], word))
    if view.area:
        keep = pc.and_(keep, pa.array(_inside(table, view.area)))
    rows = np.flatnonzero(np.asarray(keep))
    if view.sort and len(rows):
        name = view.sort.removeprefix("-")
        order = "descending" if view.sort.startswith("-") else "ascending"
        chosen = table.select([name]).take(pa.array(rows))
        rows = rows[np.asarray(pc.sort_indices(chosen, [(name, order)]))]
    return rows


def _inside(table: pa.Table, area: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Return whether each picture lies in a polygon, by the even-odd rule; one off the map not."""
    import numpy as np

    x, y = (table[name].to_numpy() for name in ("x", "y"))
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) and np.isnan(x).all():
        raise UsageError("the map is not laid out yet", hint="open it first (v)")
    inside = np.zeros(len(x), bool)
    for (x1, y1), (x2, y2) in zip(area, (*area[1:], area[0]), strict=True):
        if y1 != y2:
            crossed = (y1 > y) != (y2 > y)
            inside ^= crossed & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside


def _area(text: str) -> tuple[tuple[float, float], ...]:
    if not text:
        return ()
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"map={text[:40]}: not a list of numbers", hint="as x,y,x,y,x,y"
        ) from error
    corners = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    if len(numbers) % 2 or not 3 <= len(corners) <= MOST_CORNERS or not all(map(isfinite, numbers)):
        raise UsageError(f"map={text[:40]}: not a polygon", hint=f"of 3 to {MOST_CORNERS} corners")
    return corners


def _has_one_of(table: pa.Table, name: str, values: tuple[str, ...]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name == "reason":  # joined by ";"
        pattern = "|".join(f"(^|;){re.escape(value)}(;|$)" for value in values if value != NOTHING)
        found = pc.match_substring_regex(table["reasons"], pattern or "^$")
        empty = pc.equal(table["reasons"], "")
        return pc.or_(found, empty) if NOTHING in values else found
    given = [value for value in values if value != NOTHING]
    found = pc.is_in(table[name], pa.array(given, pa.string()))
    if name == "sha256":
        for start in given:
            if LEAST_DIGITS <= len(start) < 64:
                found = pc.or_(found, pc.starts_with(table[name], start))
    return pc.or_(found, pc.is_null(table[name])) if NOTHING in values else found


def _limits(name: str, text: str) -> tuple[float | None, float | None]:
    match = _RANGE.fullmatch(text)
    try:
        if match is None:
            return float(text), float(text)
        low, high = (float(each) if each else None for each in match.groups())
    except ValueError as error:
        raise UsageError(f"{name}={text}: not a range of numbers", hint="as 0.2..0.6") from error
    return low, high
