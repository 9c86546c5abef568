"""Pictures that show the same: re-saved, resized, cropped, mirrored, watermarked.

`stage` searches a whole workspace; the other modules are pure: numbers and pixels in, pairs out.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
