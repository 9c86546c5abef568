"""Offline augmentation: reproducible variants of training pictures, masks and boxes with them.

>>> from augment import augment, load_policy
>>> summary = augment(workspace, load_policy("car-damage"), copies=2)  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from bodyshop.lazy import lazy_exports

if TYPE_CHECKING:
    from augment.apply import AugmentSummary, augment
    from augment.contact_sheet import preview
    from augment.live import Augmenter, online
    from augment.policy import Policy, load_policy, preset_names
    from augment.replay import Replay, verify

__all__ = [
    "AugmentSummary",
    "Augmenter",
    "Policy",
    "Replay",
    "augment",
    "load_policy",
    "online",
    "preset_names",
    "preview",
    "verify",
]

_modules = {
    "AugmentSummary": "apply",
    "Augmenter": "live",
    "Policy": "policy",
    "Replay": "replay",
    "augment": "apply",
    "load_policy": "policy",
    "online": "live",
    "preset_names": "policy",
    "preview": "contact_sheet",
    "verify": "replay",
}

__getattr__ = lazy_exports(__name__, _modules)
