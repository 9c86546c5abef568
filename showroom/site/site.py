"""A built showroom, served on loopback and described to the collector."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.atomic import write_text
from showroom.site.apps import Setting
from showroom.site.brand import brand_app
from showroom.site.cdn import cdn_app
from showroom.site.crawlplan import brands_yaml, recipe_yaml
from showroom.site.hostile import add_way_out, private_app
from showroom.site.hosts import NAMES, Hosts, RobotsBook
from showroom.site.log import RequestLog
from showroom.site.search import search_app, thumbs_app, web_app
from showroom.site.server import Fault, LoopbackServer, WSGIApp, bind
from showroom.site.stock import Stock
from showroom.site.threats import Hostile, all_answers
from showroom.truth import Picture, Truth

if TYPE_CHECKING:
    from types import TracebackType


class Site:
    """A running showroom.

    Attributes
    ----------
    truth
        Ground truth of all pictures.
    hosts
        Address of each host.
    log
        Every request so far, by host.
    recipe_path
        Search recipe for this site's image search; it lives as long as the site.
    """

    def __init__(
        self,
        root: Path,
        truth: Truth,
        *,
        port: int = 0,
        latency: float = 0.0,
        crawl_delay: float | None = None,
    ) -> None:
        self.root = root
        self.truth = truth
        self.log = RequestLog()
        self._stock = Stock(truth, root)
        self._robots = RobotsBook(crawl_delay)
        sockets = bind(NAMES, port)
        self.hosts = Hosts(**{n: f"127.0.0.1:{s.getsockname()[1]}" for n, s in sockets.items()})
        stopping = threading.Event()
        setting = Setting(self._stock, self.hosts, self._robots, stopping)
        cdn = cdn_app(setting)
        add_way_out(cdn, setting)
        apps: dict[str, WSGIApp] = {
            "site": brand_app(setting),
            "cdn": cdn,
            "search": search_app(setting),
            "thumbs": thumbs_app(setting),
            "web": web_app(setting),
            "private": private_app(setting),
        }
        self._folder = tempfile.TemporaryDirectory(prefix="showroom-")
        self.recipe_path = Path(self._folder.name) / "showroom.yaml"
        write_text(self.recipe_path, recipe_yaml(self.hosts, self._stock))
        self._server = LoopbackServer(
            sockets, apps, log=self.log, latency=latency, stopping=stopping
        )

    @property
    def base_url(self) -> str:
        """Address of the brand site, without a slash at the end."""
        return self.hosts.url("site", "")

    @property
    def search_url(self) -> str:
        """Address of the image search, without a slash at the end."""
        return self.hosts.url("search", "")

    @property
    def hostile(self) -> tuple[Hostile, ...]:
        """Every answer of the hostile corner with the fate it deserves."""
        return all_answers(self.hosts)

    def brands_yaml(
        self, *, spinners: bool = True, search: bool = True, interval: float = 0.0
    ) -> str:
        """Return the text of a brands.yaml that collects this site.

        Parameters
        ----------
        spinners, search
            Whether to collect spinners, and the results of the image search.
        interval
            Seconds between two requests to one host.
        """
        return brands_yaml(
            self.hosts,
            self._stock,
            recipe=self.recipe_path,
            spinners=spinners,
            search=search,
            interval=interval,
        )

    def original_url(self, picture: Picture) -> str | None:
        """Return the address of a full-size file; None for a canvas frame, which has none."""
        return self.hosts.original(picture, self._stock)

    def originals(self) -> dict[str, Picture]:
        """Return every full-size file that has an address: URL -> picture."""
        found = ((self.original_url(p), p) for p in self.truth.originals())
        return {url: picture for url, picture in found if url is not None}

    def set_robots(self, host: str, body: str, *, status: int = 200) -> None:
        """Let a host answer `body` when it is asked for /robots.txt from now on."""
        self._robots.set(host, body, status)

    def inject(
        self,
        host: str,
        prefix: str = "/",
        *,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        times: int = 1,
        per_path: bool = False,
    ) -> None:
        """Let a host answer wrongly to the next `times` requests for paths below `prefix`.

        Parameters
        ----------
        per_path
            Count `times` for each path on its own: ``times=1`` then fails every path once.
        """
        self._server.faults.append(
            Fault(host, prefix, status, dict(headers or {}), body, times, per_path)
        )

    def close(self) -> None:
        """Stop serving; safe to call twice."""
        self._server.close()
        self._folder.cleanup()

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
