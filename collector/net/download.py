"""One guarded request for one picture: original bytes in a finished file, or a reason why not."""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import RequestException
from urllib3.exceptions import (
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    TimeoutError,
)

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.imaging.endings import has_end
from collector.errors import ForbiddenAddressError
from collector.net.compression import (
    CHUNK,
    KNOWN_ENCODINGS,
    TooManyBytesError,
    uncompressed,
)
from collector.net.deadline import Deadline, DeadlineThread
from collector.net.declared import declared_bytes, is_part
from collector.net.http import GuardedSession, StreamedResponse, ask
from collector.net.jpeg_rows import has_every_row
from collector.net.outcome import Failure, Outcome, Redirect, Refusal, StoredPicture
from collector.net.part_file import PartFile
from collector.net.permission import judge_headers
from collector.weburl import host_of, parts_of

MAX_REDIRECTS = 5
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be different later; every other 4xx and 5xx is final."""

_WITH_END = frozenset({"jpg", "png", "webp"})
"""Formats whose end can be told from the end of a part."""

_BLANK = b"\r\n\t \xef\xbb\xbf"
"""White space and the byte order mark, which scripts print before a picture by mistake."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class DownloadLimits:
    """The bounds of one request; see `collector.brands.CrawlLimits`."""

    max_bytes: int
    min_side: int
    seconds: float


def download(
    session: GuardedSession,
    deadlines: DeadlineThread,
    url: str,
    folder: Path,
    limits: DownloadLimits,
    *,
    url_candidate: str = "",
    page_url: str = "",
    cookies: str = "",
    override: bool = False,
) -> Outcome:
    """Make one request and store the picture that it brings.

    Parameters
    ----------
    session : GuardedSession
        From `collector.net.http.guarded_session`.
    deadlines : DeadlineThread
        Ends the request when its time is over.
    url : str
        http or https.
    folder : Path
        For the ``.part`` file; in the workspace: on the same file system as its blobs.
    limits : DownloadLimits
        Bytes, pixels, seconds.
    url_candidate : str
        Name of the candidate address, for the provenance.
    page_url : str
        The page that shows the picture, for the Referer, which is shortened as browsers do.
    cookies : str
        Cookie header, when the host asked for the page's cookies.
    override : bool
        Accept the picture although its headers forbid it; recorded.

    Returns
    -------
    StoredPicture, Redirect, Refusal or Failure
        Every outcome is a value; only errors of this machine (a full disk) are raised.
    """
    if parts_of(url).scheme not in {"http", "https"}:
        return Refusal("not_http", f"{url[:80]} is not an http(s) address")
    headers = {}
    if referer := referer_for(url, page_url):
        headers["Referer"] = referer
    if cookies:
        headers["Cookie"] = cookies
    deadline = Deadline(deadlines, limits.seconds)
    started = time.monotonic()
    try:
        with deadline, ask(session, url, headers, limits.seconds) as response:
            request = _Request(url, folder, limits, url_candidate, override)
            timing = {"status": response.status, "latency": time.monotonic() - started}
            outcome = _judge(response, request, timing)
            if deadline.expired and not isinstance(outcome, StoredPicture):
                # A socket that was shut down within the headers looks like their end.
                return _late(limits, timing)
            return outcome
    except ForbiddenAddressError as error:
        return Refusal(error.error_class, error.message)
    except (RequestException, HTTPError, ValueError) as error:
        text = session.keys.hide(f"{type(error).__name__}: {error}")[:500]
        return _late(limits, {}) if deadline.expired else _failure_of(error, text)


def without_blanks(data: bytes) -> bytes:
    """Return the bytes without what a script printed before the picture by mistake."""
    return data if sniff(data[:64]) is not None else data.lstrip(_BLANK)


def store_bytes(
    data: bytes, folder: Path, limits: DownloadLimits, *, url: str, url_candidate: str = ""
) -> StoredPicture | Refusal | Failure:
    """Check and store bytes that need no request (a canvas), with the rules of a download."""
    if len(data) > limits.max_bytes:
        return Refusal("too_many_bytes", f"{len(data)} bytes")
    with PartFile(folder) as part:
        part.write(data)
        return _checked(part, _Request(url, folder, limits, url_candidate), {}, {}, {})


