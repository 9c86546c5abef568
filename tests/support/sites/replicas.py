"""Serve every replica on a loopback port of its own, and point the shipped recipes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from collector.sources.recipe import Scroll, SearchRecipe, load_recipe
from showroom.site.log import RequestLog
from showroom.site.server import LoopbackServer, bind
from sites.apis import commons_app, openverse_app
from sites.engines import bing_app, google_app, naver_app
from sites.items import Item, blogs_app, make_items, thumbs_app

ENGINES = ("google", "bing", "naver")
_PATHS = {
    "google": "/search?q={query}&udm=2",
    "bing": "/images/search?q={query}&form=HDRSC2",
    "naver": "/search.naver?where=image&query={query}",
}


@dataclass(frozen=True)
class Replicas:
    """The running replicas.

    Attributes
    ----------
    items
        What every engine finds, in order.
    hosts
        Name (``google``, ``thumbs``, ``blogs``, ``openverse``, ...) -> ``127.0.0.1:port``.
    log
        Every request, by host.
    """

    items: tuple[Item, ...]
    hosts: dict[str, str]
    log: RequestLog

    @property
    def originals(self) -> dict[str, Item]:
        """Every full-size address."""
        return {item.full: item for item in self.items}

    @property
    def openverse(self) -> str:
        """Endpoint of the Openverse API."""
        return f"http://{self.hosts['openverse']}/v1/images/"

    @property
    def commons(self) -> str:
        """Endpoint of the Commons API."""
        return f"http://{self.hosts['commons']}/w/api.php"

    def recipe(self, engine: str, **variant: str) -> SearchRecipe:
        """Return the shipped recipe with the replica's addresses and shorter waits.

        Parameters
        ----------
        variant
            Parameters of the replica: ``layout``, ``consent``, ``blocked``.
        """
        shipped = load_recipe(engine)
        extra = "&" + urlencode(variant) if variant else ""
        thumbs = self.hosts["thumbs"]
        patterns = tuple(
            pattern.replace(r"https?://search\.pstatic\.net", f"http://{thumbs}")
            for pattern in shipped.thumbnail_urls
        )
        # Naver's preview host also proxies originals, so that its recipe must not name the host.
        hosts = (thumbs,) if shipped.thumbnail_hosts else ()
        return shipped.model_copy(
            update={
                "url": f"http://{self.hosts[engine]}{_PATHS[engine]}{extra}",
                "thumbnail_hosts": hosts,
                "thumbnail_urls": patterns,
                "scroll": Scroll(quiet_rounds=2, settle_ms=800),
                "preview_ms": 1500,
            }
        )


@contextmanager
def serve_replicas(count: int = 45) -> Iterator[Replicas]:
    """Serve the replicas, each finding the same `count` pictures."""
    sockets = bind((*ENGINES, "thumbs", "blogs", "openverse", "commons"), 0)
    hosts = {name: f"127.0.0.1:{sock.getsockname()[1]}" for name, sock in sockets.items()}
    items = make_items(count, hosts["blogs"])
    apps = {
        "google": google_app(items, hosts["thumbs"]),
        "bing": bing_app(items, hosts["thumbs"]),
        "naver": naver_app(items, hosts["thumbs"]),
        "thumbs": thumbs_app(items),
        "blogs": blogs_app(items),
        "openverse": openverse_app(items),
        "commons": commons_app(items),
    }
    log = RequestLog()
    with LoopbackServer(sockets, apps, log=log):
        yield Replicas(items, hosts, log)
