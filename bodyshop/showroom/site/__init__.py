"""The showroom's web: a brand site, its CDN, an image search, its sources, a hostile corner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from bodyshop.showroom.site.hosts import Hosts
    from bodyshop.showroom.site.log import Request, RequestLog
    from bodyshop.showroom.site.server import Fault
    from bodyshop.showroom.site.site import Site, serve

__all__ = ["Fault", "Hosts", "Request", "RequestLog", "Site", "serve"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Fault": "server",
        "Hosts": "hosts",
        "Request": "log",
        "RequestLog": "log",
        "Site": "site",
        "serve": "site",
    },
)
