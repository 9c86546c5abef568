"""Answering consent banners: refused by the manager's own button or function, never accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collector.browser.consent_data import consent_words
from collector.browser.errors import HangingPageError, ScriptError
from collector.browser.pointer import click_at
from collector.browser.session import Browser
from collector.browser.settling import settle

MAX_ANSWERS = 3
"""Banners of one page: the manager's own, and what it opens."""

_FRAME_SIGNS = (
    'iframe[id^="sp_message"],iframe[id*="consent" i],iframe[src*="consent" i],'
    'iframe[title*="consent" i],'
    'iframe[id*="cmp" i],iframe[src*="cmp" i],iframe[title*="cookie" i],iframe[src*="cookie" i],'
    'iframe[src*="privacy" i],iframe[title*="privacy" i],iframe[src*="trustarc" i]'
)


@dataclass
class ConsentAnswers:
    """What was answered on one page.

    Parameters
    ----------
    given : list of str
        Each answer with the manager and the button or function, for the provenance.
    waits : str
        What still waits for an answer, or empty.
    ignored : list of str
        Buttons that refuse and had no effect.
    """

    given: list[str] = field(default_factory=list)
    waits: str = ""
    ignored: list[str] = field(default_factory=list)


def refuse_consent(
    browser: Browser, answers: ConsentAnswers, own: tuple[str, ...] = ()
) -> ConsentAnswers:
    """Refuse the consent banners that the open page shows now; call again when it has changed.

    Parameters
    ----------
    browser : Browser
        With an open page.
    answers : ConsentAnswers
        Of this page so far; it is extended.
    own : tuple of str
        Selectors that are tried first (of a recipe).
    """
    data = consent_words()
    useless = ""
    while len(answers.given) < MAX_ANSWERS > len(answers.ignored) and browser.left > 0:
        said = browser.await_("T.consent(given[0], given[1])", list(own), data)
        if not said["answer"]:
            said = _in_other_frames(browser, data)
        if not said["answer"]:
            break
        settle(browser)
        still = browser.run("return T.consentStill()")
        if still is not None and not still["covered"]:  # it may want a click that a page can trust
            click_at(browser, still["x"], still["y"])
            settle(browser)
            still = browser.run("return T.consentStill()")
        if still is not None and browser.await_("T.consentSave(given[0])", data):
            settle(browser)
            still = browser.run("return T.consentStill()")
        if still is not None:
            useless = f"{said['by']} {said['what']}"
            answers.ignored.append(useless)
            browser.run("T.consentUseless()")  # there may be another way
            continue
        useless = ""
        answers.given.append(f"{said['answer']}: {said['by']} {said['what']}")
    answers.waits = str(browser.run("return T.consentWaits(arguments[0])", data))
    if useless or (answers.ignored and answers.waits):  # this call's, or an earlier one's
        answers.waits = f"its button to refuse ({answers.ignored[-1]}) has no effect"
    return answers


def _in_other_frames(browser: Browser, data: dict[str, Any]) -> dict[str, str]:
    """Look into frames of other origins that are named like a consent banner."""
    for place in range(browser.frames(_FRAME_SIGNS)):
        with browser.inside_frame(_FRAME_SIGNS, place) as entered:
            if not entered or browser.run("return !!window.frameElement"):  # seen from the page
                continue
            try:
                said: dict[str, str] = browser.await_("T.consent([], given[0])", data)
            except HangingPageError:
                raise
            except ScriptError:  # the frame closed itself with its answer
                continue
            if said["answer"]:
                return said
    return {"answer": "", "by": "", "what": ""}
