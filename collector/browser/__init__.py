"""The one browser of a discovery thread: found, started, guarded, recycled and ended here."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
