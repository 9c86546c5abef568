"""Waiting until a page is quiet: its elements, its requests and its timers together."""

from __future__ import annotations

import time
from typing import Any, Protocol

from collector.browser.errors import HangingPageError, ScriptError

POLL_SECONDS = 0.1
QUIET_LOOKS = 2
STILL_MS = 250
"""A page whose elements have not changed for this long, and that waits for nothing, is quiet."""

PATIENCE_SECONDS = 5.0
"""A page with content may wait for more of it this long after its last change."""

FEW = 3
"""A page that shows fewer pictures, and has a clock, may look by it whether more have come."""

FIRST_PATIENCE_SECONDS = 12.0
"""Longest delay of a timer that may bring the first content."""


class Page(Protocol):
    """What `settle` needs of a browser."""

    @property
    def left(self) -> float:
        """Remaining seconds."""

    def run(self, body: str, *arguments: Any) -> Any:
        """Run JavaScript."""

    def waiting(self) -> dict[str, float]:
        """Return address -> age of each request under way."""


def settle(page: Page) -> bool:
    """Wait until the page waits for nothing; return False if its time was over before.

    It waits for scripts, style sheets and data that are being loaded, for timers that run once, for
    ``meta refresh``, and until no element was added for `STILL_MS`. Once the page has content, a
    request or timer that brings nothing for `PATIENCE_SECONDS` counts no longer. Pictures that are
    still loading do not count: their elements are there. A page that stays empty is waited for as
    long, and one that shows few pictures and has a clock running, from its last new picture.

    Parameters
    ----------
    page : Page
        A browser with an open page; `left` is the limit.
    """
    progress, moved = None, time.monotonic()
    most, came = 0, moved
    quiet = 0
    while page.left > 0:
        try:
            waiting = page.waiting()
            state = page.run("return T && T.state(arguments[0])", 1000 * _horizon(moved, progress))
        except HangingPageError:
            raise
        except ScriptError:  # the page is being replaced
            state = None
        now = time.monotonic()
        if state is not None:
            current = (state["url"], state["weight"], state["content"])
            if progress is None or state["url"] != progress[0]:
                most, came = 0, now
            if current != progress:
                progress, moved = current, now
            if state["content"] > most:  # each beacon that a clock sends is a change, too
                most, came = state["content"], now
            # A timer that replaces the page has run before the request of the next one is known.
            quiet = quiet + 1 if _is_quiet(state, waiting, now - moved, now - came) else 0
            if quiet == QUIET_LOOKS:
                return True
        time.sleep(POLL_SECONDS)
    return False


def _horizon(moved: float, progress: tuple[str, str, int] | None) -> float:
    """Return how many seconds ahead a timer counts."""
    if progress is None or progress[2] == 0:
        return FIRST_PATIENCE_SECONDS
    return max(0.0, PATIENCE_SECONDS - (time.monotonic() - moved))


def _is_quiet(
    state: dict[str, Any], waiting: dict[str, float], since: float, without_more: float
) -> bool:
    if state["parsing"] or state["still"] < STILL_MS or state["leaving"]:
        return False
    if state["content"] == 0:  # what is awaited may be anything: a worker, a loop, a picture
        return since > PATIENCE_SECONDS and not (waiting or state["timers"] or state["loading"])
    if state["content"] < FEW and state["clocks"] and without_more < PATIENCE_SECONDS:
        return False
    if since > PATIENCE_SECONDS:
        return True
    if state["timers"] or state["loading"]:  # a request is known to the page before it is sent
        return False
    return not any(age < PATIENCE_SECONDS for age in waiting.values())
