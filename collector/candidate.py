"""The data that sources, scheduler and ledger exchange."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from collector.weburl import is_web_address, url_key

REWRITTEN = "cdn_rewrite"
"""Name of an address that follows from another one by the rules of an image service."""

ALSO_ON = "also_on"
"""Of the ledger's details of a candidate: keys of further pages that show it."""

_TEXTS = {"page_title", "alt", "caption", "selector", "licence", "author"}


@dataclass(frozen=True)
class UrlCandidate:
    """One address that may have the full-size picture, and how it was found.

    Parameters
    ----------
    unproven : bool
        It may lead to another picture: it is only used if the picture there is larger than that of
        another address and looks the same.
    """

    name: str
    url: str
    unproven: bool = False


@dataclass(frozen=True)
class Candidate:
    """A picture that was found, before it is downloaded.

    Parameters
    ----------
    url_candidates : tuple of UrlCandidate
        Addresses in the order in which they are tried; the largest picture is kept.
    source : str
        ``pages``, ``spinner``, ``search:<engine>``, ``urls``, ``openverse``, ``commons``.
    page_url : str
        The page that shows it; for a search result the page of origin.
    brand, model, label, query, rank
        What the picture is said to show, and the search and its rank.
    selector : str
        CSS path of the element; `` >>> `` leads into a shadow root or frame.
    shown : tuple of int, optional
        Width and height in pixels of what the page itself showed; the full-size picture is at
        least as large.
    icon : bool
        The page shows it in the size of an icon or tracking pixel: no picture is missing without
        it.
    spin_group, frame, frames, angle_deg
        Of a 360° viewer: group, number from 0, number of frames, angle to the first frame in
        degrees.
    sense : str, optional
        Which way the car turns from frame to frame, seen from above: ``ccw`` or ``cw``; None if
        that is not known.
    capture : str
        ``bytes``: as the server sends it; ``panorama``: the same, seen from inside;
        ``canvas``, ``screenshot`` or ``sprite``: captured from the page; ``inline``: the bytes
        are in the page itself, and the fragment of the address is their digest.
    thumbnail_hosts : tuple of str
        Hosts that serve previews only.
    permission : dict
        What the page says about its use.
    override : bool
        The user decided to download it although robots.txt forbids it.
    """

    url_candidates: tuple[UrlCandidate, ...]
    source: str
    page_url: str
    brand: str
    model: str
    label: str | None = None
    query: str | None = None
    rank: int | None = None
    page_title: str = ""
    alt: str = ""
    caption: str = ""
    selector: str = ""
    shown: tuple[int, int] | None = None
    icon: bool = False
    spin_group: str | None = None
    frame: int | None = None
    frames: int | None = None
    angle_deg: float | None = None
    sense: str | None = None
    capture: str = "bytes"
    licence: str = ""
    author: str = ""
    thumbnail_hosts: tuple[str, ...] = ()
    recipe_version: str = ""
    permission: dict[str, Any] = field(default_factory=dict)
    override: bool = False

    @property
    def url(self) -> str:
        """The address that is tried first, as found."""
        return self.url_candidates[0].url

    @property
    def address(self) -> str:
        """Digest of the address that is tried first, the same for every spelling of it."""
        return digest(url_key(self.url))

    @cached_property
    def key(self) -> str:
        """Digest that identifies the candidate: the same find has the same key in every crawl.

        A page that names a larger picture behind a known thumbnail has found something else.
        """
        behind = [
            url_key(each.url)
            for each in self.url_candidates
            if each.unproven and each.name != REWRITTEN
        ]
        behind += [self.url] if self.capture == "inline" else []
        return digest(
            url_key(self.url), self.source, self.page_url if self.spin_group else "", self.brand,
            self.model, self.label or "", self.query or "", str(self.frame), *behind,
        )  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON-able form for the ledger."""
        facts = vars(self) | {
            "url_candidates": [vars(url_candidate) for url_candidate in self.url_candidates]
        }
        facts.pop("key", None)  # computed, and kept by `cached_property`
        return facts

    @classmethod
    def from_dict(cls, data: dict[str, Any], *, key: str | None = None) -> Candidate:
        """Read the form of `as_dict` back.

        Parameters
        ----------
        data : dict
            From `as_dict`, also of an older version.
        key : str, optional
            Of its row in the ledger, by which its outcome has to find that row: an older version
            may have computed another one.
        """
        url_candidates = tuple(
            UrlCandidate(**url_candidate) for url_candidate in data["url_candidates"]
        )
        shown = tuple(data["shown"]) if data.get("shown") else None
        hosts = tuple(data.get("thumbnail_hosts", ()))
        known = {name: value for name, value in data.items() if name != ALSO_ON}
        found = cls(
            **(known | {"url_candidates": url_candidates, "shown": shown, "thumbnail_hosts": hosts})
        )
        if key is not None:
            vars(found)["key"] = key  # where `cached_property` looks first
        return found


@dataclass(frozen=True)
class Task:
    """One unit of discovery: a page, a spinner, a query or a list of one model.

    Parameters
    ----------
    source : str
        As `Candidate.source`.
    url : str
        The page to open; for a query the result page.
    """

    source: str
    url: str
    brand: str
    model: str
    label: str | None = None
    query: str | None = None
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """Digest that identifies the task."""
        return digest(self.source, self.url, self.brand, self.model, self.label or "")

    def option(self, name: str, default: Any = None) -> Any:
        """Return an option that only the task's source knows."""
        return dict(self.options).get(name, default)

    def candidate(self, url_candidates: tuple[UrlCandidate, ...], **facts: Any) -> Candidate:
        """Return a candidate that this task has found."""
        facts.setdefault("page_url", self.url)
        for name in _TEXTS & facts.keys():
            facts[name] = clean(facts[name])
        return Candidate(
            url_candidates=url_candidates, source=self.source, brand=self.brand, model=self.model,
            label=self.label, query=self.query, **facts,
        )  # fmt: skip


@dataclass(frozen=True)
class Find:
    """A candidate, with its bytes if the source has them already (a canvas, a cell of a sprite)."""

    candidate: Candidate
    data: bytes | None = None

    def with_facts(self, **facts: Any) -> Find:
        """Return the same find with other facts."""
        return replace(self, candidate=replace(self.candidate, **facts))


def addressed(finds: Iterable[Find]) -> list[Find]:
    """Return the finds with valid addresses; a page may contain anything."""
    kept = []
    for find in finds:
        url_candidates = tuple(
            url_candidate
            for url_candidate in find.candidate.url_candidates
            if is_web_address(url_candidate.url)
        )
        if url_candidates == find.candidate.url_candidates:
            kept.append(find)
        elif url_candidates:
            kept.append(find.with_facts(url_candidates=url_candidates))
    return kept


def clean(text: str) -> str:
    """Return scraped text as one line of NFC with no control characters, at most 500 characters.

    Markup is kept as text; it has to be escaped where it is shown.
    """
    kept = "".join(
        " " if unicodedata.category(char) in {"Cc", "Zl", "Zp"} else char
        for char in text
        if unicodedata.category(char) not in {"Cs", "Cf"} or char in "\u200c\u200d"
    )
    return unicodedata.normalize("NFC", " ".join(kept.split()))[:500]


def digest(*parts: str) -> str:
    """Return a digest of `parts` with 32 hexadecimal digits."""
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()
