"""Frames that a page loads before anything turns: a numbered series of files of one size."""

from __future__ import annotations

import re
from collections.abc import Iterable

from collector.browser import Browser
from collector.spin.frames import FrameTemplate, infer_template

MIN_PRELOADED = 8
"""A shorter series may be a gallery, or the first frames of a viewer that loads on demand."""


MIN_PANORAMA = 1024
"""Pixels of width."""

MOST_MEASURED = 60

CUBE_FACES, MIN_FACE = 6, 256
"""Number of the faces of a cube, and their least side in pixels."""

_MODEL = re.compile(r"\.(?:gl(?:b|tf)|obj|fbx|drc|usdz|stl|ply|3mf|dae)(?:$|[?#])", re.IGNORECASE)
"""Addresses of 3D models: a wide picture beside one is what the car is lit by."""


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
    """Return the pictures of a panorama that the open page has loaded.

    They are twice as wide as high, or the six faces of a cube.
    """
    loaded = [seen.url for seen in browser.responses() if seen.is_image and seen.status == 200]
    urls = list(dict.fromkeys(loaded))[:MOST_MEASURED]
    sizes = dict(zip(urls, browser.await_("T.sizes(given[0])", urls), strict=True))
    known = {url: size for url, size in sizes.items() if size}
    wide = [
        url
        for url, (width, height) in known.items()
        if width >= MIN_PANORAMA and abs(width / height - 2) < 0.01
    ]
    faces = [url for url, (width, height) in known.items() if width == height >= MIN_FACE]
    is_cube = len(faces) == CUBE_FACES and len({known[url][0] for url in faces}) == 1
    return wide or (faces if is_cube else [])


def panorama_textures(browser: Browser) -> list[str]:
    """Return the files of a panorama that a page paints itself, without a 3D model.

    Parameters
    ----------
    browser : Browser
        With a page open whose viewer is a WebGL canvas.
    """
    if any(_MODEL.search(seen.url) for seen in browser.responses()):
        return []
    return panorama_files(browser)


def gapless_series(urls: Iterable[str]) -> FrameTemplate | None:
    """Return the template of the longest numbered series if every number of it was loaded."""
    once = dict.fromkeys(urls)
    template = infer_template(once)
    if template is None:
        return None
    numbered = template.urls()
    whole = len(numbered) >= MIN_PRELOADED and all(url in once for url in numbered)
    return template if whole else None
