"""The showroom's hosts, the address of every picture on them, and their robots.txt."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from showroom.site.stock import Spin, Stock
from showroom.truth import Picture

NAMES = ("site", "cdn", "search", "thumbs", "web", "private")
# Widths of the smaller copies as parts of the original's: thumbnail and middle.
PARTS = (0.4, 0.6)

_ROBOTS = {
    "site": "User-agent: *\nDisallow: /members/\nDisallow: /*?preview=\nAllow: /\n",
    "cdn": "User-agent: *\nDisallow: /internal/\n",
    "search": "User-agent: *\nDisallow: /admin/\nAllow: /search\n",
    "thumbs": "User-agent: *\nAllow: /\n",
    "web": "User-agent: *\nDisallow: /locked/\n",
    "private": "User-agent: *\nDisallow: /\n",
}


@dataclass(frozen=True, slots=True)
class Hosts:
    """Address (``"127.0.0.1:8001"``) of each host.

    Attributes
    ----------
    site
        The brand site: models, galleries, spinners, and the hostile corner.
    cdn
        The brand's picture host.
    search, thumbs
        The image search and the host of its thumbnails.
    web
        Dealers, forums and auctions: the pages and originals that a search leads to.
    private
        Must never be asked for anything: redirects and pages of the hostile corner point at it.
    """

    site: str
    cdn: str
    search: str
    thumbs: str
    web: str
    private: str

    def url(self, host: str, path: str = "/") -> str:
        """Return the URL of `path` (with its leading slash) on a host, given by name."""
        return f"http://{getattr(self, host)}{path}"

    def original(self, picture: Picture, stock: Stock) -> str | None:
        """Return the URL of the full-size file; None for a canvas frame, which has none."""
        if picture.place == "gallery":
            return self.url("cdn", f"/o/{picture.id}.jpg")
        if picture.place == "search":
            return self.url("web", f"/photos/{picture.id}.jpg")
        spin = stock.spin(picture.spin_group or "")
        if picture.place != "spinner" or spin is None:
            return None
        position = spin.frames.index(picture)
        return self.url("cdn", f"/spin/{spin.group}/{frame_name(spin, position, stock)}")

    def smaller(self, picture: Picture, step: int, extension: str = "jpg") -> str:
        """Return the URL of a smaller copy on the brand's CDN; `step` counts `widths`."""
        return self.url("cdn", f"/w/{widths(picture)[step]}/{picture.id}.{extension}")

    def thumbnail(self, picture: Picture) -> str:
        """Return the URL of the search engine's thumbnail."""
        return self.url("thumbs", f"/th/{picture.id}")

    def source_page(self, picture: Picture) -> str:
        """Return the URL of the page a search result comes from."""
        return self.url("web", f"/{channel(picture)}/{picture.id}")


def widths(picture: Picture) -> tuple[int, ...]:
    """Return the widths in pixels of a picture's smaller copies, ascending."""
    return tuple(round(picture.width * part) for part in PARTS)


def channel(picture: Picture) -> str:
    """Return the kind of page that a search result comes from."""
    kinds = ("listing", "forum", "auction", "blog")
    return kinds[sum(picture.id.encode()) % len(kinds)]


def frame_style(spin: Spin, stock: Stock) -> str:
    """Return how a spinner names its frames: ``"config"`` in the page, ``"bare"`` nowhere."""
    groups = stock.drag_groups()
    return "bare" if spin.group in groups and groups.index(spin.group) % 2 else "config"


def frame_name(spin: Spin, position: int, stock: Stock) -> str:
    """Return the file name of the frame at `position` (from 0)."""
    if frame_style(spin, stock) == "bare":
        return f"frame_{position:03d}.jpg"
    return f"f-{position + 1}.jpg"


@dataclass(slots=True)
class RobotsAnswer:
    """What a host answers when asked for its robots.txt."""

    body: str
    status: int = 200


class RobotsBook:
    """The robots.txt of every host, changeable while the site runs.

    Parameters
    ----------
    crawl_delay
        Seconds written as Crawl-delay into every host's answer; None leaves it out.
    """

    def __init__(self, crawl_delay: float | None = None) -> None:
        self._lock = threading.Lock()
        delay = "" if crawl_delay is None else f"Crawl-delay: {crawl_delay:g}\n"
        self._answers = {name: RobotsAnswer(body + delay) for name, body in _ROBOTS.items()}

    def set(self, host: str, body: str, status: int = 200) -> None:
        """Replace the answer of a host."""
        with self._lock:
            self._answers[host] = RobotsAnswer(body, status)

    def get(self, host: str) -> RobotsAnswer:
        """Return the answer of a host."""
        with self._lock:
            return self._answers[host]
