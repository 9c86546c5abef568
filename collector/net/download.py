"""One guarded request for one picture: original bytes into a finished file, or a reason why not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError, NameResolutionError

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import probe, sniff
from bodyshop_core.imaging.endings import has_end
from collector.net.address import ForbiddenAddressError, host_of, parts_of
from collector.net.http import Deadline, DeadlineThread, GuardedSession, StreamedResponse, ask
from collector.net.part_file import PartFile
from collector.net.robots import SmallResponse, judge_headers

CHUNK = 1 << 18
MAX_REDIRECTS = 5
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be different tomorrow; every other 4xx/5xx is final."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class StoredPicture:
    """A finished download: bytes on disk in `part`, a picture by their own header."""

    part: Path
    sha256: str
    size: int
    extension: str
    facts: dict[str, Any]
    url: str
    status: int | None = None
    etag: str = ""
    last_modified: str = ""
    content_type: str = ""
    permission: dict[str, Any] = field(default_factory=dict)

    @property
    def area(self) -> int:
        """Pixels, to tell which of several is the original."""
        return int(self.facts["width"]) * int(self.facts["height"])


@dataclass(frozen=True)
class Redirect:
    """The server named another address; it is judged and queued like any other."""

    url: str


@dataclass(frozen=True)
class Refusal:
    """The picture is not taken, today or tomorrow, and that is nobody's failure."""

    reason: str
    detail: str = ""
    permission: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """The request did not bring the picture; `retry` says whether another try may."""

    error_class: str
    detail: str = ""
    retry: bool = False
    status: int | None = None
    retry_after: str | None = None
    latency: float | None = None
    challenge: bool = False


Outcome = StoredPicture | Redirect | Refusal | Failure


@dataclass(frozen=True)
class DownloadLimits:
    """The bounds of one request; see `collector.brands.CrawlLimits`."""

    max_bytes: int
    min_side: int
    seconds: float


@dataclass(frozen=True)
class Timed:
    """An outcome with what the host gate wants to know."""

    outcome: Outcome
    status: int | None
    latency: float | None


def download(
    session: GuardedSession,
    watch: DeadlineThread,
    url: str,
    folder: Path,
    limits: DownloadLimits,
    *,
    page_url: str = "",
    cookies: str = "",
    override: bool = False,
) -> Timed:
    """Make one request and store what it brings.

    Parameters
    ----------
    session : GuardedSession
        From `collector.net.http.guarded_session`.
    watch : DeadlineThread
        Keeps the deadline.
    url : str
        http or https.
    folder : Path
        Where the ``.part`` file goes; the same file system as the blobs.
    limits : DownloadLimits
        Bytes, pixels, seconds.
    page_url : str
        The page it stands on, for the Referer, cut as browsers cut it.
    cookies : str
        Cookie header, when the host asked for the page's cookies.
    override : bool
        Take the picture although its headers opt out; recorded.

    Returns
    -------
    Timed
        Every outcome is a value; only errors of this machine (a full disk) are raised.
    """
    if parts_of(url).scheme not in {"http", "https"}:
        return Timed(Refusal("not_http", f"{url[:80]} is no http(s) address"), None, None)
    headers = {}
    if referer := referer_for(url, page_url):
        headers["Referer"] = referer
    if cookies:
        headers["Cookie"] = cookies
    deadline = Deadline(watch, limits.seconds)
    started = time.monotonic()
    try:
        with deadline, ask(session, url, headers, limits.seconds) as response:
            latency = time.monotonic() - started
            outcome = _judge(response, url, folder, limits, override)
            if deadline.expired and not isinstance(outcome, StoredPicture):
                # A socket that was shut in the middle of the headers looks like their end.
                outcome = _late(limits)
            return Timed(outcome, response.status, latency)
    except ForbiddenAddressError as error:
        return Timed(Refusal("forbidden_address", error.message), None, None)
    except (RequestException, HTTPError, ValueError) as error:
        text = session.keys.hide(f"{type(error).__name__}: {error}")[:500]
        return Timed(_explained(error, text, deadline, limits), None, None)


def fetch_small(
    session: GuardedSession,
    watch: DeadlineThread,
    url: str,
    *,
    max_bytes: int = 1 << 20,
    seconds: float = 20.0,
    params: Mapping[str, Any] | None = None,
    accept: str = "*/*",
) -> SmallResponse:
    """Fetch a small text (robots.txt, an API's JSON) through the same guard, no redirects."""
    deadline = Deadline(watch, seconds)
    try:
        headers = {"Accept": accept}
        with deadline, ask(session, url, headers, seconds, params) as response:
            body = bytearray()
            while len(body) < max_bytes:
                chunk = response.raw.read(min(CHUNK, max_bytes - len(body)), decode_content=False)
                if not chunk:
                    break
                body += chunk
            text = session.keys.hide(body.decode("utf-8", "replace"))
            return SmallResponse(response.status, text, response.headers)
    except ForbiddenAddressError as error:
        return SmallResponse(None, error.message, forbidden=True)
    except (RequestException, HTTPError, ValueError) as error:
        return SmallResponse(None, session.keys.hide(f"{type(error).__name__}: {error}"))


def store_bytes(data: bytes, folder: Path, limits: DownloadLimits, *, url: str) -> Outcome:
    """Take bytes that are here already (a canvas) through the same checks as a download."""
    if len(data) > limits.max_bytes:
        return Refusal("too_many_bytes", f"{len(data)} bytes")
    part = PartFile(folder)
    part.write(data)
    return _checked(part, limits, url=url)


