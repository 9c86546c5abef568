"""Training: from curated splits to a classifier in a folder that can be carried away."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
