"""Keras networks into LiteRT files: once per content, verified, kept in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import weakref
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, MissingPartError
from bodyshop_core.inference.network import FrozenNetwork
from bodyshop_core.locking import locked

if TYPE_CHECKING:
    import keras
    import numpy as np
    from numpy.typing import NDArray

CONVERSION_VERSION = 1
"""Raised when the same network would become another file."""

MAX_DIFFERENCE = 1e-3
"""Largest difference of an output that is a probability, against Keras."""

MIN_COSINE = 0.9999
"""Smallest cosine of an output vector, against Keras."""

CHECKED = 8
"""Squares of real photographs that a conversion is verified on."""


def cached_network(
    key: str,
    build: Callable[[], keras.Model],
    *,
    threads: int = 1,
    carried: Path | None = None,
    assemble: Callable[[Path], None] | None = None,
) -> FrozenNetwork:
    """Open a network from the cache; the first time, build it with Keras and convert it.

    Where the cache can't be written, the file lives in a temporary folder as long as the network.

    Parameters
    ----------
    key : str
        Names all that the outputs depend on: weights, preprocessing, outputs.
    build : callable
        Returns a Keras model whose input is float32 RGB 0 to 255, shape (n, side, side, 3), and
        whose output is a dict of named tensors. Called only when the file is not there; only then
        TensorFlow is imported.
    threads : int
        As for `FrozenNetwork`.
    carried : Path, optional
        A folder that may hold the converted file, such as that of a run from another machine; it is
        opened there if the cache does not have it.
    assemble : callable, optional
        Writes the converted file without TensorFlow; called in place of `build`.

    Raises
    ------
    BodyshopError
        The network can't be converted, or differs from Keras when it is.
    """
    make = assemble or (lambda file: convert(build(), file))
    file = cache_file(key)
    if not file.is_file() and (brought := _carried_file(key, carried)) is not None:
        return FrozenNetwork(brought, threads=threads)
    with contextlib.ExitStack() as held:
        try:
            if not file.is_file():
                held.enter_context(locked(file.with_suffix(".lock"), wait=True))
        except OSError:  # the folder or the lock can't be made: a read-only home
            return _uncached_network(file.name, make, threads)
        if not file.is_file():
            make(file)
    return FrozenNetwork(file, threads=threads)


def is_cached(key: str, carried: Path | None = None) -> bool:
    """Return whether `cached_network` would open the network of a key without TensorFlow."""
    return cache_file(key).is_file() or _carried_file(key, carried) is not None


def convert(model: keras.Model, file: Path, *, half: bool = False) -> None:
    """Convert a Keras model to a LiteRT file, and verify on photographs that it does the same.

    Parameters
    ----------
    model : keras.Model
        As `cached_network` describes.
    file : Path
        Written whole or not at all.
    half : bool
        Store the weights in half precision: half the size; it still computes in float32.

    Raises
    ------
    BodyshopError
        It has layers that can't be converted, an output differs by more than `MAX_DIFFERENCE`
        (probabilities), or its vectors have a cosine below `MIN_COSINE`.
    MissingPartError
        The photographs are not there.
    """
    import keras
    import tensorflow as tf

    from bodyshop_core.quiet_tensorflow import stderr_to_null

    shape = (1, *model.inputs[0].shape[1:])
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="pictures")]
    try:
        with tempfile.TemporaryDirectory() as folder, stderr_to_null():
            model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if half:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            data = converter.convert()
    except Exception as error:  # the converter raises nearly anything on layers it does not know
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise BodyshopError(f"the network can't be converted for LiteRT: {reason}") from error
    with atomic.replacing(file) as temporary:
        temporary.write_bytes(data)
        _verify(model, FrozenNetwork(temporary), file)


def cache_folder() -> Path:
    """Return where converted networks are: ``$BODYSHOP_CACHE`` or ``~/.cache/bodyshop``."""
    home = os.environ.get("BODYSHOP_CACHE")
    return (Path(home) if home else Path.home() / ".cache" / "bodyshop") / "networks"


def cache_file(key: str) -> Path:
    """Return where the converted network of a key is, or would be."""
    digest = hashlib.sha256(f"{key}\n{CONVERSION_VERSION}".encode()).hexdigest()[:24]
    return cache_folder() / f"{digest}.tflite"


def _carried_file(key: str, carried: Path | None) -> Path | None:
    file = carried / cache_file(key).name if carried is not None else None
    return file if file is not None and file.is_file() else None


def _uncached_network(name: str, make: Callable[[Path], None], threads: int) -> FrozenNetwork:
    """Write into a temporary folder, which is removed together with the network."""
    with contextlib.ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bodyshop-"))) / name
        make(file)
        network = FrozenNetwork(file, threads=threads)
        # Threads open the file when they need another interpreter.
        weakref.finalize(network, stack.pop_all().close)
    return network


def _verify(model: keras.Model, network: FrozenNetwork, file: Path) -> None:
    import numpy as np

    pictures = _photographs(network.input_size)
    expected = model(pictures.astype(np.float32), training=False)
    for name, found in network.run(pictures).items():
        wanted = np.asarray(expected[name]).reshape(CHECKED, -1)
        found = found.reshape(CHECKED, -1)
        norms = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
        cosine = float(np.min((wanted * found).sum(1) / np.maximum(norms, 1e-12)))
        difference = float(np.abs(wanted - found).max())
        small = float(np.abs(wanted).max()) <= 1
        # a NaN fails every comparison, so the conditions are those under which it is right
        if not (cosine >= MIN_COSINE and (difference <= MAX_DIFFERENCE or not small)):
            raise BodyshopError(
                f"the converted network {file.name} differs from Keras in '{name}': cosine "
                f"{cosine:.6f}, largest difference {difference:.2g}",
                hint="report this with the versions of tensorflow and ai-edge-litert",
            )


def _photographs(side: int) -> NDArray[np.uint8]:
    """Return `CHECKED` squares of the two photographs that come with scikit-learn."""
    import numpy as np
    from PIL import Image

    found = find_spec("sklearn")
    places = (found.submodule_search_locations or [""]) if found is not None else [""]
    squares = []
    for name in ("china.jpg", "flower.jpg"):
        file = Path(places[0]) / "datasets" / "images" / name
        if not file.is_file():
            raise MissingPartError(
                f"the photograph {file}, on which a converted network is verified, is missing",
                hint="pip install --force-reinstall scikit-learn",
            )
        with Image.open(file) as photograph:
            rgb = photograph.convert("RGB")
        width, height = rgb.size
        size = min(width, height)
        for left, top, taken in (
            (0, 0, size),
            (width - size, 0, size),
            (0, height - size // 2, size // 2),
            (width // 2, height // 4, size // 2),
        ):
            box = (left, top, left + taken, top + taken)
            squares.append(np.asarray(rgb.resize((side, side), Image.Resampling.BICUBIC, box=box)))
    return np.stack(squares)
