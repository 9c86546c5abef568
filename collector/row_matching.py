"""Rows of a table that name files in another way: other case, no suffix, another machine's path."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bodyshop_core.imaging.types import SUFFIXES


@dataclass
class LooseMatches:
    """What rows mean that fit no file letter by letter.

    Parameters
    ----------
    row_of : dict
        File -> row, where both are each other's only choice.
    ambiguous : dict
        Row -> the files, or longer rows, between which nothing decides.
    """

    row_of: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)


def loose_matches(
    rows: Iterable[str], files: Sequence[str], above: Sequence[str], every_row: Collection[str]
) -> LooseMatches:
    """Match rows with files without regard to case, picture suffix or what is above the root.

    ``P0.JPG`` and ``p0`` mean ``images/p0.jpg`` if no other file could be meant, and
    ``C:/Users/me/set/images/p0.jpg`` does if the root's name is ``set``: a path that does not pass
    the root's name says nothing about files below it.

    Parameters
    ----------
    rows : iterable of str
        Normal names (``/`` between parts) that fit no file.
    files : sequence of str
        Names below the root that no row means yet.
    above : sequence of str
        Parts of the root's own path.
    every_row : collection of str
        Of the table: a short row means nothing if a longer one ends as it does and means another
        place.
    """
    wanted: dict[str, list[str]] = {}
    for row in rows:
        wanted.setdefault(_folded(row), []).append(row)
    longer: dict[str, list[str]] = {}
    for row in every_row:
        for end in ends(PurePosixPath(_folded(row)).parts[1:]):
            if end in wanted:
                longer.setdefault(end, []).append(row)
    below: dict[str, list[str]] = {}
    for name in files:
        below.setdefault(_folded("/".join((*above[-1:], name))), []).append(name)
    found: dict[str, list[str]] = {}
    for name in files:
        folded = PurePosixPath(_folded(name)).parts
        for end in ends((*(part.casefold() for part in above), *folded)):
            for row in wanted.get(end, ()):
                if _suffixes_agree(row, name):
                    found.setdefault(row, []).append(name)
    for folded_row, same in wanted.items():
        for end in ends(PurePosixPath(folded_row).parts):
            for row in same if end in below else ():
                fitting = [name for name in below[end] if _suffixes_agree(row, name)]
                found[row] = [*found.get(row, []), *fitting]
    return _decided(found, longer)


def ends(parts: Sequence[str]) -> Iterable[str]:
    """Return a path and its ends, the longest first."""
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _decided(found: Mapping[str, list[str]], longer: Mapping[str, list[str]]) -> LooseMatches:
    matches = LooseMatches()
    rows_of: dict[str, list[str]] = {}
    for row, names in found.items():
        chosen = list(dict.fromkeys(names))
        others = [each for each in longer.get(_folded(row), ()) if each != row]
        if len(chosen) > 1 or others:
            matches.ambiguous[row] = [*chosen, *others]
        elif chosen:
            rows_of.setdefault(chosen[0], []).append(row)
    for name, rows in rows_of.items():
        if len(rows) == 1:
            matches.row_of[name] = rows[0]
        else:
            matches.ambiguous |= {row: [name, *(one for one in rows if one != row)] for row in rows}
    return matches


def _folded(name: str) -> str:
    path = PurePosixPath(name.casefold())
    return str(path.with_suffix("")) if path.suffix in SUFFIXES else str(path)


def _suffixes_agree(row: str, name: str) -> bool:
    """Return whether a row has no picture's suffix, or the file's."""
    own = PurePosixPath(row).suffix.casefold()
    return own not in SUFFIXES or own == PurePosixPath(name).suffix.casefold()
