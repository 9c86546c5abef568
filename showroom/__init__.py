"""The embedded demo: cars rendered with exact damage masks, and the site that shows them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
