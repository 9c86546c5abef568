"""bodyshop: from a list of car brands to a curated picture set and a trained classifier."""

import lazy_loader

from bodyshop_core import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
