"""Accessibility of a page, as axe-core sees it in a real browser."""

from __future__ import annotations

from functools import cache

from npm import npm_folder

VERSION = "4.10.3"
SERIOUS = {"serious", "critical"}


@cache
def _source() -> str:
    folder = npm_folder("axe-core", VERSION)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def serious_violations(browser) -> list[str]:
    """What axe-core finds on the page that is open: rule, how bad it is, and where."""
    # Through the driver, so that the page's own policy for scripts does not matter.
    browser.execute_script(_source())
    found = browser.execute_async_script(
        "const done = arguments[0];"
        "axe.run().then((r) => done(r.violations)).catch((e) => done(String(e)));"
    )
    assert isinstance(found, list), found
    return [
        f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:160]}"
        for each in found
        if each["impact"] in SERIOUS
    ]
