"""Augmentation: reproducible variants of training pictures, with their masks and boxes.

>>> from augment import augment, load_policy
>>> summary = augment(workspace, load_policy("car-damage"), copies=2)  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