def referer_for(url: str, page_url: str) -> str:
    """Return the Referer a browser would send (strict-origin-when-cross-origin), or nothing."""
    page, target = parts_of(page_url), parts_of(url)
    if page.scheme not in {"http", "https"} or (page.scheme, target.scheme) == ("https", "http"):
        return ""
    if (page.scheme, page.netloc) == (target.scheme, target.netloc):
        return _ascii(page._replace(fragment="").geturl())
    return _ascii(f"{page.scheme}://{page.netloc}/")


def _judge(
    response: StreamedResponse, url: str, folder: Path, limits: DownloadLimits, override: bool
) -> Outcome:
    status, headers = response.status, response.headers
    if status in _REDIRECTS and headers.get("location"):
        return Redirect(urljoin(url, headers["location"]))
    if status != 200:
        # The few words of an error page are read, so that the connection can go on serving.
        response.raw.read(CHUNK, decode_content=False)
        return Failure(
            f"http_{status}",
            response.reason,
            retry=status in RETRY_STATUS,
            status=status,
            retry_after=headers.get("retry-after"),
            challenge=headers.get("cf-mitigated", "") == "challenge",
        )
    permission = judge_headers(headers, override=override)
    if not permission.allowed:
        return Refusal(permission.reason, "the answer's headers", permission.layers)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        return Refusal("encoded", f"Content-Encoding {encoding}, though none was asked for")
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.max_bytes:
        return Refusal("too_many_bytes", f"{declared} bytes declared")
    return _receive(response, url, folder, limits, permission.layers)


def _receive(
    response: StreamedResponse,
    url: str,
    folder: Path,
    limits: DownloadLimits,
    layers: dict[str, Any],
) -> Outcome:
    """Stream the body to a ``.part`` file, hashing on the way; stop at the first bad sign."""
    head = response.raw.read(CHUNK, decode_content=False)
    if not head:
        return Failure("empty", "0 bytes", retry=True)
    if sniff(head) is None:
        return Refusal("not_a_picture", _described(head, response.headers.get("content-type", "")))
    part = PartFile(folder)
    chunk = head
    try:
        while chunk:
            part.write(chunk)
            if part.size > limits.max_bytes:
                part.discard()
                return Refusal("too_many_bytes", f"more than {limits.max_bytes} bytes")
            if response.raw.length_remaining == 0:  # as declared; None where nothing was
                break
            chunk = response.raw.read(CHUNK, decode_content=False)
        return _checked(part, limits, url=url, response=response, layers=layers)
    except BaseException:
        part.discard()
        raise


def _checked(
    part: PartFile,
    limits: DownloadLimits,
    *,
    url: str,
    response: StreamedResponse | None = None,
    layers: dict[str, Any] | None = None,
) -> StoredPicture | Refusal | Failure:
    """Judge a whole download by its own bytes, and bring it to disk if it is taken."""
    with part.open() as file:
        head = file.read(32)
        extension = sniff(head)
        complete = extension is not None and has_end(file, extension)
    outcome: Refusal | Failure
    if extension is None:
        outcome = Refusal("not_a_picture", _described(head, ""))
    elif not complete:
        outcome = Failure("truncated", "the picture ends too early", retry=True)
    else:
        try:
            facts = probe(part.content())
        except UnreadableImageError as error:
            reason = "bomb" if "pixels" in error.message else "unreadable"
            outcome = Refusal(reason, error.message.replace(str(part.path), host_of(url)))
        else:
            if min(facts["width"], facts["height"]) >= limits.min_side:
                asked = response.headers if response is not None else {}
                return StoredPicture(
                    part.finish(), part.sha256, part.size, extension, facts, url,
                    status=response.status if response is not None else None,
                    etag=asked.get("etag", ""), last_modified=asked.get("last-modified", ""),
                    content_type=asked.get("content-type", ""), permission=layers or {},
                )  # fmt: skip
            outcome = Refusal("below_min_side", f"{facts['width']} x {facts['height']} pixels")
    part.discard()
    return outcome


def _explained(error: Exception, text: str, deadline: Deadline, limits: DownloadLimits) -> Failure:
    if deadline.expired:
        return _late(limits)
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, NameResolutionError):
            return Failure("dns", text, retry=True)
        chain = getattr(chain, "reason", None) or next(
            (arg for arg in chain.args if isinstance(arg, BaseException)), None
        )
    if isinstance(error, requests.Timeout) or "timed out" in text:
        return Failure("timeout", text, retry=True)
    if isinstance(error, requests.exceptions.SSLError):
        return Failure("tls", text)
    if "IncompleteRead" in text:
        return Failure("truncated", text, retry=True)
    if isinstance(error, RequestsConnectionError | HTTPError):
        return Failure("connection", text, retry=True)
    return Failure("bad_answer", text)


def _late(limits: DownloadLimits) -> Failure:
    return Failure("deadline", f"not complete after {limits.seconds:g} s", retry=True)


def _described(head: bytes, content_type: str) -> str:
    start = head[:256].lstrip().lower()
    what = "HTML" if start.startswith((b"<!doctype html", b"<html")) else repr(head[:12])
    return f"{what}, sent as {content_type}" if content_type else what


def _ascii(text: str) -> str:
    return text if text.isascii() else requests.utils.requote_uri(text)
