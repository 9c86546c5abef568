"""Fresh distortions in every epoch: the affine transform of Keras' ``ImageDataGenerator``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from train.recipes.recipe import AffineAugmentation

if TYPE_CHECKING:
    from numpy.typing import NDArray


def distorter(
    affine: AffineAugmentation, seed: int
) -> Callable[[NDArray[Any], NDArray[np.int64], int], NDArray[Any]]:
    """Return a function (pictures, their places, epoch) -> distorted pictures.

    What a picture gets depends on `seed`, its place and the epoch alone, so that a resumed run
    draws the same distortions as one that was never stopped.
    """

    def distort(pictures: NDArray[Any], places: NDArray[np.int64], epoch: int) -> NDArray[Any]:
        made = [
            apply(picture, draw(affine, np.random.default_rng([seed, epoch, int(place)])))
            for picture, place in zip(pictures, places, strict=True)
        ]
        return np.stack(made)

    return distort


def draw(affine: AffineAugmentation, random: np.random.Generator) -> dict[str, float]:
    """Draw the parameters of one distortion.

    Returns
    -------
    dict
        ``theta`` and ``shear`` in degrees, ``tx`` and ``ty`` as a fraction of the side, ``zx``
        and ``zy`` zoom factors, ``flip`` 0 or 1.
    """
    low, high = 1 - affine.zoom, 1 + affine.zoom
    return {
        "theta": random.uniform(-affine.rotation, affine.rotation),
        "tx": random.uniform(-affine.shift, affine.shift),
        "ty": random.uniform(-affine.shift, affine.shift),
        "shear": random.uniform(-affine.shear, affine.shear),
        "zx": random.uniform(low, high),
        "zy": random.uniform(low, high),
        "flip": float(affine.flip and random.random() < 0.5),
    }


def apply(picture: NDArray[Any], parameters: dict[str, float]) -> NDArray[Any]:
    """Distort a picture; what comes in from outside repeats the border ("nearest").

    Parameters
    ----------
    picture : ndarray, shape (height, width, 3)
        Pixels.
    parameters : dict
        As `draw` returns them.

    Returns
    -------
    ndarray, same shape and dtype
        The matrix product is rotation, shift, shear, zoom about the centre, in (x, y), as in Keras.
    """
    import cv2

    height, width = picture.shape[:2]
    theta, shear = np.deg2rad(parameters["theta"]), np.deg2rad(parameters["shear"])
    rotation = np.array(
        [[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]]
    )
    shift = np.array(
        [[1, 0, parameters["tx"] * height], [0, 1, parameters["ty"] * width], [0, 0, 1]]
    )
    shearing = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    zoom = np.diag([parameters["zx"], parameters["zy"], 1.0])
    row, column = height / 2 - 0.5, width / 2 - 0.5
    to_centre = np.array([[1, 0, row], [0, 1, column], [0, 0, 1.0]])
    back = np.array([[1, 0, -row], [0, 1, -column], [0, 0, 1.0]])
    matrix = to_centre @ rotation @ shift @ shearing @ zoom @ back
    moved = cv2.warpAffine(
        np.ascontiguousarray(picture),
        matrix[:2],
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved[:, ::-1] if parameters["flip"] else moved)
