"""The showroom's web: a brand site, its CDN, an image search, its sources, a hostile corner."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