def judge_bytes(
    data: bytes, folder: Path, limits: DownloadLimits, *, url: str, status: int,
    headers: Mapping[str, str], url_candidate: str = "", override: bool = False,
) -> StoredPicture | Refusal | Failure:  # fmt: skip
    """Check and store the body of a response that the browser received, as of a download.

    Parameters
    ----------
    data : bytes
        The whole body, without content encoding.
    url : str
        The address that sent it, after redirects.
    headers : Mapping
        Names in lower case.
    """
    permission = judge_headers(headers, override=override)
    timing: dict[str, Any] = {"status": status}
    if is_part(status, headers):
        detail = f"{len(data)} bytes that are not a whole picture"
        return Failure(f"http_{status}", detail, retry=status in RETRY_STATUS, **timing)
    if not permission.allowed:
        return Refusal(permission.reason, "the response headers", permission.layers, **timing)
    if len(data) > limits.max_bytes:
        return Refusal("too_many_bytes", f"{len(data)} bytes", **timing)
    request = _Request(url, folder, limits, url_candidate, override)
    with PartFile(folder) as part:
        part.write(without_blanks(data))
        return _checked(part, request, dict(headers), permission.layers, timing)


def referer_for(url: str, page_url: str) -> str:
    """Return the Referer a browser would send (strict-origin-when-cross-origin), or nothing."""
    page, target = parts_of(page_url), parts_of(url)
    if page.scheme not in {"http", "https"} or (page.scheme, target.scheme) == ("https", "http"):
        return ""
    if (page.scheme, page.netloc) == (target.scheme, target.netloc):
        return _ascii(page._replace(fragment="").geturl())
    return _ascii(f"{page.scheme}://{page.netloc}/")


@dataclass(frozen=True)
class _Request:
    """What the checks of a response need to know of its request."""

    url: str
    folder: Path
    limits: DownloadLimits
    url_candidate: str
    override: bool = False


def _judge(response: StreamedResponse, request: _Request, timing: dict[str, Any]) -> Outcome:
    status, headers = response.status, response.headers
    if status in _REDIRECTS and headers.get("location"):
        return Redirect(urljoin(request.url, headers["location"]), **timing)
    if is_part(status, headers):
        # The short body of an error is read, so that the connection can be used again.
        response.raw.read(CHUNK, decode_content=False)
        return Failure(
            f"http_{status}",
            response.reason,
            retry=status in RETRY_STATUS,
            retry_after=headers.get("retry-after"),
            challenge=headers.get("cf-mitigated", "") == "challenge",
            **timing,
        )
    permission = judge_headers(headers, override=request.override)
    if not permission.allowed:
        return Refusal(permission.reason, "the response headers", permission.layers, **timing)
    if (declared := declared_bytes(headers)) > request.limits.max_bytes:
        return Refusal("too_many_bytes", f"{declared} bytes declared", **timing)
    return _receive(response, request, permission.layers, timing)


def _receive(
    response: StreamedResponse, request: _Request, layers: dict[str, Any], timing: dict[str, Any]
) -> Outcome:
    """Write the body to a ``.part`` file and hash it on the way; stop at the first bad sign."""
    chunks = _chunks(response)
    head = next(chunks, b"")
    if not head:
        return Failure("empty", "0 bytes", retry=True, **timing)
    if sniff(without_blanks(head)) is not None:
        head = without_blanks(head)
    if sniff(head) is None:
        # The encoding counts only now: many servers name one over the plain bytes of a picture.
        encoding = response.headers.get("content-encoding", "").lower().strip()
        try:
            head, chunks = uncompressed(head, chunks, encoding, request.limits.max_bytes)
        except TooManyBytesError as error:
            return Refusal("too_many_bytes", str(error), **timing)
        except zlib.error as error:
            return Refusal("encoded", f"Content-Encoding {encoding}: {error}", **timing)
        if sniff(head) is None:
            unknown = {each.strip() for each in encoding.split(",")} - KNOWN_ENCODINGS
            described = _described(head, response.headers.get("content-type", ""))
            detail = f"Content-Encoding {encoding}" if unknown else described
            return Refusal("encoded" if unknown else "not_a_picture", detail, **timing)
    limit = request.limits.max_bytes
    with PartFile(request.folder) as part:
        try:
            for chunk in itertools.chain([head], chunks):
                part.write(chunk)
                if part.size > limit:
                    return Refusal("too_many_bytes", f"more than {limit} bytes", **timing)
        except TooManyBytesError as error:
            return Refusal("too_many_bytes", str(error), **timing)
        except zlib.error as error:
            return Failure("truncated", f"compressed data: {error}", retry=True, **timing)
        except ProtocolError as error:
            # Some servers declare a wrong length: what has its end mark is the whole picture.
            cut = any(isinstance(each, IncompleteRead) for each in _causes(error))
            if not cut or _ending(part) not in {(each, True) for each in _WITH_END}:
                raise
        return _checked(part, request, response.headers, layers, timing)


