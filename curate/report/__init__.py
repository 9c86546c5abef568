"""The report of a curated workspace: static pages that open from disk."""

from bodyshop.lazy import lazy_exports

__all__ = ["write_report"]

__getattr__ = lazy_exports(__name__, {"write_report": "build"})
