"""API keys: read from the environment, inserted when a request is sent, and stored nowhere.

Wherever an address is stored, logged or shown, ``{NAME}`` of the environment variable takes the
place of the key. Only requests to the host of the key contain it.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from bodyshop_core.errors import MissingPartError, UsageError
from collector.brands import Angles
from collector.weburl import origin_of

MIN_LENGTH = 8
"""A shorter key cannot be distinguished from ordinary text, so it would appear in messages."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class ApiKey:
    """One key and the host that may receive it.

    Parameters
    ----------
    variable : str
        Name of the environment variable.
    value : str
        The key itself; no repr shows it.
    origin : str
        Scheme, host and port that it is sent to; no other host receives it.
    header : str, optional
        The request header for it; without one it is part of the address.
    """

    variable: str
    value: str = field(repr=False)
    origin: str
    header: str | None = None


class Keys:
    """The keys of a run; false if there are none."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys = tuple(keys)
        spelled = {spelling: key for key in self._keys for spelling in _spellings(key.value)}
        self._marks = {spelling: f"{{{key.variable}}}" for spelling, key in spelled.items()}
        longest_first = sorted(spelled, key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, longest_first)))

    def __bool__(self) -> bool:
        return bool(self._keys)

    def filled(self, url: str) -> str:
        """Return `url` with the keys inserted that its host may receive."""
        origin = origin_of(url)
        for key in self._keys:
            if key.origin == origin:
                for mark in (f"{{{key.variable}}}", f"%7B{key.variable}%7D"):
                    url = url.replace(mark, quote(key.value, safe=""))
        return url

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers with the keys for the host of `url`."""
        origin = origin_of(url)
        return {key.header: key.value for key in self._keys if key.header and key.origin == origin}

    def hide(self, text: str) -> str:
        """Return `text` with every key in it replaced by the name of its variable."""
        return self._found.sub(lambda hit: self._marks[hit[0]], text) if self._keys else text


NO_KEYS = Keys()


def keys_of(entries: Iterable[Angles], environment: Mapping[str, str] | None = None) -> Keys:
    """Read the API keys that entries of a brands.yaml name from the environment.

    Parameters
    ----------
    entries : iterable of Angles
        From `Brands.active_angles`.
    environment : Mapping, optional
        By default the environment of the process.

    Raises
    ------
    MissingPartError
        A variable is not set.
    UsageError
        Its name is not that of a variable, or the key is too short to be kept out of messages.
    """
    environment = os.environ if environment is None else environment
    found: dict[ApiKey, None] = {}
    for entry in entries:
        if entry.key is None:
            continue
        name, origin = entry.key.variable, origin_of(entry.url)
        if not _VARIABLE.fullmatch(name):  # it may be the key itself: it is not shown
            raise UsageError(
                f"{origin}: `key.variable` must be the name of an environment variable "
                "(capitals, digits, _), never the key itself"
            )
        value = environment.get(name, "")
        if not value:
            raise MissingPartError(
                f"the environment variable {name} is not set: it holds the key for {origin}",
                hint=f"export {name}=...",
            )
        if len(value) < MIN_LENGTH or not value.isascii() or not value.isprintable():
            raise UsageError(
                f"the value of {name} is not an API key: at least {MIN_LENGTH} ASCII characters"
            )
        found[ApiKey(name, value, origin, entry.key.header)] = None
    keys = Keys(found)
    if keys:
        _quieten(keys)
    return keys


class _Hiding(logging.Filter):
    """Keeps keys out of the log messages of the HTTP library."""

    def __init__(self, keys: Keys) -> None:
        super().__init__("urllib3")
        self._keys = keys

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._keys.hide(record.getMessage()), ()
        return True


def _quieten(keys: Keys) -> None:
    for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry"):
        logger = logging.getLogger(name)
        for old in [each for each in logger.filters if isinstance(each, _Hiding)]:
            logger.removeFilter(old)
        logger.addFilter(_Hiding(keys))


def _spellings(value: str) -> set[str]:
    in_json = json.dumps(value)[1:-1]
    return {
        value, quote(value), quote(value, safe=""), quote_plus(value), in_json,
        in_json.replace("/", r"\/"),
    }  # fmt: skip
