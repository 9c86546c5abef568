"""Objects below an address, by fsspec: reading them, and what their errors mean."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from bodyshop_core import atomic
from bodyshop_core.errors import DamagedBlobError, LostBlobError, MissingPartError, TransientError
from bodyshop_core.storage.blob_cache import BlobCache, digest_in, with_digest
from bodyshop_core.storage.place_owner import Owner

PATIENCE_S = 20.0
"""Seconds of nothing but failures after which a store counts as gone."""

ASK_AGAIN_S = 5.0
"""Seconds between two requests to a store that counts as gone; others fail at once."""

_S3 = {
    "use_listings_cache": False,
    "config_kwargs": {
        "connect_timeout": 5,
        "read_timeout": 20,
        "retries": {"mode": "standard", "max_attempts": 3},
    },
}

_TRIES = 2
"""Of s3fs itself, each with the attempts above."""


@dataclass(frozen=True)
class RemotePlace:
    """Where the objects are; picklable, and without a secret: each process finds its own.

    Parameters
    ----------
    url : str
        ``s3://bucket/prefix``, or any other address of fsspec.
    cache : BlobCache
        For copies.
    endpoint : str, optional
        Address of an S3 server that is not Amazon's; by default that of ``AWS_ENDPOINT_URL``.
    owner : Owner, optional
        The workspace that writes there. Without one, nobody is asked whose it is.
    catalog : str
        What messages call its catalog.
    """

    url: str
    cache: BlobCache
    endpoint: str | None = None
    owner: Owner | None = field(default=None, compare=False)
    catalog: str = ""

    def address(self, name: str) -> str:
        """Return the address of ``<sha256>.<extension>``, or of a name with its folder."""
        return f"{self.url.rstrip('/')}/{name if '/' in name else f'{name[:2]}/{name}'}"

    def filesystem(self) -> Any:
        """Return fsspec's file system, one per process and thread-safe.

        Raises
        ------
        MissingPartError
            fsspec, or what it needs for this address, is not installed.
        """
        protocol = urlsplit(self.url).scheme
        try:
            import fsspec

            if protocol != "s3":
                return fsspec.filesystem(protocol)
            filesystem = fsspec.filesystem("s3", endpoint_url=self.endpoint, **_S3)
        except ImportError as error:
            raise MissingPartError(
                f"pictures at {self.url} need the packages 'fsspec' and 's3fs'",
                hint="pip install 'bodyshop[s3]'",
            ) from error
        filesystem.retries = _TRIES
        return filesystem

    def read(self, name: str) -> bytes:
        """Return an object's bytes, from the cache where it has them; see `BlobRef.read`."""
        data = self.cache.get(name)
        if data is None:
            data = self.fetch(name)
            # The bytes are at hand; a full disk here is no reason to lose them.
            with contextlib.suppress(OSError):
                self.cache.put(name, data)
        return data

    def fetch(self, name: str) -> bytes:
        """Return an object's bytes as the store has them now; errors as `BlobRef.read`.

        They are compared with the sha256 that its name holds, if it holds one.
        """
        with self.talking(name, "read") as filesystem:
            data: bytes = filesystem.cat_file(self.address(name))
        if (digest := digest_in(name)) and hashlib.sha256(data).hexdigest() != digest:
            raise DamagedBlobError(
                f"{self.address(name)} is damaged: its {len(data)} bytes are not those that were "
                "stored"
            )
        return data

    def is_whole(self, name: str) -> bool:
        """Return whether the store itself, not the cache, has the bytes of this name.

        Raises
        ------
        TransientError
            The store does not answer.
        """
        try:
            self.fetch(name)
        except (LostBlobError, DamagedBlobError):
            return False
        return True

    def exists(self, name: str) -> bool:
        """Return whether the object is there; see `BlobRef.exists`."""
        return self.size(name) is not None

    def size(self, name: str) -> int | None:
        """Return an object's bytes as a number; None when it is not there."""
        try:
            with self.talking(name, "looked at") as filesystem:
                return int(filesystem.info(self.address(name))["size"])
        except LostBlobError:
            return None

    def local_copy(self, name: str) -> Path:
        """Return a copy in the cache's folder; see `BlobRef.local`."""
        if self.cache.get(name) is None:
            data = self.fetch(name)
            name = with_digest(name, data)
            self.cache.put(name, data)
            if not self.cache.path(name).exists():  # larger than the cache, or no cache at all
                atomic.write_bytes(self.cache.path(name), data)
        return self.cache.path(name)

    @contextlib.contextmanager
    def talking(self, name: str, what: str) -> Iterator[Any]:
        """Give the file system for requests about one object, and explain what goes wrong.

        Parameters
        ----------
        name : str
            As for `address`.
        what : str
            Such as ``read``: "it can't be read".

        Raises
        ------
        LostBlobError
            There is no such object, or no such bucket.
        TransientError
            The store does not answer, or refuses.
        """
        address, filesystem = self.address(name), self.filesystem()
        if since := _outages.is_gone(self.url):
            raise TransientError(
                f"{address} can't be {what}: nothing has answered for {since:.0f} s"
            )
        try:
            yield filesystem
        except FileNotFoundError as error:
            _outages.answered(self.url)
            raise LostBlobError(f"{address} can't be {what}: {_short(error)}") from error
        except FileExistsError:
            raise
        except _failures() as error:
            if isinstance(error, PermissionError):
                _outages.answered(self.url)
            else:
                _outages.failed(self.url)
            raise TransientError(f"{address} can't be {what}: {_short(error)}") from error
        _outages.answered(self.url)


class _Outages:
    """Since when stores have not answered, in this process.

    Each request is repeated for some seconds before it fails. Without this, a run with a million
    pictures left would spend these seconds on each of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: dict[str, tuple[float, float]] = {}

    def is_gone(self, url: str) -> float:
        """Return for how long a store is gone, in seconds; 0 when it shall be asked."""
        with self._lock:
            first, last = self._since.get(url, (0.0, 0.0))
            now = monotonic()
            if not first or now - first < PATIENCE_S or now - last > ASK_AGAIN_S:
                return 0.0
            return now - first

    def failed(self, url: str) -> None:
        with self._lock:
            now = monotonic()
            self._since[url] = (self._since.get(url, (now, now))[0], now)

    def answered(self, url: str) -> None:
        with self._lock:
            self._since.pop(url, None)


_outages = _Outages()


def _failures() -> tuple[type[Exception], ...]:
    """Return what networks and stores raise; libraries that were not imported raised nothing."""
    found: list[type[Exception]] = [OSError, EOFError]
    for module, names in (
        ("botocore.exceptions", ("BotoCoreError", "ClientError")),
        ("aiohttp", ("ClientError",)),
    ):
        if module in sys.modules:
            found += [getattr(sys.modules[module], name) for name in names]
    return tuple(found)


def _short(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]
