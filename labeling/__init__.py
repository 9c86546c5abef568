"""Labelling: damage masks and reviews through Label Studio, and mask files in and out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
