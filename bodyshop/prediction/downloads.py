"""Pictures given by their address, fetched by the collector's guarded downloader."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from bodyshop.prediction.sources import PictureFile
from bodyshop_core.version import __version__
from collector.brands import CrawlLimits
from collector.net.address import AddressGuard
from collector.net.deadline import DeadlineThread
from collector.net.download import MAX_REDIRECTS, DownloadLimits, download
from collector.net.http import guarded_session
from collector.net.outcome import Redirect, StoredPicture

AGENT = f"bodyshop/{__version__} (predict: a person asked about this picture)"
"""The User-Agent: `collect` names the contact of brands.yaml, and here there is none."""


class Downloads:
    """Fetches pictures into a temporary folder; a context manager, for one thread.

    Addresses in private networks are refused, as are answers that are no picture, are too large, or
    whose headers forbid the use by an AI; no cookie is kept.

    Parameters
    ----------
    allow_hosts : iterable of str
        Hosts, or host:port pairs, that may be in a private network.
    """

    def __init__(self, allow_hosts: Iterable[str] = ()) -> None:
        self._guard = AddressGuard(allow_hosts)
        limits = CrawlLimits()
        self._limits = DownloadLimits(limits.max_bytes, 1, limits.request_seconds)
        self._open = ExitStack()

    def __enter__(self) -> Downloads:
        """Start the thread that ends slow requests."""
        self._folder = Path(
            self._open.enter_context(tempfile.TemporaryDirectory(prefix="bodyshop-"))
        )
        self._deadlines = self._open.enter_context(DeadlineThread())
        self._session = self._open.enter_context(guarded_session(self._guard, AGENT))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the downloaded files."""
        self._open.__exit__(kind, error, trace)

    def fetch(self, address: str) -> PictureFile:
        """Download a picture; a failure is in its `error`."""
        url = address
        for _ in range(MAX_REDIRECTS + 1):
            outcome = download(self._session, self._deadlines, url, self._folder, self._limits)
            if isinstance(outcome, StoredPicture):
                return PictureFile(address, outcome.part)
            if not isinstance(outcome, Redirect):
                detail = f": {outcome.detail}" if outcome.detail else ""
                return PictureFile(address, None, f"not downloaded ({outcome.error_class}{detail})")
            url = outcome.url
        return PictureFile(address, None, f"not downloaded (more than {MAX_REDIRECTS} redirects)")
