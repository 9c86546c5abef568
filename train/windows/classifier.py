"""A damage model with its network: pictures in, answers with a place out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import BodyshopError
from train.windows import evidence, grid
from train.windows.model import DamageModel, digest_of, load_model_file
from train.windows.regions import DamageRegion, damage_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop_core.inference import FrozenNetwork

DAMAGED, WHOLE, UNSURE = "damaged", "whole", "unsure"

NETWORK_FILE, MODEL_FILE, CARD_FILE = "network.tflite", "damage.npz", "card.md"

WHOLE_WINDOW = -1
"""Place of the window that is the whole picture."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a picture shows evidence of damage.

    Parameters
    ----------
    box : (left, top, right, bottom)
        The window with the strongest evidence, as shares of width and height.
    heat : ndarray of float32, shape (cells, cells)
        Mean log-odds of damage of the windows over each part of the picture.
    depth : float
        Distance from the training pictures; see `train.windows.evidence.depth`.
    out_of_depth : bool
        Whether that is too far for a label.
    regions : tuple of DamageRegion
        Outlines of what looks damaged by itself, the surest first; of a network that judges cells.
    """

    box: tuple[float, float, float, float]
    heat: NDArray[np.float32]
    depth: float
    out_of_depth: bool
    regions: tuple[DamageRegion, ...] = ()


@dataclass(frozen=True, eq=False)
class DamageAnswer:
    """What a damage model says about one picture.

    Parameters
    ----------
    is_car : bool
        Whether the picture shows a car, whole or in part.
    p_car : float
        Its probability, 0 to 1.
    label : str
        ``damaged``, ``whole``, or ``unsure`` where the picture is unlike all that was learned from.
    probability : float
        Of damage, 0 to 1, calibrated.
    place : Place
        Where the evidence is.
    """

    is_car: bool
    p_car: float
    label: str
    probability: float
    place: Place


class DamageClassifier:
    """A damage model, ready to answer; may be shared by threads.

    Parameters
    ----------
    folder : Path
        With the network, the model and its card; see `shipped_folder`.

    Raises
    ------
    BodyshopError
        A file is missing or damaged, or they do not belong together.
    """

    def __init__(self, folder: Path) -> None:
        from bodyshop_core.inference import FrozenNetwork

        self.folder = folder
        self.model: DamageModel = load_model_file(folder / MODEL_FILE)
        file = folder / NETWORK_FILE
        if not file.is_file() or digest_of(file) != self.model.network:
            raise BodyshopError(
                f"{file} is not the network that {MODEL_FILE} beside it was made for",
                hint="install bodyshop again, or copy the whole folder again",
            )
        self.network: FrozenNetwork = FrozenNetwork(file)
        expected = (len(grid.boxes()), len(self.model.weights))
        if self.network.input_size != grid.SIDE or self.network.shapes.get("windows") != expected:
            raise BodyshopError(
                f"{file} does not give {expected[0]} windows of {expected[1]} features",
                hint="install bodyshop again, or copy the whole folder again",
            )

    @cached_property
    def card(self) -> str:
        """What it was made from, how well it does, and where it is known to fail; Markdown."""
        return (self.folder / CARD_FILE).read_text(encoding="utf-8")

    def features(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of all windows.

        Parameters
        ----------
        squares : ndarray of uint8, shape (n, side, side, 3)
            Pictures as `train.windows.grid.squeeze` makes them.

        Returns
        -------
        ndarray of float32, shape (n, windows, features)
        """
        return self.network.run(squares)["windows"]

    def look(
        self, squares: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Return the features of all windows, and the log-odds of all cells.

        Parameters
        ----------
        squares : ndarray of uint8, shape (n, side, side, 3)
            As for `features`.

        Returns
        -------
        windows : ndarray of float32, shape (n, windows, features)
        cells : ndarray of float32, shape (n, FINE, FINE), or None
            None where the network does not judge cells.
        """
        seen = self.network.run(squares)
        return seen["windows"], seen.get("cells")

    def answer(self, squares: NDArray[np.uint8]) -> list[DamageAnswer]:
        """Answer for pictures, shape as in `features`."""
        return self.read(*self.look(squares)) if len(squares) else []

    def place(
        self, windows: NDArray[np.float32], cells: NDArray[np.float32] | None = None
    ) -> list[Place]:
        """Say where the evidence of damage is, from what `look` returned; pure."""
        found = evidence.log_odds(windows, self.model.weights, self.model.bias)
        depth = evidence.depth(windows[:, WHOLE_WINDOW], self.model.mean, self.model.scale)
        best = grid.boxes()[found.argmax(axis=1)]
        judged = [None] * len(windows) if cells is None else cells
        return [
            Place(
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                heat_of(log_odds),
                float(far),
                bool(far > self.model.limit),
                () if part is None else damage_regions(part),
            )
            for box, log_odds, far, part in zip(best, found, depth, judged, strict=True)
        ]

    def read(
        self, windows: NDArray[np.float32], cells: NDArray[np.float32] | None = None
    ) -> list[DamageAnswer]:
        """Answer from what `look` returned; pure."""
        model = self.model
        found = evidence.log_odds(windows, model.weights, model.bias)
        damage = evidence.probability(evidence.pool(found), model.slope, model.offset)
        car = car_features(windows) @ model.car_weights + model.car_bias
        return [
            DamageAnswer(
                is_car=bool(car[index] >= model.car_threshold),
                p_car=float(1 / (1 + np.exp(-car[index]))),
                label=_label(float(damage[index]), place, model),
                probability=float(damage[index]),
                place=place,
            )
            for index, place in enumerate(self.place(windows, cells))
        ]


def shipped_folder() -> Path:
    """Return the folder of the damage model that comes with the package."""
    return Path(str(files("train.windows") / "shipped"))


def car_features(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the car gate looks at, shape (n, 2 * features), from the features of windows."""
    boxes = grid.boxes()
    sides = boxes[:, 2] - boxes[:, 0]
    large = np.isclose(sides, grid.SIZES[2][0] * grid.CELL / grid.SIDE)
    return np.concatenate([windows[:, WHOLE_WINDOW], windows[:, large].mean(axis=1)], axis=1)


def heat_of(log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean log-odds of the windows over each cell, float32, shape (cells, cells)."""
    cells = grid.SIDE // grid.CELL
    total, count = np.zeros((cells, cells)), np.zeros((cells, cells))
    for value, box in zip(log_odds, (grid.boxes() * cells).round().astype(int), strict=True):
        left, top, right, bottom = box
        total[top:bottom, left:right] += value
        count[top:bottom, left:right] += 1
    return (total / count).astype(np.float32)


def squares_of(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return decoded pictures as the network sees them, uint8, shape (n, side, side, 3)."""
    return np.stack([grid.squeeze(rgb) for rgb in pictures])


def _label(damage: float, place: Place, model: DamageModel) -> str:
    if place.out_of_depth:
        return UNSURE
    return DAMAGED if damage >= model.threshold else WHOLE
