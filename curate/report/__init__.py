"""The report of a curated workspace: static pages that open from disk.

`stage` writes the report of a whole workspace from what `content` reads, with the small pictures
of `thumbnails`; `charts` is pure.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
