"""From what a page shows to the candidate addresses of the original.

Order: recipe rule, link around the picture, full-size attributes, best of the srcsets, lazy-loading
attributes, what the browser showed. An address that is rewritten by the rules of an image CDN
(`full_size`), and one that elements with different pictures share, come last and are marked as
unproven: the downloader accepts them only if the picture is larger and is the same picture.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from collector.candidate import REWRITTEN, UrlCandidate
from collector.sources.full_size import original_addresses
from collector.sources.shared_addresses import grouped
from collector.sources.srcset import parse_srcset
from collector.weburl import is_web_address, url_key

_SAME_SHAPE = 0.03
"""Two sizes of one picture may differ by this part in their aspect ratio."""

_EARLIER = "earlier"
_DISPLAYED = frozenset({"current_src", "src", "css", "poster", "svg_image", "earlier_src"})
_LAZY = frozenset({"data_src", "srcset"})
FULL_SIZE = frozenset({"parent_link", "data_full", "srcset"})
"""Rungs by which the page itself names a larger picture than it shows."""

_PREVIEW_HOST = re.compile(
    r"encrypted-tbn\d*\.gstatic\.com|(?:[\w.-]+\.)?(?:mm|explicit)\.bing\.net|th\.bing\.com"
)


@dataclass
class PagePicture:
    """A picture of a page: the candidate addresses of its original, and its size in the page.

    Parameters
    ----------
    url_candidates : list of UrlCandidate
        Best first.
    claimed : set of str
        `url_key` of every address that belongs to this picture, also of those that are not tried.
    shown : tuple of int, optional
        Width and height in pixels, of what the page showed or says that it has.
    icon : bool
        The page gives it the size of an icon or tracking pixel, wherever it shows it.
    """

    url_candidates: list[UrlCandidate]
    claimed: set[str] = field(default_factory=set)
    shown: tuple[int, int] | None = None
    alt: str = ""
    caption: str = ""
    kind: str = "img"
    selector: str = ""
    icon: bool = False

    @property
    def displayed(self) -> set[str]:
        """`url_key` of what the element itself shows; its other addresses are what it names."""
        return {url_key(each.url) for each in self.url_candidates if each.name in _DISPLAYED}

    @property
    def displayed_for_good(self) -> set[str]:
        """`displayed`, unless the element may show a placeholder until its picture is loaded."""
        lazy = any(each.name in _LAZY for each in self.url_candidates)
        return set() if lazy else self.displayed

    def doubt(self, contested: Set[str]) -> None:
        """Take back the claim to addresses that elements with different pictures share.

        An element that shows such an address and names another one shows a placeholder: it is
        dropped. One that names it (a link around several pictures) keeps it as an unproven
        candidate after its own.
        """
        own = [each for each in self.url_candidates if url_key(each.url) not in contested]
        if not own or len(own) == len(self.url_candidates):
            return
        if self.displayed & contested:
            self.shown = None  # the size of a placeholder
        shared = [
            UrlCandidate(each.name, each.url, unproven=True)
            for each in self.url_candidates
            if url_key(each.url) in contested and each.name not in _DISPLAYED
        ]
        self.url_candidates = [*own, *shared]

    def is_small(self, min_side: int) -> bool:
        """Return whether this is known to be too small, and has no other address."""
        if self.shown is None or min(self.shown) >= min_side:
            return False
        return all(
            url_candidate.name in {"current_src", "src", "css"}
            and not original_addresses(url_candidate.url)
            for url_candidate in self.url_candidates
        )


def pictures_of(items: Iterable[dict[str, Any]]) -> list[PagePicture]:
    """Convert the items of the in-page script into pictures; elements of one picture are merged.

    An address that elements with different pictures share (a placeholder, an icon, a link around
    several pictures) merges none of them.

    Parameters
    ----------
    items : iterable of dict
        ``items`` of ``T.collect()``.
    """
    pictures: list[PagePicture] = []
    earlier: Counter[str] = Counter()
    for item in items:
        found = _of_item(item)
        pictures += found
        if len(found) == 2 and found[1].kind == _EARLIER:
            earlier.update(found[1].claimed)
    # What several elements showed first, and nothing else before their picture, is a placeholder.
    pictures = [
        each
        for each in pictures
        if each.kind != _EARLIER or all(earlier[key] < 2 for key in each.claimed)
    ]
    groups, contested = grouped([(each.claimed, each.displayed_for_good) for each in pictures])
    merged: list[PagePicture] = []
    for group in groups:
        first, *others = (pictures[place] for place in group)
        for other in others:
            _merge(first, other)
        merged.append(first)
    if contested:
        for picture in merged:
            picture.doubt(contested)
    return merged


def with_rewrites(url_candidates: Sequence[UrlCandidate]) -> tuple[UrlCandidate, ...]:
    """Append the addresses at which an image CDN may serve the original, as unproven candidates."""
    proven = [each for each in url_candidates if not each.unproven]
    found = {each.url: each for each in url_candidates}
    ordered = {each.url: each for each in proven}
    for each in url_candidates:
        for url in original_addresses(each.url):
            if url not in found:
                ordered.setdefault(url, UrlCandidate(REWRITTEN, url, unproven=True))
    for each in url_candidates:
        ordered.setdefault(each.url, each)
    return tuple(ordered.values())


def is_preview_host(name: str) -> bool:
    """Return whether a host is known to serve only previews of an image search."""
    return _PREVIEW_HOST.fullmatch(name) is not None


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two sizes may belong to one picture; the sides of both are rounded."""
    a, b = one[0] / max(one[1], 1), other[0] / max(other[1], 1)
    rounded = max(0.5 / max(width, 1) + 0.5 / max(height, 1) for width, height in (one, other))
    return abs(a - b) <= max(_SAME_SHAPE, rounded) * max(a, b)


