"""Two inspections of one car: which pictures show the same view, and what damage is new."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
