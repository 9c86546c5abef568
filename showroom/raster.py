"""A z-buffer rasteriser in NumPy: triangles in, the nearest one of every pixel out.

Each triangle is cut into scanline spans with exact end points, spans are expanded to pixels, and
the nearest fragment of every pixel wins. All steps are vectorised over triangles, spans and
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from showroom.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Fragments:
    """The visible surface of a triangle soup.

    Attributes
    ----------
    pixel
        Flat index (row * width + column) of each covered pixel, increasing, int64 (n,).
    triangle
        Triangle seen there, int32 (n,).
    weight1, weight2
        Perspective-correct barycentric weights of the triangle's second and third corner, float32
        (n,).
    inverse_depth
        1 / distance along the view axis, float32 (n,).
    """

    pixel: Ints
    triangle: Ints
    weight1: Floats
    weight2: Floats
    inverse_depth: Floats

    def keep(self, mask: Bools) -> Fragments:
        """Return only the fragments where `mask` (n,) is true."""
        return Fragments(
            self.pixel[mask],
            self.triangle[mask],
            self.weight1[mask],
            self.weight2[mask],
            self.inverse_depth[mask],
        )


def rasterise(
    screen: Floats, inverse_depth: Floats, triangles: Ints, width: int, height: int
) -> Fragments:
    """Find the nearest triangle of each pixel.

    Parameters
    ----------
    screen
        Projected vertices in pixels, x to the right and y down, float (v, 2); pixel centres lie at
        .5.
    inverse_depth
        1 / depth of each vertex, > 0, (v,). It is linear in screen space, so larger is nearer.
    triangles
        Vertex indices (t, 3). Triangles whose projection runs clockwise on the screen face away
        and are culled.
    width, height
        Size of the picture in pixels.

    Returns
    -------
    Fragments
        One per covered pixel.
    """
    sx = screen[:, 0].astype(np.float64)[triangles]
    sy = screen[:, 1].astype(np.float64)[triangles]
    iz = inverse_depth.astype(np.float64)[triangles]
    area = (sx[:, 1] - sx[:, 0]) * (sy[:, 2] - sy[:, 0]) - (sx[:, 2] - sx[:, 0]) * (
        sy[:, 1] - sy[:, 0]
    )
    inside = (
        (area < -1e-9)
        & (sx.max(1) > 0)
        & (sx.min(1) < width)
        & (sy.max(1) > 0)
        & (sy.min(1) < height)
        & (iz.min(1) > 0)
    )
    ids = np.flatnonzero(inside)
    sx, sy, iz, area = sx[ids], sy[ids], iz[ids], area[ids]

    span_tri, span_y, x_first, x_count = _spans(sx, sy, width, height)
    # 1/z and the two weighted barycentrics are affine in screen space: a*x + b*y + c per triangle.
    planes = _planes(sx, sy, iz, area)
    plane = planes[0][span_tri]
    start = (plane[:, 0] * (x_first + 0.5) + plane[:, 1] * (span_y + 0.5) + plane[:, 2]).astype(
        np.float32
    )
    slope = plane[:, 0].astype(np.float32)

    total = int(x_count.sum())
    span_of = np.repeat(np.arange(len(x_count), dtype=np.int32), x_count)
    offset = np.arange(total, dtype=np.int32)
    offset -= np.repeat((np.cumsum(x_count) - x_count).astype(np.int32), x_count)
    depth = start[span_of] + slope[span_of] * offset.astype(np.float32)
    pixel = (span_y.astype(np.int32) * width + x_first.astype(np.int32))[span_of] + offset

    nearest = np.zeros(width * height, np.float32)
    np.maximum.at(nearest, pixel, depth)
    won = depth == nearest[pixel]
    winner = np.full(width * height, -1, np.int32)
    winner[pixel[won]] = span_tri[span_of[won]]

    covered = np.flatnonzero(winner >= 0)
    tri = winner[covered]
    px = (covered % width + 0.5).astype(np.float32)
    py = (covered // width + 0.5).astype(np.float32)
    inverse = nearest[covered]
    weights = []
    for plane in planes[1:]:
        p = plane[tri]
        weights.append(((p[:, 0] * px + p[:, 1] * py + p[:, 2]) / inverse).astype(np.float32))
    return Fragments(covered, ids[tri].astype(np.int32), weights[0], weights[1], inverse)


def _spans(sx: Floats, sy: Floats, width: int, height: int) -> tuple[Ints, ...]:
    """Cut triangles into rows.

    (triangle, row, first column, number of columns) of each non-empty span.
    """
    y_first = np.clip(np.ceil(sy.min(1) - 0.5), 0, height).astype(np.int64)
    y_end = np.clip(np.ceil(sy.max(1) - 0.5), 0, height).astype(np.int64)
    rows = np.maximum(y_end - y_first, 0)
    tri = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows) + y_first[tri]
    yc = row + 0.5
    left: Floats = np.full(len(tri), np.inf)
    right: Floats = np.full(len(tri), -np.inf)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        ya, yb = sy[tri, a], sy[tri, b]
        crosses = (np.minimum(ya, yb) <= yc) & (yc < np.maximum(ya, yb))
        with np.errstate(divide="ignore", invalid="ignore"):
            x = sx[tri, a] + (yc - ya) / (yb - ya) * (sx[tri, b] - sx[tri, a])
        left = np.where(crosses, np.minimum(left, x), left)
        right = np.where(crosses, np.maximum(right, x), right)
    ok = right > left
    first = np.clip(np.ceil(np.where(ok, left, 0) - 0.5), 0, width).astype(np.int64)
    end = np.clip(np.ceil(np.where(ok, right, 0) - 0.5), 0, width).astype(np.int64)
    count = np.where(ok, end - first, 0)
    keep = count > 0
    return tri[keep], row[keep], first[keep], count[keep]


def _planes(
    sx: Floats,
    sy: Floats,
    iz: Floats,
    area: Floats,
) -> tuple[Floats, ...]:
    """Affine coefficients (a.

    B, c) over the screen of 1/z, weight1/z and weight2/z of each triangle.
    """
    coefficients = []
    for i, j in ((1, 2), (2, 0), (0, 1)):  # barycentric of corner 0, 1, 2
        a = (sy[:, i] - sy[:, j]) / area
        b = (sx[:, j] - sx[:, i]) / area
        c = (sx[:, i] * sy[:, j] - sx[:, j] * sy[:, i]) / area
        coefficients.append(np.stack([a, b, c], 1))
    weighted = [c * iz[:, k : k + 1] for k, c in enumerate(coefficients)]
    return weighted[0] + weighted[1] + weighted[2], weighted[1], weighted[2]
