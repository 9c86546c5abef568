"""TensorFlow Lite files (``.tflite``), run by LiteRT with its XNNPACK kernels."""

from __future__ import annotations

import threading
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import MissingPartError, UsageError
from bodyshop_core.quiet_tensorflow import import_tensorflow, stderr_to_null

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def load_lite_model(file: Path, *, threads: int = 1) -> LiteModel:
    """Open a TensorFlow Lite file.

    Parameters
    ----------
    file : Path
        A ``.tflite`` file.
    threads : int
        Of the kernels.

    Raises
    ------
    UsageError
        The file is absent or no TensorFlow Lite model.
    MissingPartError
        Neither LiteRT nor TensorFlow, which has its interpreter too, is installed.
    """
    return LiteModel(new_interpreter(file, threads))


class LiteModel:
    """A network with one input and any number of outputs; use `load_lite_model`.

    Parameters
    ----------
    interpreter : ai_edge_litert.interpreter.Interpreter
        Of `new_interpreter`.

    Attributes
    ----------
    input_shape : tuple of int
        Of the input, with the batch first.
    input_dtype : NumPy scalar type
        Of the input.
    """

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        source = interpreter.get_input_details()[0]
        self._source: int = source["index"]
        self._results: list[int] = [each["index"] for each in interpreter.get_output_details()]
        self.input_shape: tuple[int, ...] = tuple(int(side) for side in source["shape"])
        self.input_dtype: type[np.generic] = source["dtype"]

    def run(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the network.

        Parameters
        ----------
        batch : ndarray of `input_dtype`, shape `input_shape`
            The input.

        Returns
        -------
        list of ndarray
            Copies of the outputs, in the order of the file.
        """
        self._interpreter.set_tensor(self._source, batch)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._results]


def new_interpreter(file: Path, threads: int = 1) -> Any:
    """Return an interpreter with memory for its arrays, or raise as `load_lite_model` does."""
    if not file.is_file():
        raise UsageError(f"{file} does not exist")
    Interpreter = _interpreter(file)
    try:
        with _OPENING, stderr_to_null():  # C++ code announces its kernels on stderr
            interpreter = Interpreter(str(file), num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"{file} is not a TensorFlow Lite model: {error}") from error
    return interpreter


def _interpreter(file: Path) -> Any:
    """Return LiteRT's class; TensorFlow's own where there is no LiteRT for the platform."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        if find_spec("tensorflow") is None:
            raise MissingPartError(
                f"LiteRT, which runs {file.name}, is not installed",
                hint="pip install ai-edge-litert",
            ) from error
        # It says so for each network: where there is no LiteRT, nobody can install it.
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        return import_tensorflow().lite.Interpreter
    return Interpreter


_OPENING = threading.Lock()
"""Standard error belongs to the process: two threads must not turn it off and on at once."""
