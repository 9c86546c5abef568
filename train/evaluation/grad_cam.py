"""Grad-CAM: which part of a picture speaks for a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.data.pixels import to_square
from train.models.classifier import Classifier
from train.report.pages import write_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = Path | str | bytes | NDArray[np.uint8]


class NoFeatureMapError(BodyshopError):
    """The network has no feature map that heat could be read from."""


BATCH = 4
"""Pictures that are in memory at once, in full size with their heat."""


@dataclass(frozen=True)
class Explanation:
    """Where a classifier looks.

    Parameters
    ----------
    label : str
        The class that was asked about.
    probability : float
        Of that class, after temperature scaling.
    heat : ndarray of float32, shape (height, width)
        0 to 1, of the whole original picture; 0 outside the square that the network sees.
    """

    label: str
    probability: float
    heat: NDArray[np.float32]

    def mask(self, *, level: float = 0.5) -> NDArray[np.bool_]:
        """Return the region hotter than `level`: a first guess for a labeler, no measurement."""
        return self.heat >= level


@dataclass(frozen=True)
class ExplainSummary:
    """Overlays of several pictures.

    Parameters
    ----------
    run : str
        The run.
    rows : tuple of dict
        ``picture``, ``label``, ``probability``, ``overlay``.
    report : Path
        The HTML gallery.
    """

    run: str
    rows: tuple[dict[str, Any], ...]
    report: Path

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {"run": self.run, "pictures": list(self.rows), "report": str(self.report)}


def grad_cam(run: Classifier, picture: Picture, *, label: str | None = None) -> Explanation:
    """Compute the Grad-CAM of one picture (see `grad_cams`)."""
    return grad_cams(run, [picture], labels=[label])[0]


def grad_cams(
    run: Classifier, pictures: Sequence[Picture], *, labels: Sequence[str | None] | None = None
) -> list[Explanation]:
    """Compute the Grad-CAM of pictures (Selvaraju et al. 2017, arXiv:1610.02391).

    The last feature map is weighted by the gradient of the class's log-odds: with the probability
    itself, a certain network would give no gradient at all.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    pictures : Sequence of Path, str, bytes or ndarray
        A few pictures: all of them are in memory.
    labels : Sequence of str or None, optional
        The class to explain of each picture; None for the predicted one.

    Returns
    -------
    list of Explanation
        In the order of `pictures`.

    Raises
    ------
    UsageError
        The run does not know a class.
    NoFeatureMapError
        The network has none.
    UnreadableImageError
        A picture can't be decoded.
    """
    if not pictures:
        return []
    asked = list(labels) if labels is not None else [None] * len(pictures)
    unknown = [name for name in asked if name is not None and name not in run.classes]
    if unknown:
        raise UsageError(
            f"the run does not know '{unknown[0]}'", hint=f"it knows: {', '.join(run.classes)}"
        )
    rgbs = [each if isinstance(each, np.ndarray) else load_rgb(each) for each in pictures]
    said = run.classify(rgbs)
    names = [str(name or answer.label) for name, answer in zip(asked, said, strict=True)]
    squares = np.stack([to_square(rgb, run.record.view) for rgb in rgbs])
    heats = _heats(run.model, squares, [run.classes.index(name) for name in names])
    return [
        Explanation(name, answer.probabilities[name], _to_picture(heat, *rgb.shape[:2]))
        for name, answer, heat, rgb in zip(names, said, heats, rgbs, strict=True)
    ]


def explain(
    run: Classifier,
    pictures: Sequence[Path],
    out: Path,
    *,
    label: str | None = None,
    progress: Progress = SILENT,
) -> ExplainSummary:
    """Write an overlay per picture and a page with all of them.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    pictures : Sequence of Path
        Files.
    out : Path
        Folder for ``explain.html`` and the overlays.
    label : str, optional
        The class to explain; each picture's predicted one by default.
    progress : Progress
        Told of each picture.
    """
    rows: list[dict[str, Any]] = []
    with progress.task("explain", total=len(pictures)) as tick:
        for start in range(0, len(pictures), BATCH):
            batch = list(pictures[start : start + BATCH])
            for place, found in enumerate(grad_cams(run, batch, labels=[label] * len(batch))):
                file = out / f"{start + place:04d}.jpg"
                with atomic.replacing(file) as temporary:
                    overlay(load_rgb(batch[place]), found.heat).save(temporary, "JPEG", quality=88)
                rows.append(
                    {
                        "picture": str(batch[place]),
                        "label": found.label,
                        "probability": found.probability,
                        "overlay": file.name,
                    }
                )
            tick(len(batch))
    report = write_table(
        out / "explain.html",
        title="Where the network looks",
        subtitle=run.record.run,
        gallery=[
            {
                "file": row["overlay"],
                "name": Path(row["picture"]).name,
                "text": f"{row['label']} {100 * row['probability']:.1f} % · "
                f"{Path(row['picture']).name}",
            }
            for row in rows
        ],
    )
    return ExplainSummary(run.record.run, tuple(rows), report)


def overlay(
    rgb: NDArray[np.uint8], heat: NDArray[np.float32], *, longest: int = 640
) -> Image.Image:
    """Lay a heat map over a picture, brought to at most `longest` pixels."""
    from matplotlib import colormaps

    image = Image.fromarray(rgb)
    image.thumbnail((longest, longest))
    small = Image.fromarray((heat * 255).astype(np.uint8)).resize(
        image.size, Image.Resampling.BILINEAR
    )
    values = np.asarray(small).astype(np.float32) / 255
    colours = colormaps["inferno"](values)[..., :3] * 255
    share = 0.65 * values[..., None]
    mixed = (1 - share) * np.asarray(image) + share * colours
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _tapped(model: Any) -> Any:
    """Return the model up to its last feature map and up to its last layer; made once."""
    import keras

    known = getattr(model, "_bodyshop_tapped", None)
    if known is not None:
        return known
    maps = [layer for layer in model.layers if len(getattr(layer.output, "shape", ())) == 4]
    if len(maps) < 2:
        raise NoFeatureMapError("this network has no feature map to look at")
    tapped = keras.Model(model.input, [maps[-1].output, model.layers[-1].input])
    object.__setattr__(model, "_bodyshop_tapped", tapped)
    return tapped


def _heats(model: Any, squares: NDArray[np.uint8], indices: Sequence[int]) -> NDArray[np.float32]:
    """Return the heat of one class per picture, 0 to 1, shape (n, rows, columns of the map)."""
    tf = import_tensorflow()
    tapped = _tapped(model)
    batch = tf.constant(squares.astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(batch)  # a frozen network has nothing else on the tape
        maps, before = tapped(batch, training=False)
        score = _log_odds(tf, model.layers[-1], before, indices)
        gradient = tf.cast(tape.gradient(score, maps), tf.float32)
    maps = tf.cast(maps, tf.float32)  # bfloat16 in a network of mixed precision
    channel_weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    heats = tf.nn.relu(tf.reduce_sum(channel_weights * maps, axis=-1)).numpy()
    tops = heats.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.divide(heats, tops, out=np.zeros_like(heats), where=tops > 0))


def _log_odds(tf: Any, last: Any, before: Any, indices: Sequence[int]) -> Any:
    """Return the log-odds of one class per row from what goes into the last layer.

    From the probabilities a certain network would give differences of rounded ones.
    """
    logits = tf.matmul(tf.cast(before, tf.float32), last.kernel) + last.bias
    if logits.shape[1] == 1:
        return logits[:, 0] * tf.constant([1.0 if index == 1 else -1.0 for index in indices])
    chosen = tf.one_hot(indices, logits.shape[1])
    own = tf.reduce_sum(logits * chosen, axis=1)
    others = tf.reduce_logsumexp(logits - 1e9 * chosen, axis=1)
    return own - others


def _to_picture(heat: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Put the heat of the centre square back where the square was cut from."""
    short = min(height, width)
    square = Image.fromarray(heat).resize((short, short), Image.Resampling.BILINEAR)
    whole = np.zeros((height, width), np.float32)
    top, left = (height - short) // 2, (width - short) // 2
    whole[top : top + short, left : left + short] = np.asarray(square)
    return whole
