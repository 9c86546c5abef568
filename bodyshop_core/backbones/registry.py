"""The available backbones and their properties, without TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from bodyshop_core.errors import UsageError


@dataclass(frozen=True)
class BackboneSpec:
    """Properties of a backbone.

    Parameters
    ----------
    name : str
        As users type it.
    input_size : int
        Side of the square input it was trained at, in pixels.
    feature_dim : int
        Length of the globally average-pooled feature vector.
    blocks : tuple of str
        Names of its blocks from input to output; training may be unfrozen from any of them.
        A layer belongs to the last block whose prefix its name starts with.
    feature_layer : str
        The layer whose output is averaged into the feature vector.
    keras_name : str or None
        Class in ``keras.applications``; None for those built here.
    cache_files : tuple of (str, str) or None
        File names in Keras' cache, with the top and without.
    runtime : str
        What runs it fastest on a CPU when nothing is learned, as `benchmarks.looking` measured:
        ``litert`` or ``keras``.
    """

    name: str
    input_size: int
    feature_dim: int
    blocks: tuple[str, ...]
    feature_layer: str
    keras_name: str | None = None
    cache_files: tuple[str, str] | None = None
    runtime: str = "litert"


def names() -> tuple[str, ...]:
    """Return the names of all backbones."""
    return tuple(_BACKBONES)


def get(name: str) -> BackboneSpec:
    """Return the properties of a backbone.

    Raises
    ------
    UsageError
        There is no backbone of that name.
    """
    try:
        return _BACKBONES[name]
    except KeyError:
        raise UsageError(
            f"there is no backbone '{name}'", hint=f"choose one of: {', '.join(_BACKBONES)}"
        ) from None


def _tf_kernels(stem: str) -> tuple[str, str]:
    return f"{stem}_weights_tf_dim_ordering_tf_kernels.h5", (
        f"{stem}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    )


_BACKBONES = {
    spec.name: spec
    for spec in (
        BackboneSpec(
            name="efficientnet-lite0",
            input_size=224,
            feature_dim=1280,
            blocks=("stem_", *(f"b{index}_" for index in range(16)), "head_"),
            feature_layer="top_activation",
        ),
        BackboneSpec(
            name="vgg16",
            input_size=224,
            feature_dim=512,
            blocks=tuple(f"block{index}_" for index in range(1, 6)),
            feature_layer="block5_pool",
            keras_name="VGG16",
            cache_files=_tf_kernels("vgg16"),
            runtime="keras",
        ),
        BackboneSpec(
            name="resnet50",
            input_size=224,
            feature_dim=2048,
            blocks=("conv1_", "conv2_", "conv3_", "conv4_", "conv5_"),
            feature_layer="conv5_block3_out",
            keras_name="ResNet50",
            cache_files=_tf_kernels("resnet50"),
        ),
        BackboneSpec(
            name="densenet121",
            input_size=224,
            feature_dim=1024,
            blocks=("conv1_", "conv2_", "conv3_", "conv4_", "conv5_", "bn"),
            feature_layer="relu",
            keras_name="DenseNet121",
            cache_files=_tf_kernels("densenet121"),
        ),
        BackboneSpec(
            name="mobilenet",
            input_size=224,
            feature_dim=1024,
            blocks=("conv1", *(f"conv_{kind}_{i}" for i in range(1, 14) for kind in ("dw", "pw"))),
            feature_layer="conv_pw_13_relu",
            keras_name="MobileNet",
            cache_files=("mobilenet_1_0_224_tf.h5", "mobilenet_1_0_224_tf_no_top.h5"),
        ),
        BackboneSpec(
            name="mobilenet_v2",
            input_size=224,
            feature_dim=1280,
            blocks=("Conv1", "expanded_conv_", *(f"block_{i}_" for i in range(1, 17)), "Conv_1"),
            feature_layer="out_relu",
            keras_name="MobileNetV2",
            cache_files=(
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
                "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
            ),
        ),
    )
}
