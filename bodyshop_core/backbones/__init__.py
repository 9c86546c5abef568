"""Networks pretrained on ImageNet: registry, construction and scoring."""

from bodyshop_core.backbones.build import build, fingerprint, in_float32
from bodyshop_core.backbones.frozen import frozen_backbone
from bodyshop_core.backbones.imagenet import imagenet_classes
from bodyshop_core.backbones.registry import BackboneSpec, get, names
from bodyshop_core.backbones.scorer import Scorer, Scores

__all__ = [
    "BackboneSpec",
    "Scorer",
    "Scores",
    "build",
    "fingerprint",
    "frozen_backbone",
    "get",
    "imagenet_classes",
    "in_float32",
    "names",
]