def _chunks(response: StreamedResponse) -> Iterator[bytes]:
    """Yield the body as it was sent."""
    try:
        while chunk := response.raw.read(CHUNK, decode_content=False):
            yield chunk
            if response.raw.length_remaining == 0:  # as declared; None if nothing was declared
                return
    except ProtocolError as error:
        # Of a chunked body without its last chunk, what came last is in the error.
        cut = (each.partial for each in _causes(error) if isinstance(each, IncompleteRead))
        yield from itertools.islice((each for each in cut if each and isinstance(each, bytes)), 1)
        raise


def _checked(
    part: PartFile,
    request: _Request,
    headers: dict[str, str],
    layers: dict[str, Any],
    timing: dict[str, Any],
) -> StoredPicture | Refusal | Failure:
    """Judge a complete download by its own bytes, and write it to disk if it is accepted."""
    extension, complete = _ending(part)
    if extension == "jpg" and not complete:
        complete = has_every_row(part.content())
    if timing.get("status") == 206 and is_part(206, headers) is None and extension not in _WITH_END:
        complete = False
    outcome: Refusal | Failure
    if extension is None:
        with part.open() as file:
            outcome = Refusal("not_a_picture", _described(file.read(64), ""), **timing)
    elif not complete:
        outcome = Failure("truncated", "the picture has no end mark", retry=True, **timing)
    else:
        try:
            facts = read_header(part.content())
        except UnreadableImageError as error:
            reason = "bomb" if error.code == "too_many_pixels" else "unreadable"
            detail = error.message.replace(str(part.path), host_of(request.url))
            outcome = Refusal(reason, detail, **timing)
        else:
            if min(facts["width"], facts["height"]) >= request.limits.min_side:
                return StoredPicture(
                    part.sha256, part.size, extension, facts, request.url, request.url_candidate,
                    etag=headers.get("etag", ""), last_modified=headers.get("last-modified", ""),
                    content_type=headers.get("content-type", ""), permission=layers,
                    part=part.finish(), **timing,
                )  # fmt: skip
            detail = f"{facts['width']} x {facts['height']} pixels"
            outcome = Refusal("below_min_side", detail, **timing)
    return outcome


def _ending(part: PartFile) -> tuple[str | None, bool]:
    """Return the extension by the first bytes, and whether the end mark of this format is there."""
    with part.open() as file:
        extension = sniff(file.read(64))
        return extension, extension is not None and has_end(file, extension)


def _failure_of(error: Exception, text: str) -> Failure:
    """Classify what `requests` and urllib3 raise, by the types in the chain of causes."""
    causes = list(_causes(error))
    if any(isinstance(each, NameResolutionError) for each in causes):
        return Failure("dns", text, retry=True)
    if any(_is_timeout(each) for each in causes):
        return Failure("timeout", text, retry=True)
    if isinstance(error, requests.exceptions.SSLError):
        return Failure("tls", text)
    if any(isinstance(each, IncompleteRead) for each in causes):
        return Failure("truncated", text, retry=True)
    if isinstance(error, RequestsConnectionError | HTTPError):
        return Failure("connection", text, retry=True)
    return Failure("bad_answer", text)


def _is_timeout(error: BaseException) -> bool:
    # A refused connection is a kind of timeout to urllib3.
    return isinstance(error, requests.Timeout | TimeoutError) and not isinstance(
        error, NewConnectionError
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those it wraps: urllib3 keeps them in `reason` or among the arguments."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        reason = getattr(cause, "reason", None)
        wrapped = [each for each in (reason, *cause.args) if isinstance(each, BaseException)]
        cause = next(iter(wrapped), None)


def _late(limits: DownloadLimits, timing: dict[str, Any]) -> Failure:
    return Failure("deadline", f"not complete after {limits.seconds:g} s", retry=True, **timing)


def _described(head: bytes, content_type: str) -> str:
    start = head[:256].lstrip().lower()
    what = "HTML" if start.startswith((b"<!doctype html", b"<html")) else repr(head[:12])
    return f"{what}, sent as {content_type}" if content_type else what


def _ascii(text: str) -> str:
    return text if text.isascii() else requests.utils.requote_uri(text)
