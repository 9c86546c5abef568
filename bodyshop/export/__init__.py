"""The curated set for other tools: a table, class folders, COCO, YOLO, a Hub folder, Croissant."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
