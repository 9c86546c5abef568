"""Networks pretrained on ImageNet, by name: how to build them and what they see in a picture."""

from bodyshop.backbones.build import build, fingerprint
from bodyshop.backbones.classes import imagenet_classes
from bodyshop.backbones.registry import BackboneSpec, get, names
from bodyshop.backbones.scorer import Scorer, Scores

__all__ = [
    "BackboneSpec",
    "Scorer",
    "Scores",
    "build",
    "fingerprint",
    "get",
    "imagenet_classes",
    "names",
]
