"""Keys of APIs: read from the environment, put into a request as it leaves, and kept nowhere.

Wherever an address is stored, logged or shown, ``{NAME}`` of the environment variable stands in the
place of the key. Only requests to the host that the key is for have it filled in.
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
from collector.brands import Brands
from collector.net.address import origin_of

MIN_LENGTH = 8
"""A shorter key could not be told from ordinary text, so it could not be kept out of messages."""

_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class ApiKey:
    """One key and where it may go.

    Parameters
    ----------
    variable : str
        Name of the environment variable.
    value : str
        The key itself; no repr shows it.
    origin : str
        Scheme, host and port that it is sent to; nobody else gets it.
    header : str, optional
        The request header that carries it; without one it stands in the address.
    """

    variable: str
    value: str = field(repr=False)
    origin: str
    header: str | None = None


class Keys:
    """The keys of a run; false when there are none."""

    def __init__(self, keys: Iterable[ApiKey] = ()) -> None:
        self._keys = tuple(keys)
        spelled = {spelling: key for key in self._keys for spelling in _spellings(key.value)}
        self._marks = {spelling: f"{{{key.variable}}}" for spelling, key in spelled.items()}
        longest_first = sorted(spelled, key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, longest_first)))

    def __bool__(self) -> bool:
        return bool(self._keys)

    def filled(self, url: str) -> str:
        """Return `url` with the keys in it that its host may have."""
        origin = origin_of(url)
        for key in self._keys:
            if key.origin == origin:
                for mark in (f"{{{key.variable}}}", f"%7B{key.variable}%7D"):
                    url = url.replace(mark, quote(key.value, safe=""))
        return url

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers by which the host of `url` knows us."""
        origin = origin_of(url)
        return {key.header: key.value for key in self._keys if key.header and key.origin == origin}

    def hide(self, text: str) -> str:
        """Return `text` with every key in it replaced by the name of its variable."""
        return self._found.sub(lambda hit: self._marks[hit[0]], text) if self._keys else text


NO_KEYS = Keys()


def keys_of(brands: Brands, environment: Mapping[str, str] | None = None) -> Keys:
    """Read the keys that a brands.yaml names from the environment.

    Raises
    ------
    MissingPartError
        A variable is not set.
    UsageError
        It is not named like one, or the key is too short to be kept out of messages.
    """
    if not brands.sources.angles.enabled:
        return NO_KEYS
    environment = os.environ if environment is None else environment
    found: dict[ApiKey, None] = {}
    for brand in brands.brands:
        for entry in (each for model in brand.models for each in model.angles):
            if entry.key is None:
                continue
            name = entry.key.variable
            if not _VARIABLE.fullmatch(name):  # it may be the key itself: it is not shown
                raise UsageError(
                    f"{brand.name}: `key.variable` must be the name of an environment variable "
                    "(capitals, digits, _), never the key itself"
                )
            value = environment.get(name, "")
            if not value:
                raise MissingPartError(
                    f"the environment variable {name} is not set: it holds the key for "
                    f"{origin_of(entry.url)}",
                    hint=f"export {name}=...",
                )
            if len(value) < MIN_LENGTH or not value.isascii() or not value.isprintable():
                raise UsageError(
                    f"the key in {name} is no key of an API: at least {MIN_LENGTH} ASCII characters"
                )
            found[ApiKey(name, value, origin_of(entry.url), entry.key.header)] = None
    keys = Keys(found)
    if keys:
        _quieten(keys)
    return keys


class _Hiding(logging.Filter):
    """Keeps keys out of what the HTTP library says about addresses."""

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
