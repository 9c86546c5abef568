"""The one browser of a discovery thread: found, started, guarded, recycled and ended here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from collector.browser.driver import BrowserParts, find_browser
    from collector.browser.session import (
        Browser,
        BrowserGoneError,
        ForbiddenPageError,
        PageLoadError,
        ScriptError,
    )

__all__ = [
    "Browser",
    "BrowserGoneError",
    "BrowserParts",
    "ForbiddenPageError",
    "PageLoadError",
    "ScriptError",
    "find_browser",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Browser": "session",
        "BrowserGoneError": "session",
        "ForbiddenPageError": "session",
        "PageLoadError": "session",
        "ScriptError": "session",
        "BrowserParts": "driver",
        "find_browser": "driver",
    },
)
