"""A frozen network on LiteRT: pictures in, named arrays out, no TensorFlow imported."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import UsageError
from bodyshop_core.inference.litert import new_interpreter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FrozenNetwork:
    """A converted network, ready to run; may be shared by threads.

    There are as many interpreters as were ever needed at the same time. They release the GIL while
    they compute and map the same file, so threads use all cores.

    Parameters
    ----------
    file : Path
        A LiteRT (``.tflite``) file with one signature, one input of shape (1, side, side, 3),
        float32 RGB 0 to 255, and one or more outputs of shape (1, …).
    threads : int
        Pictures of one call that are looked at side by side; each takes one CPU.

    Attributes
    ----------
    input_size : int
        Side of the square input, in pixels.
    outputs : tuple of str
        Names of the outputs.
    shapes : dict of str to tuple of int
        Shape of each output for one picture.

    Raises
    ------
    UsageError
        The file is missing, damaged, or has another signature.
    MissingPartError
        Neither LiteRT nor TensorFlow is installed.
    """

    def __init__(self, file: Path, *, threads: int = 1) -> None:
        self.file = file
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._starting = threading.Lock()
        runner = _open(file)
        self._idle = deque([runner])
        ((self._input, shape),) = (
            (name, detail["shape"]) for name, detail in runner.get_input_details().items()
        )
        if len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise UsageError(
                f"{file} takes an input of shape {tuple(int(n) for n in shape)}, "
                "not one square RGB picture",
                hint="use a file that bodyshop converted",
            )
        self.input_size = int(shape[1])
        self.shapes = {
            name: tuple(int(n) for n in detail["shape"][1:])
            for name, detail in sorted(runner.get_output_details().items())
        }
        self.outputs = tuple(self.shapes)

    def run(self, pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Run the network on pictures.

        Parameters
        ----------
        pictures : ndarray of uint8, shape (n, input_size, input_size, 3)
            RGB.

        Returns
        -------
        dict of str to ndarray of float32, shape (n, …)
            By the names in `outputs`.
        """
        import numpy as np

        if len(pictures) > 1 and self._threads > 1:
            with self._starting:
                self._pool = self._pool or ThreadPoolExecutor(self._threads, "network")
            answers = list(self._pool.map(self._one, pictures))
        else:
            answers = [self._one(picture) for picture in pictures]
        if not answers:
            return {name: np.empty((0, *shape), np.float32) for name, shape in self.shapes.items()}
        return {name: np.stack([answer[name] for answer in answers]) for name in self.outputs}

    def _one(self, picture: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        try:
            runner = self._idle.pop()
        except IndexError:  # all are busy in other threads
            runner = _open(self.file)
        try:
            answer = runner(**{self._input: picture[None].astype(np.float32)})
            # these are views of the interpreter's memory, which the next picture overwrites
            return {name: np.array(value[0]) for name, value in answer.items()}
        finally:
            self._idle.append(runner)


def _open(file: Path) -> Any:
    try:
        return new_interpreter(file).get_signature_runner()
    except ValueError as error:  # of a model without a signature, or with several
        raise UsageError(
            f"{file} is no network that bodyshop converted: {error}",
            hint="delete the file: it is converted again when it is needed",
        ) from error
