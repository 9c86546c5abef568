"""Networks that are only run, never trained, by LiteRT: no TensorFlow is imported."""

from bodyshop_core.inference.litert import LiteModel, load_lite_model

__all__ = ["LiteModel", "load_lite_model"]
