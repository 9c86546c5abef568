"""The `srcset` attribute, parsed as in browsers."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPACE = " \t\n\f\r"
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")


@dataclass(frozen=True)
class SrcsetEntry:
    """One entry of a srcset; at most one of `width` (pixels) and `density` is set."""

    url: str
    width: int | None = None
    density: float | None = None


def parse_srcset(text: str) -> list[SrcsetEntry]:
    """Parse a srcset attribute; an entry with an invalid descriptor is left out.

    An address may contain commas (parameters of image CDNs), so the text cannot simply be split.

    Parameters
    ----------
    text : str
        The attribute's value.

    Returns
    -------
    list of SrcsetEntry
        In the order of the text. Algorithm: HTML Standard, 4.8.4.3.10 "Parsing a srcset attribute".
    """
    found: list[SrcsetEntry] = []
    position, end = 0, len(text)
    while True:
        while position < end and text[position] in _SPACE + ",":
            position += 1
        if position >= end:
            return found
        start = position
        while position < end and text[position] not in _SPACE:
            position += 1
        url = text[start:position]
        descriptors: list[str] = []
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            descriptors, position = _descriptors(text, position)
        source = _source(url, descriptors)
        if source is not None:
            found.append(source)


def _descriptors(text: str, position: int) -> tuple[list[str], int]:
    """Split what follows an address at spaces, up to a comma outside parentheses."""
    found, current, depth = [], "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if depth == 0 and char == ",":
            break
        if depth == 0 and char in _SPACE:
            found.append(current)
            current = ""
            continue
        depth += (char == "(") - (char == ")" and depth > 0)
        current += char
    found.append(current)
    return [each for each in found if each], position


def _source(url: str, descriptors: list[str]) -> SrcsetEntry | None:
    width: int | None = None
    density: float | None = None
    height = False
    for each in descriptors:
        number, unit = each[:-1], each[-1]
        if unit == "w" and number.isascii() and number.isdigit():
            if width is not None or density is not None or int(number) == 0:
                return None
            width = int(number)
        elif unit == "x" and _NUMBER.match(number):
            if width is not None or density is not None or height or float(number) < 0:
                return None
            density = float(number)
        elif unit == "h" and number.isascii() and number.isdigit() and int(number) > 0:
            if height or density is not None:
                return None
            height = True
        else:
            return None
    if height and width is None:
        return None
    return SrcsetEntry(url, width, density) if url else None
