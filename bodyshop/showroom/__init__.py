"""The embedded demo: cars rendered with exact damage masks, and a site on loopback that shows them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bodyshop.showroom.build import build_showroom
    from bodyshop.showroom.site import Site, serve
    from bodyshop.showroom.truth import Brand, Model, Picture, Truth, load_truth

_WHERE = {
    "build_showroom": "bodyshop.showroom.build",
    "serve": "bodyshop.showroom.site",
    "Site": "bodyshop.showroom.site",
    "load_truth": "bodyshop.showroom.truth",
    "Truth": "bodyshop.showroom.truth",
    "Picture": "bodyshop.showroom.truth",
    "Brand": "bodyshop.showroom.truth",
    "Model": "bodyshop.showroom.truth",
}

__all__ = ["Brand", "Model", "Picture", "Site", "Truth", "build_showroom", "load_truth", "serve"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
