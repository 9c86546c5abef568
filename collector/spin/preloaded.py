"""Frames that a page loads before anything turns: a numbered series of files of one size."""

from __future__ import annotations

from collections.abc import Iterable

from collector.browser import Browser
from collector.spin.frames import FrameTemplate, infer_template

MIN_PRELOADED = 8
"""A shorter series may be a gallery, or the first frames of a viewer that loads on demand."""


MIN_PANORAMA = 1024
"""Pixels of width."""

MOST_MEASURED = 60


def preloaded_frames(browser: Browser) -> list[str] | None:
    """Return the addresses of a series of pictures that the open page has loaded, or None.

    The series counts if its numbers have no gap and all of its pictures have the same size.

    Parameters
    ----------
    browser : Browser
        With the viewer's page open.
    """
    loaded = [seen.url for seen in browser.responses() if seen.is_image and seen.status == 200]
    template = gapless_series(loaded)
    if template is None:
        return None
    urls = template.urls()
    sizes = browser.await_("T.sizes(given[0])", urls[:: max(1, len(urls) // 6)])
    return urls if len({tuple(size) for size in sizes if size}) == 1 and all(sizes) else None


def panorama_files(browser: Browser) -> list[str]:
    """Return the pictures that the open page has loaded and that are twice as wide as high."""
    loaded = [seen.url for seen in browser.responses() if seen.is_image and seen.status == 200]
    urls = list(dict.fromkeys(loaded))[:MOST_MEASURED]
    sizes = browser.await_("T.sizes(given[0])", urls)
    return [
        url
        for url, size in zip(urls, sizes, strict=True)
        if size and size[0] >= MIN_PANORAMA and abs(size[0] / size[1] - 2) < 0.01
    ]


def gapless_series(urls: Iterable[str]) -> FrameTemplate | None:
    """Return the template of the longest numbered series if every number of it was loaded."""
    once = dict.fromkeys(urls)
    template = infer_template(once)
    if template is None:
        return None
    numbered = template.urls()
    whole = len(numbered) >= MIN_PRELOADED and all(url in once for url in numbered)
    return template if whole else None
