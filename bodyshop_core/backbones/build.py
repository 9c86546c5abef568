"""Building a backbone as a flat Keras model that takes plain RGB."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.backbones import weights as weight_files
from bodyshop_core.backbones.assembled import INT8_LITE0
from bodyshop_core.backbones.lite import build_lite0
from bodyshop_core.backbones.registry import BackboneSpec, get
from bodyshop_core.errors import BodyshopError, MissingPartError, UsageError
from bodyshop_core.quiet_tensorflow import import_tensorflow

if TYPE_CHECKING:
    import keras

PREPROCESSING_VERSION = 1
"""Increased whenever the same picture would get other features."""


def build(
    name: str,
    *,
    weights: Path | str | None = None,
    input_size: int | None = None,
    include_top: bool = False,
) -> keras.Model:
    """Build a backbone with its preprocessing inside.

    Parameters
    ----------
    name : str
        One of `names()`.
    weights : Path, str or None
        A weights file with or without the top; None for the pretrained ones; ``"none"`` for
        random ones.
    input_size : int, optional
        Side of the square input in pixels; the size it was trained at by default.
    include_top : bool
        End in 1,000 softmax probabilities; otherwise in the last feature map.

    Returns
    -------
    keras.Model
        Flat (no model inside the model), so that layers can be accessed by name. Takes
        float32 RGB 0 to 255, shape (n, input_size, input_size, 3).

    Raises
    ------
    UsageError
        No such backbone or weights file.
    MissingPartError
        The weights are not available, or lack the top that is asked for.
    """
    spec = get(name)
    if weights == weight_files.INT8:
        raise UsageError(
            f"{name} in 8 bits can look at pictures, but nothing can be trained on it",
            hint="leave its weights out for the pretrained ones",
        )
    import_tensorflow()
    size = input_size or spec.input_size
    file = weight_files.locate(spec, weights, top=include_top)
    if spec.keras_name is None:
        return build_lite0(input_size=size, include_top=include_top, weights=file)
    model = _flat_application(spec, size, include_top=include_top)
    if file is not None:
        _copy_weights(spec, file, model, include_top=include_top)
    return model


def fingerprint(name: str, weights: Path | str | None = None) -> str:
    """Return an identifier of backbone, weights file and preprocessing.

    Returns
    -------
    str
        Such as ``efficientnet-lite0-57934424ab12cd34-p1``; safe as a folder name. In 8 bits
        ``-int8-`` and the digest of that network stand before the last part.
    """
    spec = get(name)
    file = weight_files.locate(spec, weights, top=False)
    part = weight_files.digest(file) if file is not None else "random"
    if weights == weight_files.INT8:
        part = f"{part}-{INT8_LITE0.digest}"
    return f"{name}-{part}-p{PREPROCESSING_VERSION}"


def in_float32(fingerprint: str) -> str:
    """Return the fingerprint of the network that one in 8 bits was rounded from; else itself."""
    return re.sub(rf"-{weight_files.INT8}-[0-9a-f]{{8}}(?=-p\d+$)", "", fingerprint)


def _flat_application(spec: BackboneSpec, size: int, *, include_top: bool) -> keras.Model:
    import keras

    inputs = keras.Input((size, size, 3), name="picture")
    application = getattr(keras.applications, str(spec.keras_name))
    model = application(
        include_top=include_top, weights=None, input_tensor=_preprocess(spec.name, inputs)
    )
    return keras.Model(inputs, model.output, name=spec.name)


def _preprocess(name: str, x: Any) -> Any:
    """Apply the scaling each network was trained with, as layers that are saved with it.

    Source: ``keras.applications.imagenet_utils.preprocess_input``, modes caffe, torch and tf.
    """
    from keras import layers

    if name in {"vgg16", "resnet50"}:
        bgr = x[..., ::-1]
        return layers.Rescaling(1.0, offset=[-103.939, -116.779, -123.68], name="rescale")(bgr)
    if name == "densenet121":
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        return layers.Rescaling(
            [1 / (255 * s) for s in std],
            offset=[-m / s for m, s in zip(mean, std, strict=True)],
            name="rescale",
        )(x)
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(x)


def _copy_weights(spec: BackboneSpec, file: Path, model: keras.Model, *, include_top: bool) -> None:
    source, has_top = _load_application(spec, file)
    if include_top and not has_top:
        raise MissingPartError(
            f"{file} holds {spec.name} without its 1,000-class top",
            hint="use rule 'probe' (bodyshop gate fit), or a weights file with the top",
        )
    for layer in source.layers:
        if layer.weights and (include_top or layer.name in _names(model)):
            model.get_layer(layer.name).set_weights(layer.get_weights())


def _names(model: keras.Model) -> set[str]:
    return {layer.name for layer in model.layers}


def _load_application(spec: BackboneSpec, file: Path) -> tuple[keras.Model, bool]:
    """Load a file into the plain application, trying it without the top first."""
    import keras

    application = getattr(keras.applications, str(spec.keras_name))
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        # Keras chooses its parser by the suffix, whatever the file holds.
        named = Path(folder) / ("w.weights.h5" if _is_keras3(file) else "w.h5")
        named.symlink_to(file.resolve())
        for has_top in (False, True):
            size = {"input_shape": (spec.input_size, spec.input_size, 3)}
            source = application(include_top=has_top, weights=None, **size)
            try:
                source.load_weights(named)
            except (ValueError, OSError, KeyError) as error:
                problems.append(str(error).splitlines()[0])
                continue
            return source, has_top
    raise BodyshopError(
        f"{file} does not fit {spec.name}: {problems[0]}",
        hint="give the weights that keras.applications uses for this network",
    )


def _is_keras3(file: Path) -> bool:
    import h5py

    try:
        with h5py.File(file) as content:
            return "layer_names" not in content.attrs and "model_weights" not in content
    except OSError as error:
        raise BodyshopError(f"{file} is not an HDF5 weights file: {error}") from error