def _of_item(item: dict[str, Any]) -> list[PagePicture]:
    url_candidates = [
        UrlCandidate(each["name"], each["url"], unproven=each.get("unproven", False))
        for each in item["url_candidates"]
        if is_web_address(each["url"])
    ]
    rest = [
        UrlCandidate(each["name"], each["url"])
        for each in item["rest"]
        if is_web_address(each["url"])
    ]
    chosen = {url_candidate.url for url_candidate in rest if url_candidate.name == "current_src"}
    best, offered, width = _best_of(item["srcsets"], item["base"], chosen)
    by_url: dict[str, UrlCandidate] = {}
    for url_candidate in [*url_candidates, *best, *rest]:
        by_url.setdefault(url_candidate.url, url_candidate)
    ordered = list(by_url.values())
    if not ordered:
        return []
    shown = (int(item["shown"][0]), int(item["shown"][1])) if item.get("shown") else None
    if shown is not None and width > shown[0]:
        shown = (width, round(shown[1] * width / shown[0]))
    claimed = {url_key(url_candidate.url) for url_candidate in ordered} | {
        url_key(url) for url in offered
    }
    texts = (item["alt"], item["caption"])
    picture = PagePicture(ordered, claimed, shown, *texts, item["kind"], item["selector"])
    picture.icon = item.get("icon", False)
    return [picture, *_earlier(item, picture)]


def _earlier(item: dict[str, Any], picture: PagePicture) -> list[PagePicture]:
    """Separate what the element showed before: pictures of a carousel, no placeholders."""
    others = []
    for seen in item["seen"]:
        if not is_web_address(seen["url"]):
            continue
        key = url_key(seen["url"])
        if key in picture.claimed:
            continue
        size = (int(seen["size"][0]), int(seen["size"][1]))
        smaller = picture.shown is None or size[0] * size[1] < picture.shown[0] * picture.shown[1]
        if smaller and (picture.shown is None or same_shape(size, picture.shown)):
            picture.claimed.add(key)  # a placeholder or preview of the same picture
        else:
            url_candidate = UrlCandidate("earlier_src", seen["url"])
            texts = (item["alt"], item["caption"])
            others.append(
                PagePicture([url_candidate], {key}, size, *texts, _EARLIER, item["selector"])
            )
    return others


def _best_of(
    srcsets: list[dict[str, str]], base: str, chosen: set[str]
) -> tuple[list[UrlCandidate], list[str], int]:
    """Return the largest entry of all srcsets, every address in them, and its width.

    The width is that of the page, 0 if it has none.

    Where no widths are given, the one the browser itself chose for a large window comes first, and
    a JPEG before the WebP or AVIF that was made from it.
    """
    offered: list[tuple[float, float, bool, bool, int, str]] = []
    for place, srcset in enumerate(srcsets):
        derived = srcset["type"] in {"image/webp", "image/avif"}
        for source in parse_srcset(srcset["value"]):
            try:
                url = urljoin(base, source.url)
            except ValueError:  # "http://["
                continue
            if is_web_address(url):
                size = (source.width or 0, source.density or 1)
                offered.append((*size, url in chosen, not derived, -place, url))
    if not offered:
        return [], [], 0
    largest = max(offered)
    return [UrlCandidate("srcset", largest[-1])], [each[-1] for each in offered], int(largest[0])


def _merge(known: PagePicture, other: PagePicture) -> None:
    """Merge two elements with the same picture; the better addresses come first."""
    have = {url_candidate.url for url_candidate in known.url_candidates}
    new = [url_candidate for url_candidate in other.url_candidates if url_candidate.url not in have]
    known.url_candidates = sorted(
        [*known.url_candidates, *new], key=lambda url_candidate: _ORDER.get(url_candidate.name, 5)
    )
    known.claimed |= other.claimed
    known.alt = known.alt or other.alt
    known.caption = known.caption or other.caption
    known.selector = known.selector or other.selector
    known.icon = known.icon and other.icon
    sizes = [size for size in (known.shown, other.shown) if size is not None]
    known.shown = max(sizes, key=lambda size: size[0] * size[1]) if sizes else None


_ORDER = {
    "metadata": 0, "preview": 0, "parent_link": 1, "data_full": 2, "srcset": 3, "json_ld": 4,
    "json": 4, "og_image": 4, "data_src": 5, "current_src": 6, "src": 7, "css": 7,
}  # fmt: skip
