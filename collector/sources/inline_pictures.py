"""Pictures that a page contains itself, as ``data:image/...;base64`` in an element or a style."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from collector.brands import CrawlLimits
from collector.browser import Browser
from collector.candidate import Find, Task, UrlCandidate
from collector.sources.source import OpenedPage

NAME = "inline"
MOST_BYTES = 64 << 20
"""Of the pictures in one page; they pass through the browser's driver."""


@dataclass
class InlinePictures:
    """What a page contains itself, while it is open.

    Parameters
    ----------
    finds : list of Find
        With their bytes.
    lacks : list of str
        What was left out, and why.
    """

    finds: list[Find] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)


def inline_pictures(
    browser: Browser, task: Task, page: OpenedPage, limits: CrawlLimits, *, room: int, title: str
) -> InlinePictures:
    """Take the pictures in the page itself; icons, placeholders, previews and patterns are none.

    Parameters
    ----------
    browser : Browser
        With the page open.
    room : int
        Most pictures.
    title : str
        The page's.
    """
    asked = {
        "side": limits.min_side, "count": max(0, room), "seconds": browser.left / 2,
        "most": _characters(limits.max_bytes), "all": _characters(MOST_BYTES),
    }  # fmt: skip
    content = browser.await_("T.inline(given[0])", asked)
    found = InlinePictures()
    left = int(content["left"])
    for place, (facts, data) in enumerate(_with_bytes(browser, content["pictures"]), 1):
        if data is None or len(data) > limits.max_bytes:
            left += 1
            continue
        # The same picture has the same address in every crawl, wherever it is in the page.
        address = f"{page.url.partition('#')[0]}#{NAME}={hashlib.sha256(data).hexdigest()[:16]}"
        candidate = task.candidate(
            (UrlCandidate(NAME, address),), page_url=page.url, page_title=title, rank=place,
            alt=str(facts["alt"]), selector=str(facts["selector"]),
            shown=(int(facts["size"][0]), int(facts["size"][1])),
            capture=NAME, permission=page.permission,
        )  # fmt: skip
        found.finds.append(Find(candidate, data))
    if left:
        found.lacks.append(
            f"{left} pictures in the page itself (data:) are too large, too many or unreadable"
        )
    return found


def decoded(address: object) -> bytes | None:
    """Return the bytes of a ``data:`` address in base64; None if it is none."""
    if not isinstance(address, str) or address[:11].lower() != "data:image/":
        return None
    head, _, body = address.partition(",")
    if not head.lower().endswith(";base64"):
        return None
    text = b"".join(unquote_to_bytes(body).split())
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return None


def _with_bytes(
    browser: Browser, pictures: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], bytes | None]]:
    for place, facts in enumerate(pictures):
        yield facts, decoded(browser.run("return T.inlineText(arguments[0])", place))


def _characters(size: int) -> int:
    """Return the length of a ``data:`` address with so many bytes."""
    return 4 * size // 3 + 100
