"""The browser's cookies, for image hosts that require them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Cookies:
    """Cookies that the browser received, per host name; kept in memory only."""

    _jar: dict[str, dict[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, cookies: list[dict[str, Any]]) -> None:
        """Add the cookies from Selenium's ``get_cookies``."""
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
