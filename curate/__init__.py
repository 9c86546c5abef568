"""Keeping the pictures that were meant: measure, gate, deduplicate, split, audit, report."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
