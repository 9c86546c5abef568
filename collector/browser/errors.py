"""How a page in the browser can fail."""

from __future__ import annotations

from collector.errors import CollectorError


class BrowserGoneError(CollectorError):
    """The browser crashed or hangs; the page may be tried again with a new one."""

    error_class = "browser"
    transient = True


class ScriptError(CollectorError):
    """One of our scripts did not end normally: the page was reloaded, or it took too long."""

    error_class = "script"
    transient = True


class HangingPageError(ScriptError):
    """A page's own script kept the browser from answering; the browser was ended."""


class PageLoadError(CollectorError):
    """The page did not load: no connection, or no response in time."""

    error_class = "page_load"
    transient = True


class ForbiddenPageError(CollectorError):
    """The page did not load because its address is not on the public internet."""

    error_class = "forbidden_address"
    refusal = True
