"""Pictures whose bytes the browser has already received, so that they are not requested again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path

from bodyshop_core.imaging import sniff
from collector.candidate import UrlCandidate
from collector.net.download import DownloadLimits, judge_bytes, without_blanks
from collector.net.outcome import Outcome, Redirect
from collector.weburl import url_key

MAX_HELD = 256 << 20
"""Bytes in memory; pictures beyond that are requested like all others."""

_FOUND = 302
"""The log of the browser does not say which of the redirecting statuses it was."""


@dataclass(frozen=True)
class HeldPicture:
    """One response of the browser, complete.

    Parameters
    ----------
    asked : tuple of str
        The addresses that redirected here, in their order.
    """

    url: str
    status: int
    headers: dict[str, str]
    data: bytes
    asked: tuple[str, ...] = ()


@dataclass
class _Entry:
    """What is known of one address: the response, or where it redirects; and who wants it."""

    picture: HeldPicture
    leads_to: str = ""
    wanted_by: set[str] = field(default_factory=set)


class HeldPictures:
    """Bytes by address, until each candidate that names the address has used them; thread-safe.

    A redirect is kept as one: the next address is queued and judged like that of a download.
    """

    def __init__(self) -> None:
        self._held: dict[str, _Entry] = {}
        self._wants: dict[str, set[str]] = {}
        self._size = 0
        self._lock = threading.Lock()

    def hold(self, picture: HeldPicture, candidates: Set[str]) -> bool:
        """Keep a picture under its addresses; return False without room.

        Parameters
        ----------
        candidates : set of str
            Keys of those that name one of the addresses.
        """
        if sniff(without_blanks(picture.data)) is None:
            return True  # a request may bring more than this
        hops = [*picture.asked, picture.url]
        # Of addresses with one key the last counts: a login leads back to where it began.
        leads = {url_key(url): to for url, to in zip(hops, [*hops[1:], ""], strict=True)}
        last = url_key(picture.url)
        with self._lock:
            known = self._held.get(last)
            new = known is None or bool(known.leads_to)
            if new and self._size + len(picture.data) > MAX_HELD:
                return False
            self._size += len(picture.data) if new else 0
            if known is not None and new:
                known.picture, known.leads_to = picture, ""
            for key, leads_to in leads.items():
                entry = self._held.setdefault(key, _Entry(picture, leads_to))
                entry.wanted_by |= candidates
                for each in candidates:
                    self._wants.setdefault(each, set()).add(key)
        return True

    def holds(self, addresses: Iterable[UrlCandidate]) -> bool:
        """Return whether the bytes of one of the addresses are here."""
        with self._lock:
            return any(url_key(each.url) in self._held for each in addresses)

    def take(
        self, url: str, folder: Path, limits: DownloadLimits, *,
        candidate: str, url_candidate: str, override: bool,
    ) -> Outcome | None:  # fmt: skip
        """Return the outcome of a held picture, judged like a download; None if there is none.

        Parameters
        ----------
        url : str
            The address that would be requested.
        folder : Path
            For the ``.part`` file.
        limits : DownloadLimits
            Bytes and pixels.
        candidate : str
            Key of the candidate, which needs the address no more.
        url_candidate : str
            Name of the address, for the provenance.
        override : bool
            Accept the picture although its headers forbid it.
        """
        key = url_key(url)
        with self._lock:
            entry = self._held.get(key)
            if entry is None:
                return None
            self._drop(key, candidate)
        if entry.leads_to:
            return Redirect(entry.leads_to, status=_FOUND)
        held = entry.picture
        return judge_bytes(
            held.data, folder, limits, url=held.url, status=held.status, headers=held.headers,
            url_candidate=url_candidate, override=override,
        )  # fmt: skip

    def let_go(self, candidate: str) -> None:
        """Drop what only this candidate wanted: it is settled."""
        with self._lock:
            for key in self._wants.pop(candidate, set()):
                if key in self._held:
                    self._drop(key, candidate)

    def _drop(self, key: str, candidate: str) -> None:
        entry = self._held[key]
        entry.wanted_by.discard(candidate)
        if not entry.wanted_by:
            del self._held[key]
            self._size -= 0 if entry.leads_to else len(entry.picture.data)
