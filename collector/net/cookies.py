"""The browser's cookies, for the image hosts that ask for them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Cookies:
    """Cookies the browser got, per host name; kept in memory only."""

    _jar: dict[str, dict[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, cookies: list[dict[str, Any]]) -> None:
        """Take over what Selenium's ``get_cookies`` returned."""
        with self._lock:
            for cookie in cookies:
                domain = str(cookie.get("domain", "")).lstrip(".").lower()
                self._jar.setdefault(domain, {})[str(cookie["name"])] = str(cookie["value"])

    def header(self, url: str) -> str:
        """Return the Cookie header for an address; empty when there is none (RFC 6265, 5.1.3)."""
        host = (urlsplit(url).hostname or "").lower()
        pairs: dict[str, str] = {}
        with self._lock:
            for domain, cookies in self._jar.items():
                if domain and (host == domain or host.endswith("." + domain)):
                    pairs |= cookies
        return "; ".join(f"{name}={value}" for name, value in pairs.items())
