"""Exact conversion of masks and polygons: a pixel belongs to a polygon if its centre does.

Coordinates are in pixels with (0, 0) at the top left *corner* of the picture, so that the centre of
the first pixel is (0.5, 0.5) and the outline of a mask runs along whole numbers. `outlines` and
`rasterise` are each other's inverse for every mask, holes included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.imaging.region_masks import rasterise as rasterise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ring = NDArray[np.float64]


MOST_CORNERS = 4096
"""Of an ellipse; one with a radius of 300,000 pixels needs so many."""


def outlines(mask: NDArray[np.bool_], *, corners_touch: bool = False) -> list[Ring]:
    """Trace the borders of a mask along the edges of its pixels.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        The mask.
    corners_touch : bool
        Pixels that touch only at a corner share a ring (8-connectivity); by default they are
        separate (4-connectivity).

    Returns
    -------
    list of ndarray of float64, shape (n, 2)
        Closed rings of whole-numbered corners; outer rings run clockwise on the screen (positive
        `signed_area`), holes counter-clockwise. The first is an outer one.
    """
    following = _edges(np.pad(mask.astype(bool), 1))
    starts = iter(sorted(following))
    rings = []
    for start in starts:
        # The leftmost remaining corner never touches a second region: only one edge starts there.
        if start in following:
            rings.append(_walk(following, start, corners_touch))
    return rings


def keyhole_polygons(mask: NDArray[np.bool_]) -> list[Ring]:
    """Return one ring per connected region (4-connectivity), holes joined to it by a seam.

    The ring follows a seam in both directions, so the even-odd rule still gives the exact mask. For
    formats that have only simple rings (YOLO, VIA, COCO polygons).
    """
    outer: list[Ring] = []
    holes: list[Ring] = []
    for ring in outlines(mask):
        (outer if signed_area(ring) > 0 else holes).append(ring)
    if not holes:
        return outer
    from scipy import ndimage

    parts, _ = ndimage.label(mask)
    members: dict[int, list[Ring]] = {}
    for ring in holes:
        members.setdefault(_part_of(parts, ring), []).append(ring)
    return [with_seams(ring, members.get(_part_of(parts, ring), [])) for ring in outer]


def with_seams(outer: Ring, others: list[Ring]) -> Ring:
    """Join rings to one, by seams that it follows in both directions.

    The even-odd rule then fills the same pixels: the two passes of a seam cancel each other.

    Parameters
    ----------
    outer : ndarray, shape (n, 2)
        The first ring.
    others : list of ndarray
        Holes, or further parts.
    """
    ring = outer
    for hole in sorted(others, key=lambda each: float(each[:, 0].min())):
        distances = ((ring[:, None, :] - hole[None, :, :]) ** 2).sum(axis=2)
        a, b = np.unravel_index(int(distances.argmin()), distances.shape)
        turned = np.roll(hole, -b, axis=0)
        ring = np.concatenate((ring[: a + 1], turned, turned[:1], ring[a:]))
    return ring


def signed_area(ring: Ring) -> float:
    """Return the shoelace area in square pixels: positive when clockwise on the screen."""
    x, y = ring[:, 0], ring[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def ellipse(cx: float, cy: float, rx: float, ry: float, turn_deg: float = 0.0) -> Ring:
    """Return an ellipse as a ring whose corners are at most about 0.1 pixels off the curve."""
    radius = max(abs(rx), abs(ry), 1.0)
    # The sagitta of a chord over an angle a is r (1 - cos(a / 2)) = 0.1.
    step = max(float(np.arccos(max(0.0, 1 - 0.1 / radius))), np.pi / MOST_CORNERS)
    count = max(16, int(np.ceil(np.pi / step)))
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    turn = np.deg2rad(turn_deg)
    x, y = rx * np.cos(angles), ry * np.sin(angles)
    return np.stack(
        (cx + x * np.cos(turn) - y * np.sin(turn), cy + x * np.sin(turn) + y * np.cos(turn)), axis=1
    )


Corner = tuple[int, int]


def _edges(padded: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Directed unit edges between inside and outside, with the inside on the right-hand side."""
    following: dict[Corner, list[Corner]] = {}
    across = padded[1:, :] != padded[:-1, :]
    for y, x in np.argwhere(across).tolist():
        below = padded[y + 1, x]
        left, right = (x - 1, y), (x, y)
        start, end = (left, right) if below else (right, left)
        following.setdefault(start, []).append(end)
    along = padded[:, 1:] != padded[:, :-1]
    for y, x in np.argwhere(along).tolist():
        inside_left = padded[y, x]
        top, bottom = (x, y - 1), (x, y)
        start, end = (top, bottom) if inside_left else (bottom, top)
        following.setdefault(start, []).append(end)
    return following


def _walk(following: dict[Corner, list[Corner]], start: Corner, corners_touch: bool) -> Ring:
    corners: list[Corner] = []
    here, heading = start, (0, 0)
    while True:
        options = following[here]
        # Where two regions touch at a corner, turning right keeps them separate.
        right = (here[0] - heading[1], here[1] + heading[0])
        left = (here[0] + heading[1], here[1] - heading[0])
        turn = left if corners_touch else right
        ahead = turn if len(options) > 1 and turn in options else options[0]
        options.remove(ahead)
        if not options:
            del following[here]
        step = (ahead[0] - here[0], ahead[1] - here[1])
        if step != heading:
            corners.append(here)
            heading = step
        here = ahead
        if here == start:
            break
    return np.asarray(corners, np.float64)


def _part_of(parts: NDArray[np.int32], ring: Ring) -> int:
    """Return the number of the region that a ring bounds; the other side of its edges is 0."""
    ends = np.roll(ring, -1, axis=0)
    level = int(np.flatnonzero(ring[:, 1] == ends[:, 1])[0])
    x, y = int(min(ring[level, 0], ends[level, 0])), int(ring[level, 1])
    above = int(parts[y - 1, x]) if y > 0 else 0
    below = int(parts[y, x]) if y < parts.shape[0] else 0
    return above or below
