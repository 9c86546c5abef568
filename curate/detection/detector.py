"""An object detector in TensorFlow Lite format, and what to do with the boxes it finds.

For pictures in which the car is small or one of several: crop to the largest car before
training, or classify each box by a trained classifier.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bodyshop_core.errors import UsageError
from bodyshop_core.imaging import crop_to
from bodyshop_core.inference import load_lite_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]

CARS = ("car", "truck", "bus")
"""COCO labels that count as a car."""

MIN_SCORE = 0.3
"""Boxes below it are left out. SSD-MobileNet's scores are low: at 0.3 half are correct."""

MAX_OVERLAP = 0.5
"""Two vehicles' boxes that share more (intersection over union) are one vehicle, boxed twice."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Box:
    """A found object.

    Parameters
    ----------
    label : str
        As the model's label file names it.
    score : float
        0 to 1.
    left, top, right, bottom : float
        0 to 1 of the picture's width and height, clipped to the picture.
    """

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Share of the picture it covers."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)


class Detector:
    """A loaded detection model with the usual four outputs: boxes, classes, scores, count.

    Parameters
    ----------
    file : Path
        A ``.tflite`` file with its label file inside (as TensorFlow's own COCO SSD has).
    objects : sequence of str
        Labels of what is wanted: that is what `largest_object` and `classify_boxes` look for.

    Raises
    ------
    UsageError
        The file is absent, no model, or has no labels; or an object is not among its labels.
    MissingPartError
        LiteRT is not installed.
    """

    def __init__(self, file: Path, objects: Sequence[str] = CARS) -> None:
        self.labels = _labels(file)
        self.objects = tuple(dict.fromkeys(objects))
        unknown = [name for name in self.objects if name not in self.labels]
        if unknown:
            raise UsageError(
                f"{file.name} does not detect {', '.join(unknown)}",
                hint=f"it knows: {', '.join(name for name in self.labels if name != '???')}",
            )
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        self.name = f"{file.stem[:40]}-{digest}"
        if set(self.objects) != set(CARS):
            wanted = "\n".join(sorted(self.objects))
            self.name += "-" + hashlib.sha256(wanted.encode()).hexdigest()[:8]
        self._network = load_lite_model(file, threads=2)

    def boxes(self, rgb: RGB, *, min_score: float = MIN_SCORE) -> list[Box]:
        """Find objects.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (height, width, 3)
            A picture.
        min_score : float
            Boxes below it are left out.

        Returns
        -------
        list of Box
            The highest score first; a vehicle found as a car and again as a truck is listed once.
        """
        import numpy as np
        from PIL import Image

        height, width = self._network.input_shape[1:3]
        square = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
        batch = np.asarray(square)[None]
        if self._network.input_dtype != np.uint8:
            batch = batch.astype(np.float32) / 127.5 - 1
        places, classes, scores, count = (output[0] for output in self._network.run(batch))
        found = [
            self._box(int(classes[i]), float(scores[i]), places[i].tolist())
            for i in range(int(count))
            if scores[i] >= min_score
        ]
        return one_per_vehicle(found)

    def _box(self, number: int, score: float, place: Sequence[float]) -> Box:
        top, left, bottom, right = (min(1.0, max(0.0, value)) for value in place)
        label = self.labels[number] if number < len(self.labels) else str(number)
        return Box(label, min(1.0, score), left, top, right, bottom)


def one_per_vehicle(boxes: Iterable[Box]) -> list[Box]:
    """Drop boxes of cars, trucks and buses that overlap one of a higher score of any of the three.

    Parameters
    ----------
    boxes : iterable of Box
        Of all labels. A detector's own suppression works label by label, so that a pickup may be
        listed as a car and as a truck.

    Returns
    -------
    list of Box
        The highest score first; boxes of other labels are all kept.
    """
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box.score):
        rivals = (other for other in kept if other.label in CARS) if box.label in CARS else ()
        if all(_shared(box, other) <= MAX_OVERLAP for other in rivals):
            kept.append(box)
    return kept


def _shared(first: Box, second: Box) -> float:
    """Return the intersection of two boxes over their union."""
    width = min(first.right, second.right) - max(first.left, second.left)
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    common = max(0.0, width) * max(0.0, height)
    return common / max(first.area + second.area - common, 1e-9)


def largest_object(boxes: Iterable[Box], objects: Iterable[str] = CARS) -> Box | None:
    """Return the largest box of one of the objects; by default of a car, truck or bus."""
    wanted = set(objects)
    found = (box for box in boxes if box.label in wanted)
    return max(found, key=lambda box: box.area, default=None)


def classify_boxes(
    rgb: RGB,
    detector: Detector,
    classify: Callable[[Sequence[RGB]], Sequence[Answer]],
    *,
    labels: Iterable[str] | None = None,
) -> list[tuple[Box, Answer]]:
    """Classify each detected object: detect, then classify.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    detector : Detector
        Finds the boxes.
    classify : callable
        Crops -> one answer each, such as a trained classifier's ``predict``.
    labels : iterable of str, optional
        Which objects to classify; the detector's own `Detector.objects` by default.

    Returns
    -------
    list of (Box, answer)
        The largest box first.
    """
    wanted = set(detector.objects if labels is None else labels)
    boxes = [box for box in detector.boxes(rgb) if box.label in wanted]
    boxes.sort(key=lambda box: -box.area)
    if not boxes:
        return []
    cuts = [crop_to(rgb, (box.left, box.top, box.right, box.bottom)) for box in boxes]
    return list(zip(boxes, classify(cuts), strict=True))


def _labels(file: Path) -> list[str]:
    """Read the label file that TensorFlow Lite's metadata tools append to a model as a zip."""
    if not file.is_file():
        raise UsageError(f"there is no detector {file}", hint="give a COCO SSD .tflite file")
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith(".txt")]
            if names:
                return archive.read(names[0]).decode("utf-8").splitlines()
    except zipfile.BadZipFile:
        pass  # a model without metadata: the same message as for metadata without labels
    raise UsageError(
        f"{file} holds no label file", hint="give a .tflite model with metadata, such as COCO SSD"
    )
