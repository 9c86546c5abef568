"""Our tools in the page: scripts that run in every document before its own."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

from collector.browser.consent_data import managers_script


@lru_cache(maxsize=1)
def page_scripts() -> tuple[str, ...]:
    """Return our tools for every document, in the order in which they need each other."""
    folder = resources.files("collector.browser")
    names = (
        "pending.js", "inpage.js", "inline.js", "scrolling.js", "lists.js", "consent.js",
        "restraint.js", "presses.js", "behaviours.js", "stubborn.js", "gestures.js", "announced.js",
        "choices.js", "search.js", "spinner.js",
    )  # fmt: skip
    return (*(folder.joinpath(name).read_text("utf-8") for name in names), managers_script())
