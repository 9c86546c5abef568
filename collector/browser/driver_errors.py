"""What a driver's error means.

Selenium has a class for some errors only. For the others chromedriver answers ``unknown error`` (or
none at all) and a text: WebDriver defines no code for a lost browser or a page that did not load.
Only this module knows these texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.common.exceptions import WebDriverException

_NET_ERROR = "net::ERR_"
_GONE = (
    "invalid session id", "chrome not reachable", "disconnected", "session deleted", "tab crashed",
    "no such window", "target window already closed", "not connected to devtools", "crashed",
    "unable to receive message from renderer", "no such execution context", "target closed",
)  # fmt: skip


def net_error(error: WebDriverException) -> str:
    """Return Chromium's code of a page that did not load (``net::ERR_...``), or an empty text."""
    text = error.msg or ""
    if _NET_ERROR not in text:
        return ""
    return text[text.index(_NET_ERROR) :].split()[0]


def is_gone(error: WebDriverException) -> bool:
    """Return whether the browser or its tab has ended, so that a new one is needed."""
    from selenium.common.exceptions import InvalidSessionIdException, NoSuchWindowException

    if isinstance(error, InvalidSessionIdException | NoSuchWindowException):
        return True
    text = (error.msg or "").lower()
    return any(sign in text for sign in _GONE)


def first_line(error: BaseException) -> str:
    """Return the first line of an error, for messages."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]
