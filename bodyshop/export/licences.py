"""Which pictures may be passed on, and whom to name for them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bodyshop_core.catalog import nfc, schema
from bodyshop_core.errors import UsageError

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

CODES = ("cc0", "pdm", "by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
"""Of Creative Commons, as Openverse writes them."""

ATTRIBUTION = "ATTRIBUTION.txt"

MOST_TEXT = 300

# https://creativecommons.org/licenses/by-sa/3.0/de/deed.en?ref=openverse
_ADDRESS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org"
    r"/(?:licenses/(?P<code>by[a-z-]*)|publicdomain/(?P<free>zero|mark))"
    r"(?:/\d\.\d(?:/(?:[a-z]{2}|igo|scotland))?)?"
    r"(?:/(?:deed|legalcode)(?:\.[a-z]{2,3}(?:[-_][a-z0-9]{2,8})?)?)?/?(?:[?#]\S*)?"
)
_SPELLED = (
    ("attribution", "by"), ("share alike", "sa"), ("sharealike", "sa"),
    ("non commercial", "nc"), ("noncommercial", "nc"), ("no derivatives", "nd"),
    ("noderivatives", "nd"), ("noderivs", "nd"), ("no derivs", "nd"),
)  # fmt: skip
_NAME = re.compile(
    r"(?:cc )?(?P<code>by(?: nc)?(?: sa| nd)?)"
    # A port is of a country ("DE"); "NC" and the like would be a condition.
    r"(?: \d\.\d(?: (?!nc|nd|sa)(?:[a-z]{2}|igo|scotland))?)?"
    r"(?: (?:international|unported|generic))?(?: licen[cs]e)?"
)
_FREE = re.compile(
    r"(?:cc ?0|cc zero|(?P<mark>(?:cc )?(?:pdm|public domain(?: mark)?)))(?: 1\.0)?(?: universal)?"
)
_RESERVED = re.compile(r"all\s+rights\s+reserved|alle\s+rechte\s+vorbehalten", re.IGNORECASE)


@dataclass(frozen=True)
class Credit:
    """Whom to name for a picture; texts are those of web pages, on one line.

    Parameters
    ----------
    author, title, source : str
        Empty where none was found; the source is the page, or else the picture's own address.
    licence : str
        As stated.
    """

    author: str
    title: str
    source: str
    licence: str


@dataclass(frozen=True)
class Permitted:
    """Which pictures a choice of licences lets through.

    Parameters
    ----------
    credits : mapping
        sha256 -> whom to name.
    refused : mapping
        sha256 -> why.
    """

    credits: Mapping[str, Credit]
    refused: Mapping[str, str]


def licence_code(text: str) -> str | None:
    """Return which of `CODES` a text names; None for another licence.

    Only the whole text counts: "not CC BY" is none, nor is an address with words behind it.
    Addresses, short names ("CC BY-SA 4.0"), codes ("by-sa") and names that are spelled out after
    "CC" or "Creative Commons" ("Creative Commons Attribution 4.0") are read.
    """
    text = nfc(text).strip().lower()
    found = _ADDRESS.fullmatch(text)
    if found:
        code = found["code"] or {"zero": "cc0", "mark": "pdm"}[found["free"]]
        return code if code in CODES else None
    words = " ".join(re.sub(r"[\s_,-]+", " ", text).split())
    words = words.replace("creative commons", "cc")
    if words.startswith("cc "):
        for long, short in _SPELLED:
            words = words.replace(long, short)
    free = _FREE.fullmatch(words)
    if free:
        return "pdm" if free["mark"] else "cc0"
    named = _NAME.fullmatch(words)
    code = named["code"].replace(" ", "-") if named else None
    return code if code in CODES else None


def read_licences(text: str | None) -> tuple[str, ...]:
    """Return what ``--licence cc0,by,by-sa`` allows: codes, or other licences as they are stated.

    Raises
    ------
    UsageError
        It names nothing.
    """
    if text is None:
        return ()
    named = tuple(dict.fromkeys(_key(word) for word in text.split(",") if word.strip()))
    if not named:
        raise UsageError("--licence names none", hint="such as --licence cc0,by,by-sa")
    return named


def permitted(
    workspace: Workspace, pictures: Collection[str], allowed: Collection[str]
) -> Permitted:
    """Decide which pictures may be passed on.

    A picture needs a licence, and every licence that was found for it has to be allowed: one that
    is by-sa on one page and by-nc on another is refused. So is one whose own metadata reserve all
    rights.

    Parameters
    ----------
    workspace : Workspace
        Its sightings tell.
    pictures : collection of str
        sha256.
    allowed : collection of str
        From `read_licences`.
    """
    sightings, images = schema.sightings, schema.images
    columns = ("sha256", "licence", "author", "page_title", "caption", "alt", "page_url", "url",
               "file")  # fmt: skip
    query = select(*(sightings.c[name] for name in columns)).order_by(
        sightings.c.fetched_at, sightings.c.key
    )
    seen: dict[str, list[Any]] = {}
    with workspace.catalog.read() as connection:
        for row in connection.execute(query):
            seen.setdefault(row.sha256, []).append(row)
        own = {
            row.sha256: row
            for row in connection.execute(
                select(images.c.sha256, images.c.artist, images.c.copyright)
            )
        }
    wanted, credits, refused = set(allowed), {}, {}
    for sha256 in pictures:
        stated = [row for row in seen.get(sha256, ()) if row.licence]
        others = sorted({_line(row.licence) for row in stated if _key(row.licence) not in wanted})
        rights = own[sha256].copyright or "" if sha256 in own else ""
        if not stated:
            refused[sha256] = "no licence was found"
        elif others:
            refused[sha256] = f"licence {others[0]}"
        elif _RESERVED.search(rights):
            refused[sha256] = "its own metadata reserve all rights"
        else:
            credits[sha256] = _credit(stated[0], own[sha256].artist or rights)
    return Permitted(credits, refused)


def attribution(credits: Mapping[str, Credit], *, changed: str) -> str:
    """Return the text of `ATTRIBUTION`: title, author, source and licence of every picture.

    Parameters
    ----------
    credits : mapping
        sha256 -> whom to name; file names of an export hold the sha256.
    changed : str
        What was done to the pictures, one sentence; Creative Commons asks for it.
    """
    lines = ["Pictures by sha256, which is a part of each file's name.", changed, ""]
    for sha256, credit in sorted(credits.items()):
        lines += [
            sha256,
            f"  title: {credit.title or 'not stated'}",
            f"  author: {credit.author or 'not stated'}",
            f"  source: {credit.source or 'not stated'}",
            f"  licence: {credit.licence}{_deed(credit.licence)}",
            "",
        ]
    return "\n".join(lines)


def _credit(row: Any, artist: str) -> Credit:
    # Of a path only the name: where it lay is nobody else's business.
    name = PurePosixPath(PureWindowsPath(row.file or "").name).name
    title = row.page_title or row.caption or row.alt or name
    return Credit(
        _line(row.author or artist), _line(title), _line(row.page_url or row.url or ""),
        _line(row.licence),
    )  # fmt: skip


def _key(licence: str) -> str:
    return licence_code(licence) or nfc(licence).strip().casefold()


def _deed(licence: str) -> str:
    """Return the address of a Creative Commons licence that is stated by its name."""
    code = licence_code(licence)
    if code is None or "creativecommons.org" in licence.lower():
        return ""
    if code in ("cc0", "pdm"):
        place = {"cc0": "zero", "pdm": "mark"}[code]
        return f", https://creativecommons.org/publicdomain/{place}/1.0/"
    version = re.search(r"\d\.\d", licence)
    return f", https://creativecommons.org/licenses/{code}/{version[0]}/" if version else ""


def _line(text: str) -> str:
    """Return a text of a web page on one line, without control characters."""
    clean = "".join(c if c.isprintable() else " " for c in nfc(text))
    return " ".join(clean.split())[:MOST_TEXT]


def count_reasons(refused: Iterable[str]) -> dict[str, int]:
    """Return reason -> pictures, the most frequent first."""
    from collections import Counter

    return dict(Counter(refused).most_common())
