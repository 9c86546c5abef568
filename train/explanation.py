"""Grad-CAM: which part of a picture speaks for a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bodyshop import atomic
from bodyshop.backbones.quiet import import_tensorflow
from bodyshop.errors import BodyshopError, UsageError
from bodyshop.imaging import load_rgb
from bodyshop.progress import SILENT, Progress
from train.classifier import Classifier
from train.pages import write_table
from train.pixels import to_square

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = Path | str | bytes | NDArray[np.uint8]


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
    """Compute the Grad-CAM of one picture (Selvaraju et al. 2017, arXiv:1610.02391).

    The last feature map is weighted by the gradient of the class's log-odds: with the probability
    itself, a certain network would give no gradient at all.

    Parameters
    ----------
    run : Classifier
        A loaded run.
    picture : Path, str, bytes or ndarray
        One picture.
    label : str, optional
        The class to explain; the predicted one by default.

    Raises
    ------
    UsageError
        The run does not know the class.
    BodyshopError
        The network has no feature map.
    UnreadableImageError
        The picture can't be decoded.
    """
    tf = import_tensorflow()
    rgb = picture if isinstance(picture, np.ndarray) else load_rgb(picture)
    square = to_square(rgb, run.record.view)
    if label is None:
        label = run.classify([rgb])[0].label
    if label not in run.classes:
        raise UsageError(
            f"the run does not know '{label}'", hint=f"it knows: {', '.join(run.classes)}"
        )
    index = run.classes.index(label)
    tapped = _tapped(run.model)
    batch = tf.constant(square[None].astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(batch)  # a frozen network has nothing else on the tape
        maps, before = tapped(batch, training=False)
        score = _log_odds(tf, run.model.layers[-1], before, index)
        gradient = tape.gradient(score, maps)
    channel_weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(channel_weights * maps, axis=-1))[0].numpy()
    heat = heat / heat.max() if heat.max() > 0 else heat
    probability = float(run.probabilities([rgb])[0, index])
    return Explanation(label, probability, _to_picture(heat, rgb.shape[0], rgb.shape[1]))


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
        for number, path in enumerate(pictures):
            found = grad_cam(run, path, label=label)
            file = out / f"{number:04d}.jpg"
            with atomic.replacing(file) as temporary:
                overlay(load_rgb(path), found.heat).save(temporary, "JPEG", quality=88)
            rows.append(
                {
                    "picture": str(path),
                    "label": found.label,
                    "probability": found.probability,
                    "overlay": file.name,
                }
            )
            tick(1, path.name)
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
        raise BodyshopError("this network has no feature map to look at")
    tapped = keras.Model(model.input, [maps[-1].output, model.layers[-1].input])
    object.__setattr__(model, "_bodyshop_tapped", tapped)
    return tapped


def _log_odds(tf: Any, last: Any, before: Any, index: int) -> Any:
    """Return the log-odds of a class from what goes into the last layer.

    From the probabilities a certain network would give differences of rounded ones.
    """
    logits = tf.matmul(tf.cast(before, tf.float32), last.kernel) + last.bias
    if logits.shape[1] == 1:
        return logits[:, 0] if index == 1 else -logits[:, 0]
    others = [place for place in range(logits.shape[1]) if place != index]
    return logits[:, index] - tf.reduce_logsumexp(tf.gather(logits, others, axis=1), axis=1)


def _to_picture(heat: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Put the heat of the centre square back where the square was cut from."""
    short = min(height, width)
    square = Image.fromarray(heat).resize((short, short), Image.Resampling.BILINEAR)
    whole = np.zeros((height, width), np.float32)
    top, left = (height - short) // 2, (width - short) // 2
    whole[top : top + short, left : left + short] = np.asarray(square)
    return whole
