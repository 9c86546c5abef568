"""Web addresses as text: their parts, their host, and when two of them are the same."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

_TRACKING = ("utm_", "gclid", "fbclid", "msclkid", "mc_cid", "mc_eid", "igshid", "_ga")


@lru_cache(maxsize=1 << 14)
def parts_of(url: str) -> SplitResult:
    """Split an address into its parts; the result is cached.

    Raises
    ------
    ValueError
        The address cannot be parsed ("http://[").
    """
    return urlsplit(url)


@lru_cache(maxsize=1 << 14)
def is_web_address(url: str) -> bool:
    """Return whether this is an http(s) address that can be parsed; a page may write anything."""
    try:
        parts = parts_of(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # "http://[", a port of six digits
        return False


@lru_cache(maxsize=1 << 14)
def host_of(url: str) -> str:
    """Return the host that a request counts for: the name, and any port but the default."""
    parts = parts_of(url)
    host, port = (parts.hostname or "").lower(), port_of(url)
    default = 443 if parts.scheme == "https" else 80
    host = f"[{host}]" if ":" in host else host
    return host if port == default else f"{host}:{port}"


def canonical_host(host: str) -> str:
    """Return the same text for two spellings of one host: IDNA, no final dot, short IPv6.

    Parameters
    ----------
    host : str
        From `host_of`: lower case, with any port but the default.
    """
    bracketed = re.fullmatch(r"\[(.*)\](:\d+)?", host)
    if bracketed:
        try:
            return f"[{ipaddress.IPv6Address(bracketed[1])}]{bracketed[2] or ''}"
        except ValueError:
            return host
    name, colon, port = host.partition(":")
    name = name.rstrip(".")
    try:
        name = name.encode("idna").decode("ascii") if not name.isascii() else name
    except UnicodeError:  # no name: its request will say so
        return host
    return f"{name}{colon}{port}"


def port_of(url: str) -> int:
    """Return the TCP port of an http(s) address."""
    parts = parts_of(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


@lru_cache(maxsize=1 << 14)
def origin_of(url: str) -> str:
    """Return scheme, host and port: the scope of a robots.txt."""
    return f"{parts_of(url).scheme}://{host_of(url)}"


@lru_cache(maxsize=1 << 14)
def url_key(url: str) -> str:
    """Return the same text for two spellings of one address; the text is never requested itself.

    The host becomes lower case; the fragment and tracking parameters are dropped. The path and the
    order of the other parameters stay, because a server may distinguish them.
    """
    parts = parts_of(url)
    query = parts.query
    if any(mark in query for mark in _TRACKING):
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([pair for pair in pairs if not pair[0].lower().startswith(_TRACKING)])
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path or "/", query, ""))
