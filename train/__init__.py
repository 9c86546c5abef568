"""Training: from curated splits to classifiers and segmenters in self-contained run folders."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
