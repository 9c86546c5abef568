"""What one request for a picture can result in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What the host gate needs to know of every outcome.

    Parameters
    ----------
    status : int or None
        HTTP status; None when there was no response.
    latency : float or None
        Seconds until the response began.
    """

    status: int | None = None
    latency: float | None = None


@dataclass(frozen=True)
class StoredPicture(_Outcome):
    """A complete download, identified as a picture by its own header.

    Parameters
    ----------
    sha256 : str
        Digest of the bytes, hexadecimal.
    size : int
        Bytes.
    extension : str
        Of the detected format, without a dot.
    facts : dict
        From `bodyshop_core.imaging`: format, width, height and so on. Empty for a picture that the
        catalog has already.
    url : str
        The address that sent it, after redirects.
    asked : str
        The candidate address that led here, before redirects.
    url_candidate : str
        Its name.
    permission : dict
        What the response headers said about the use of the picture.
    part : Path or None
        The file with the bytes, until it is moved into the blob store.
    """

    sha256: str
    size: int
    extension: str
    facts: dict[str, Any]
    url: str
    url_candidate: str = ""
    etag: str = ""
    last_modified: str = ""
    content_type: str = ""
    permission: dict[str, Any] = field(default_factory=dict)
    part: Path | None = None
    asked: str = ""

    @property
    def area(self) -> int:
        """Pixels; the largest of several pictures is the original."""
        return int(self.facts["width"]) * int(self.facts["height"])

    def discard(self) -> None:
        """Remove the file with the bytes, if it is still there."""
        if self.part is not None:
            self.part.unlink(missing_ok=True)


@dataclass(frozen=True)
class Redirect(_Outcome):
    """The server named another address, which is checked and queued like any other."""

    url: str


@dataclass(frozen=True)
class Refusal(_Outcome):
    """A rule forbids the picture, now and in later runs; nothing has failed."""

    error_class: str
    detail: str = ""
    permission: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure(_Outcome):
    """The request failed; `retry`: another attempt may succeed.

    Parameters
    ----------
    retry_after : str or None
        The header, as sent.
    challenge : bool
        The server answered with a challenge page.
    """

    error_class: str
    detail: str = ""
    retry: bool = False
    retry_after: str | None = None
    challenge: bool = False


Outcome = StoredPicture | Redirect | Refusal | Failure
