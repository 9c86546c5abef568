"""Pictures that a page lists as JSON: in data attributes, ``__NEXT_DATA__`` and similar states."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from collector.weburl import is_web_address

MAX_PICTURES = 2000
MAX_DAMAGED = 4_000_000
"""Characters of a text that is no JSON in which picture addresses are looked for."""
_MAX_DEPTH = 60  # deeper nesting is an attack
_MOST_SIZES = 12
"""An object with more addresses is a list of pictures, not one picture in several sizes."""

_PICTURE = re.compile(
    r"^(?:https?:/)?/?\.{0,2}/(?=[^\s<>\"]*+$)[^\s<>\"{}]+?"
    r"\.(?:jpe?g|jfif|png|webp|avif|tiff?|jp2|jxl)(?=[?#&]|$)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)("?)', re.DOTALL)
"""A string; one without its end takes all the rest, so that no character is read twice."""
_OTHER_USE = re.compile(r"logo|icon|avatar|sprite|placeholder|flag|badge|blur", re.IGNORECASE)
_LARGE = ("orig", "full", "max", "zoom", "master", "hires", "high", "xl", "large", "big", "2x")
_SMALL = ("thumb", "small", "preview", "mini", "tiny", "low", "xs", "sm", "medium")


def json_items(entry: dict[str, str], base: str) -> list[dict[str, Any]]:
    """Return the pictures of a JSON text as items for `pictures_of`.

    Parameters
    ----------
    entry : dict
        ``text``: JSON, possibly followed by something else, or damaged; ``selector``: its element.
    base : str
        The page's address.
    """
    blank: dict[str, Any] = {
        "kind": "json", "srcsets": [], "rest": [], "seen": [], "base": base, "shown": None,
        "alt": "", "caption": "", "selector": entry["selector"],
    }  # fmt: skip
    return [
        blank | {"url_candidates": [{"name": "json", "url": url} for url in urls]}
        for urls in json_pictures(entry["text"], base)
    ]


def json_pictures(text: str, base: str) -> list[list[str]]:
    """Return the addresses of each picture in a JSON text, the largest size first.

    Addresses in one object are sizes of one picture if their keys say so (``url``,
    ``preview_url``), and are sorted by them.

    Parameters
    ----------
    text : str
        JSON; what follows the first value is ignored. Of a text that is no JSON every quoted
        picture address counts by itself.
    base : str
        What relative addresses are resolved against.
    """
    try:
        data, _ = json.JSONDecoder().raw_decode(text.strip())
        found = list(_pictures_in(data, base))
    except (ValueError, RecursionError):
        found = list(_quoted_in(text[:MAX_DAMAGED], base))
    once = dict.fromkeys(tuple(dict.fromkeys(urls)) for urls in found)
    return [list(urls) for urls in once][:MAX_PICTURES]


def _quoted_in(text: str, base: str) -> Iterator[list[str]]:
    for match in _QUOTED.finditer(text):
        if match[2] and (url := _address(match[1].replace("\\/", "/"), base)):
            yield [url]


def _pictures_in(node: Any, base: str, depth: int = 0) -> Iterator[list[str]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(node, list):
        for each in node:
            if isinstance(each, str):
                if url := _address(each, base):
                    yield [url]
            else:
                yield from _pictures_in(each, base, depth + 1)
        return
    if not isinstance(node, dict):
        return
    usable = {key: value for key, value in node.items() if not _OTHER_USE.search(str(key))}
    sizes = [
        (_rank(str(key)), url)
        for key, value in usable.items()
        if isinstance(value, str) and (url := _address(value, base))
    ]
    plain = sum(rank == 1 for rank, _ in sizes)
    if 0 < len(sizes) <= _MOST_SIZES and plain < 2:
        yield [url for _, url in sorted(sizes, key=lambda size: size[0])]
    else:  # front and rear, not large and small
        yield from ([url] for _, url in sizes)
    for value in usable.values():
        if isinstance(value, dict | list):
            yield from _pictures_in(value, base, depth + 1)


def _rank(key: str) -> int:
    key = key.lower()
    if "fullscreen" in key:  # beside an `original`, which is what the page shows
        return -1
    if any(word in key for word in _SMALL):
        return 2
    return 0 if any(word in key for word in _LARGE) else 1


def _address(value: str, base: str) -> str:
    if len(value) > 2000 or not _PICTURE.match(value):
        return ""
    try:
        url = urljoin(base, value)
    except ValueError:  # "http://["
        return ""
    return url if is_web_address(url) else ""
