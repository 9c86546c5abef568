"""Seeing all of a page: scrolling, asking for more, opening galleries; and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collector.browser.consent import ConsentAnswers, refuse_consent
from collector.browser.pointer import click_at, staying
from collector.browser.session import Browser
from collector.browser.settling import settle

SCROLL_STEP = 0.7
"""Of the window's height."""

SETTLE_MS = 1500
QUIET_ROUNDS = 2
MAX_TRUSTED = 40
"""Clicks by the pointer on controls that ignore the clicks of scripts."""

MAX_ROUNDS = 4


@dataclass
class Estimate:
    """How many pictures a page announces, and what is known to be missing."""

    announced: int | None = None
    lacks: list[str] = field(default_factory=list)


def see_whole_page(browser: Browser, answers: ConsentAnswers, max_items: int) -> list[str]:
    """Scroll, and use every control that may show more pictures, until nothing new appears.

    Parameters
    ----------
    browser : Browser
        With an open page.
    answers : ConsentAnswers
        Banners that appear meanwhile are refused, and noted here.
    max_items : int
        Most images.

    Returns
    -------
    list of str
        Which limits were reached before the end.
    """
    lacks: list[str] = []
    for round_ in range(MAX_ROUNDS):
        lacks = []
        given = len(answers.given)
        scrolled = browser.await_("T.scroll(given[0])", _scroll_options(browser, max_items))
        if scrolled["stopped"] != "quiet":
            lacks.append(f"the scrolling was stopped by the limit of {scrolled['stopped']}")
        if round_ == 0:  # scrolling may have begun something, such as a banner
            settle(browser)
        explored = browser.await_("T.explore(given[0])", {"seconds": 0.8 * browser.left})
        lacks += explored["limits"]
        trusted = _click_stubborn(browser)
        if late := browser.await_("T.watch(given[0])", {"seconds": 0.8 * browser.left}):
            lacks.append(late)
        refuse_consent(browser, answers)
        if browser.left < 2:
            lacks.append("limits.behaviour_seconds was reached")
            break
        more = trusted or explored["fresh"] or explored["untried"]
        if len(answers.given) == given and not more:
            break
    else:
        if explored["gained"]:
            lacks.append(f"after {MAX_ROUNDS} looks there were still choices that showed more")
    return lacks


def estimate_of(browser: Browser, *, found: int, limit: int) -> Estimate:
    """Compare what the open page announces with what was found on it.

    Counters ("24 photos", "1 / 24"), ``aria-setsize``, slides without a picture, elements without
    an address and links to further pages of a list are read.

    Parameters
    ----------
    browser : Browser
        With the page open.
    found : int
        Pictures that were found.
    limit : int
        ``limits.page_items``.
    """
    with staying(browser):
        browser.await_("T.closeOpened(0)")
    signs: list[dict[str, Any]] = browser.run("return T.announced()")
    rest = browser.run("return T.unfinished()")
    most = max(signs, key=lambda sign: sign["count"], default=None)
    estimate = Estimate(most["count"] or None if most else None)
    if most and most["count"] > found:
        estimate.lacks.append(
            f"the page announces {most['count']} pictures ({most['why']!r}), {found} were found"
        )
    estimate.lacks += [sign["why"] for sign in signs if sign.get("empty")]
    if rest["left"] and not (most and 0 < most["count"] <= found):
        estimate.lacks.append(rest["left"])
    if rest["bare"]:
        estimate.lacks.append(f"{rest['bare']} images never got an address")
    if rest["next"]:
        estimate.lacks.append(f"the list goes on at {rest['next'][:200]}")
    if found > limit:
        estimate.lacks.append(f"limits.page_items is {limit}, {found} pictures were found")
    return estimate


def _click_stubborn(browser: Browser) -> int:
    """Click what ignored the clicks of scripts with the pointer; return how many brought more."""
    useful = 0
    with staying(browser):
        for _ in range(MAX_TRUSTED):
            target = browser.run("return T.nextStubborn()") if browser.left > 2 else None
            if target is None:
                break
            click_at(browser, target["x"], target["y"])
            useful += bool(
                browser.await_("T.afterPointer(...given)", target["known"], browser.left)
            )
    return useful


def _scroll_options(browser: Browser, max_items: int) -> dict[str, float]:
    return {
        "step": SCROLL_STEP, "settle": SETTLE_MS, "quietRounds": QUIET_ROUNDS,
        "seconds": browser.left, "maxItems": max_items,
    }  # fmt: skip
