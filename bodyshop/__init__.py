"""bodyshop: from a list of car brands to a curated picture set and a trained classifier."""

from typing import Any

import lazy_loader

_lazy, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from bodyshop_core.version import __version__

        return __version__
    return _lazy(name)
