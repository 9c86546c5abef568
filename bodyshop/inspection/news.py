"""What is damaged after and was not before; pure functions of two pictures of one view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bodyshop.inspection.records import Box, NewDamage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop.inspection.geometry import Placement

FLOOR = -4.0
"""Log-odds of damage that any place of a whole car may have: less before explains nothing more."""

SAME_PLACE = 0.2
"""Intersection over union from which on two windows show the same place: the camera has moved."""

RISE = 3.0
"""By how much log-odds of damage must have risen. See docs/benchmarks/inspect.md."""

MOST = 3
"""Places that are named per picture."""

REGION = 0.0005
"""Smallest share of a picture that a new region of a segmenter's mask covers."""

GROWN = 0.03
"""Share of the longer side by which damage before is grown: what was there may be drawn larger."""


def rise_of_evidence(
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    boxes: NDArray[np.float32],
    placement: Placement | None,
) -> NDArray[np.float32]:
    """Return by how much the log-odds of damage of each window rose.

    A window after is compared with the strongest evidence before in all windows that show its
    place, so that a lamp or a grille that looks like damage is explained by itself.

    Parameters
    ----------
    before, after : ndarray of float32, shape (windows,)
        Log-odds of damage.
    boxes : ndarray of float32, shape (windows, 4)
        The windows; see `train.windows.grid.boxes`.
    placement : Placement or None
        How the picture before lies on the one after; None: unmoved.

    Returns
    -------
    ndarray of float32, shape (windows,)
    """
    there = placement.forward(boxes) if placement is not None else boxes.astype(np.float64)
    same = _overlaps(boxes, there)
    explained = np.where(same >= SAME_PLACE, before[None], -np.inf).max(axis=1)
    nearest = np.where(same.max(axis=1) > 0, same.argmax(axis=1), np.arange(len(before)))
    explained = np.where(np.isinf(explained), before[nearest], explained)
    return np.asarray(after - np.maximum(explained, FLOOR), np.float32)


def new_windows(
    rise: NDArray[np.float32],
    boxes: NDArray[np.float32],
    placement: Placement | None,
    *,
    limit: float = RISE,
) -> tuple[NewDamage, ...]:
    """Return the windows with new evidence that do not overlap a stronger one."""
    found: list[NewDamage] = []
    taken = np.zeros(len(rise), bool)
    for index in np.argsort(-rise).tolist():
        if rise[index] < limit or len(found) == MOST:
            break
        if taken[index]:
            continue
        taken |= _intersections(boxes[index : index + 1], boxes)[0] > 0
        box = boxes[index : index + 1]
        there = placement.back(box)[0] if placement is not None else None
        found.append(
            NewDamage(
                _clipped(box[0]),
                _clipped(there) if there is not None else None,
                round(float(rise[index]), 2),
            )
        )
    return tuple(found)


def new_regions(
    before: Mapping[str, NDArray[np.bool_]],
    after: Mapping[str, NDArray[np.bool_]],
    scores: Mapping[str, float],
    placement: Placement | None,
) -> tuple[NewDamage, ...]:
    """Return the regions of a segmenter's masks that touch no damage before, of any class.

    Parameters
    ----------
    before, after : Mapping
        Class -> ndarray of bool, shape (height, width) of the upright picture.
    scores : Mapping
        Class -> highest probability of a pixel after.
    placement : Placement or None
        As in `rise_of_evidence`.

    Returns
    -------
    tuple of NewDamage
        The largest first.
    """
    from scipy.ndimage import find_objects, label

    found: list[tuple[int, NewDamage]] = []
    for kind, mask in after.items():
        height, width = mask.shape
        known = _known(before, mask.shape, placement)
        regions, _ = label(mask, np.ones((3, 3), int))
        for number, (rows, columns) in enumerate(find_objects(regions), start=1):
            region = regions[rows, columns] == number
            if region.sum() < REGION * mask.size or (known[rows, columns] & region).any():
                continue
            box = np.array(
                [
                    columns.start / width, rows.start / height,
                    columns.stop / width, rows.stop / height,
                ]
            )  # fmt: skip
            there = placement.back(box[None])[0] if placement is not None else None
            one = NewDamage(
                _clipped(box),
                _clipped(there) if there is not None else None,
                round(scores.get(kind, 0.0), 4),
                kind,
            )
            found.append((int(region.sum()), one))
    found.sort(key=lambda each: -each[0])
    return tuple(one for _, one in found[:MOST])


def _known(
    before: Mapping[str, NDArray[np.bool_]],
    shape: tuple[int, ...],
    placement: Placement | None,
) -> NDArray[np.bool_]:
    """Return where the picture after shows what was damaged before, a little grown."""
    import cv2

    height, width = shape[:2]
    if not before:
        return np.zeros((height, width), bool)
    mask = np.any(list(before.values()), axis=0).astype(np.uint8)
    matrix = placement.matrix if placement is not None else np.eye(2, 3)
    pixels = matrix * np.array([width / mask.shape[1], width / mask.shape[0], width])
    pixels[1] *= height / width
    moved = cv2.warpAffine(mask, pixels, (width, height), flags=cv2.INTER_NEAREST)
    reach = 2 * round(GROWN * max(height, width)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    return np.asarray(cv2.dilate(moved, kernel) > 0)


def _intersections(
    first: NDArray[np.floating], second: NDArray[np.floating]
) -> NDArray[np.float64]:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=-1), np.float64)


def _overlaps(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    shared = _intersections(first, second)
    areas = [(each[:, 2:] - each[:, :2]).prod(axis=-1) for each in (first, second)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None] - shared))


def _clipped(box: NDArray[np.floating]) -> Box:
    left, top, right, bottom = (round(float(side), 4) for side in np.clip(box, 0, 1))
    return left, top, right, bottom
