"""Networks that are only run, never trained, by LiteRT: no TensorFlow is imported.

`litert` opens anybody's file; `network` runs a file that bodyshop converted, in many threads;
`convert` makes such a file from a Keras model, verifies and caches it.
"""

from bodyshop_core.inference.convert import cached_network
from bodyshop_core.inference.litert import LiteModel, load_lite_model
from bodyshop_core.inference.network import FrozenNetwork

__all__ = ["FrozenNetwork", "LiteModel", "cached_network", "load_lite_model"]
