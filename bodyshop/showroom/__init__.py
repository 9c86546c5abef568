"""The embedded demo: cars rendered with exact damage masks, and the site that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from bodyshop.showroom.build import build_showroom
    from bodyshop.showroom.site import Site, serve
    from bodyshop.showroom.truth import Brand, Model, Picture, Truth, load_truth

__all__ = ["Brand", "Model", "Picture", "Site", "Truth", "build_showroom", "load_truth", "serve"]

__getattr__ = lazy_exports(
    __name__,
    {
        "build_showroom": "build",
        "serve": "site",
        "Site": "site",
        "load_truth": "truth",
        "Truth": "truth",
        "Picture": "truth",
        "Brand": "truth",
        "Model": "truth",
    },
)
