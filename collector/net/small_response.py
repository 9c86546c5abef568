"""A short response that is read completely: robots.txt, the JSON of an API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from collector.errors import ForbiddenAddressError
from collector.net.deadline import Deadline, DeadlineThread
from collector.net.http import GuardedSession, ask

_CHUNK = 1 << 18


@dataclass(frozen=True)
class SmallResponse:
    """A response with its whole body as text.

    Parameters
    ----------
    status : int or None
        HTTP status; None when there was no response, then `text` says why.
    headers : Mapping
        Names in lower case.
    forbidden : bool
        The address guard refused the connection.
    """

    status: int | None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    forbidden: bool = False


def fetch_small(
    session: GuardedSession,
    deadlines: DeadlineThread,
    url: str,
    *,
    max_bytes: int = 1 << 20,
    seconds: float = 20.0,
    params: Mapping[str, Any] | None = None,
    accept: str = "*/*",
) -> SmallResponse:
    """Fetch a small text (robots.txt, an API's JSON) through the guard, without redirects.

    Every outcome is a value; see `SmallResponse`.
    """
    deadline = Deadline(deadlines, seconds)
    try:
        headers = {"Accept": accept}
        with deadline, ask(session, url, headers, seconds, params) as response:
            body = bytearray()
            while len(body) < max_bytes:
                chunk = response.raw.read(min(_CHUNK, max_bytes - len(body)), decode_content=False)
                if not chunk:
                    break
                body += chunk
            text = session.keys.hide(body.decode("utf-8", "replace"))
            return SmallResponse(response.status, text, response.headers)
    except ForbiddenAddressError as error:
        return SmallResponse(None, error.message, forbidden=True)
    except (RequestException, HTTPError, ValueError) as error:
        return SmallResponse(None, session.keys.hide(f"{type(error).__name__}: {error}"))
