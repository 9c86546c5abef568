"""Pictures whose bytes the browser has already received, so that they are not requested again."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from collector.candidate import UrlCandidate
from collector.net.download import DownloadLimits, judge_bytes
from collector.net.outcome import Outcome
from collector.weburl import url_key

MAX_HELD = 256 << 20
"""Bytes in memory; pictures beyond that are requested like all others."""


@dataclass(frozen=True)
class HeldPicture:
    """One response of the browser, complete."""

    url: str
    status: int
    headers: dict[str, str]
    data: bytes


class HeldPictures:
    """Bytes by the address that the browser asked for; thread-safe, each is used once.

    A redirected response is not for these: the rules of each address on its way would have to be
    judged, as a download does.
    """

    def __init__(self) -> None:
        self._held: dict[str, HeldPicture] = {}
        self._size = 0
        self._lock = threading.Lock()

    def hold(self, picture: HeldPicture) -> bool:
        """Keep a picture under its address; return False without room."""
        with self._lock:
            if self._size + len(picture.data) > MAX_HELD:
                return False
            key = url_key(picture.url)
            if key not in self._held:
                self._held[key] = picture
                self._size += len(picture.data)
            return True

    def holds(self, addresses: Iterable[UrlCandidate]) -> bool:
        """Return whether the bytes of one of the addresses are here."""
        with self._lock:
            return any(url_key(each.url) in self._held for each in addresses)

    def take(
        self, url: str, folder: Path, limits: DownloadLimits, *, url_candidate: str, override: bool
    ) -> Outcome | None:
        """Return the outcome of a held picture, judged like a download; None if there is none.

        Parameters
        ----------
        url : str
            The address that would be requested.
        folder : Path
            For the ``.part`` file.
        limits : DownloadLimits
            Bytes and pixels.
        url_candidate : str
            Name of the address, for the provenance.
        override : bool
            Accept the picture although its headers forbid it.
        """
        with self._lock:
            held = self._held.pop(url_key(url), None)
            if held is None:
                return None
            self._size -= len(held.data)
        return judge_bytes(
            held.data, folder, limits, url=held.url, status=held.status, headers=held.headers,
            url_candidate=url_candidate, override=override,
        )  # fmt: skip
