"""The six car bodies of the showroom: dimensions, silhouettes and brand styles.

All lengths in metres; x forward from the middle between the axles, y left, z up from the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Point = tuple[float, float]
BodyKind = Literal["sedan", "suv", "coupe", "hatch", "wagon", "pickup"]
Style = Literal["norden", "corvo", "hanbit"]


@dataclass(frozen=True, slots=True)
class BodySpec:
    """Everything that shapes one car.

    Attributes
    ----------
    deck
        Side silhouette of the lower body, rear to front: (x, z) of tail, boot or belt line, cowl,
        bonnet, nose.
    cabin
        Side silhouette of the greenhouse, rear base to windscreen base.
    half_width
        Of the body without mirrors.
    clearance
        Of the sills above the ground.
    axle
        |x| of both axles.
    wheel
        Outer radius of the tyres.
    doors
        x of the vertical door seams, front to rear (the first is the front edge of the front door).
    pillars
        x of the B (and C, D) pillars between the side windows.
    side_glass_rear
        x where the side windows end.
    rear_glass
        Lowest and highest z of the rear window.
    bed
        x range of an open load bed.
    """

    kind: BodyKind
    style: Style
    deck: tuple[Point, ...]
    cabin: tuple[Point, ...]
    half_width: float
    clearance: float
    axle: float
    wheel: float
    doors: tuple[float, ...]
    pillars: tuple[float, ...]
    spokes: int
    side_glass_rear: float
    rear_glass: Point
    tumblehome: float = 0.24
    nose_depth: float = 0.42
    tail_depth: float = 0.34
    boxiness: float = 0.0
    cladding: bool = False
    rails: bool = False
    bed: Point | None = None
    flare: float = 0.012
    spoiler: bool = False

    @property
    def nose(self) -> float:
        """Foremost x."""
        return self.deck[-1][0]

    @property
    def tail(self) -> float:
        """Rearmost x."""
        return self.deck[0][0]

    @property
    def height(self) -> float:
        """Height of the roof."""
        return max(z for _, z in self.cabin)

    @property
    def arch(self) -> float:
        """Radius of the wheel arches."""
        return self.wheel + 0.06


BODIES: dict[str, BodySpec] = {
    "sedan": BodySpec(
        kind="sedan",
        style="norden",
        deck=(
            (-2.42, 0.95),
            (-2.2, 1.0),
            (-1.7, 1.01),
            (-0.8, 0.98),
            (0.3, 0.955),
            (1.0, 0.93),
            (1.6, 0.865),
            (2.05, 0.79),
            (2.28, 0.735),
        ),
        cabin=(
            (-2.0, 0.98),
            (-1.25, 1.32),
            (-0.7, 1.425),
            (-0.1, 1.445),
            (0.32, 1.40),
            (1.22, 0.90),
        ),
        half_width=0.92,
        clearance=0.2,
        axle=1.41,
        wheel=0.335,
        doors=(0.86, -0.14, -1.1),
        pillars=(-0.16, -1.02),
        spokes=10,
        side_glass_rear=-1.5,
        rear_glass=(1.04, 1.36),
    ),
    "suv": BodySpec(
        kind="suv",
        style="norden",
        deck=(
            (-2.3, 1.06),
            (-1.5, 1.1),
            (-0.5, 1.09),
            (0.4, 1.075),
            (1.05, 1.06),
            (1.7, 1.02),
            (2.1, 0.97),
            (2.28, 0.93),
        ),
        cabin=(
            (-2.27, 1.05),
            (-2.12, 1.5),
            (-1.95, 1.68),
            (-1.2, 1.745),
            (-0.4, 1.76),
            (0.25, 1.73),
            (0.5, 1.66),
            (1.2, 1.04),
        ),
        half_width=0.95,
        clearance=0.27,
        axle=1.42,
        wheel=0.385,
        doors=(0.86, -0.14, -1.08),
        pillars=(-0.15, -1.08),
        spokes=5,
        side_glass_rear=-1.98,
        rear_glass=(1.18, 1.6),
        boxiness=1.0,
        cladding=True,
        rails=True,
        tumblehome=0.2,
        nose_depth=0.34,
        tail_depth=0.26,
    ),
    "coupe": BodySpec(
        kind="coupe",
        style="corvo",
        deck=(
            (-2.18, 0.93),
            (-2.0, 0.975),
            (-1.4, 0.96),
            (-0.6, 0.9),
            (0.2, 0.87),
            (0.9, 0.845),
            (1.5, 0.785),
            (2.0, 0.68),
            (2.24, 0.6),
        ),
        cabin=(
            (-2.02, 0.93),
            (-1.4, 1.11),
            (-0.8, 1.245),
            (-0.3, 1.285),
            (0.05, 1.265),
            (0.3, 1.19),
            (1.1, 0.82),
        ),
        half_width=0.94,
        clearance=0.16,
        axle=1.33,
        wheel=0.345,
        doors=(0.78, -0.5),
        pillars=(-0.52,),
        spokes=5,
        side_glass_rear=-1.2,
        rear_glass=(1.02, 1.22),
        tumblehome=0.34,
        nose_depth=0.5,
        tail_depth=0.4,
        flare=0.03,
        spoiler=True,
    ),
    "hatch": BodySpec(
        kind="hatch",
        style="corvo",
        deck=(
            (-1.93, 0.96),
            (-1.2, 1.0),
            (-0.4, 0.97),
            (0.4, 0.945),
            (0.95, 0.925),
            (1.45, 0.87),
            (1.8, 0.79),
            (1.99, 0.73),
        ),
        cabin=(
            (-1.92, 0.95),
            (-1.72, 1.3),
            (-1.55, 1.43),
            (-0.9, 1.495),
            (-0.2, 1.505),
            (0.2, 1.46),
            (0.42, 1.38),
            (1.13, 0.9),
        ),
        half_width=0.875,
        clearance=0.2,
        axle=1.26,
        wheel=0.32,
        doors=(0.78, -0.18, -0.98),
        pillars=(-0.18, -1.02),
        spokes=7,
        side_glass_rear=-1.62,
        rear_glass=(1.08, 1.4),
        tumblehome=0.24,
        nose_depth=0.44,
        tail_depth=0.36,
        flare=0.02,
    ),
    "wagon": BodySpec(
        kind="wagon",
        style="hanbit",
        deck=(
            (-2.45, 0.95),
            (-2.2, 1.0),
            (-1.2, 0.985),
            (-0.2, 0.965),
            (0.6, 0.95),
            (1.05, 0.93),
            (1.6, 0.865),
            (2.05, 0.79),
            (2.3, 0.73),
        ),
        cabin=(
            (-2.4, 0.95),
            (-2.15, 1.26),
            (-1.98, 1.385),
            (-1.4, 1.445),
            (-0.6, 1.475),
            (0.0, 1.465),
            (0.34, 1.41),
            (1.24, 0.9),
        ),
        half_width=0.92,
        clearance=0.2,
        axle=1.42,
        wheel=0.335,
        doors=(0.88, -0.12, -1.08),
        pillars=(-0.13, -1.08),
        spokes=9,
        rails=True,
        side_glass_rear=-2.12,
        rear_glass=(1.06, 1.36),
    ),
    "pickup": BodySpec(
        kind="pickup",
        style="hanbit",
        deck=(
            (-2.78, 1.07),
            (-2.5, 1.09),
            (-1.4, 1.09),
            (-0.6, 1.1),
            (0.4, 1.1),
            (1.2, 1.08),
            (1.9, 1.05),
            (2.3, 1.0),
            (2.48, 0.95),
        ),
        cabin=(
            (-0.86, 1.06),
            (-0.78, 1.5),
            (-0.62, 1.72),
            (-0.1, 1.79),
            (0.45, 1.78),
            (0.72, 1.7),
            (1.4, 1.06),
        ),
        half_width=0.97,
        clearance=0.31,
        axle=1.6,
        wheel=0.395,
        doors=(1.02, 0.1, -0.74),
        pillars=(0.1,),
        spokes=6,
        side_glass_rear=-0.68,
        rear_glass=(1.2, 1.62),
        boxiness=1.0,
        cladding=True,
        bed=(-2.66, -0.98),
        tumblehome=0.2,
        nose_depth=0.32,
        tail_depth=0.14,
    ),
}
