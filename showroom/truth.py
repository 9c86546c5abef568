"""Ground truth of the showroom: what every rendered picture really shows.

The renderer writes it (``truth.json``), the site serves from it, the demo and the tests score
every stage against it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bodyshop_core.errors import BodyshopError

VERSION = 1
FILE_NAME = "truth.json"

Kind = Literal["car", "decoy"]
Framing = Literal["full", "part"]
Damage = Literal["damaged", "whole"]
Place = Literal["gallery", "spinner", "canvas", "search"]
Slot = Literal["img", "srcset", "picture", "lazy", "css"]


@dataclass(frozen=True, slots=True)
class ShowroomModel:
    """A car model of the showroom.

    Parameters
    ----------
    name
        As printed on the site, NFC (``"바람"``).
    slug
        ASCII, used in paths (``"baram"``).
    body
        Body kind of the renderer (``"sedan"``, ``"suv"``, ``"hatch"``, ``"coupe"``, ``"wagon"``,
        ``"pickup"``).
    """

    name: str
    slug: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class ShowroomBrand:
    """A brand with its models; `host_note` is what its site prints under the name."""

    name: str
    slug: str
    host_note: str
    models: tuple[ShowroomModel, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture file of the showroom and all that is true about it.

    Attributes
    ----------
    id
        Unique, ASCII, safe in a file name and a URL.
    file, thumbnail, mask
        POSIX paths relative to the showroom's root. `mask` is a PNG of the same size as the
        picture, 255 = damage of any class; ``masks`` has one such file per class in
        `damage_classes`.
    sha256
        Of the bytes of `file`.
    angle_deg
        Heading of the camera around the car, degrees in [0, 360): 0 looks at the front,
        90 at the car's left side, 180 at the rear.
    duplicate_of, transform
        Set on planted near-duplicates: the id of the picture it was made from and how
        (``"reencode q60"``, ``"resize 60 %"``, ``"crop 5 %"``, ``"watermark"``, ``"brightness +8
        %"``).
    place
        Where the site shows it: ``"gallery"`` (brand page), ``"spinner"`` (drag spinner frame),
        ``"canvas"`` (canvas spinner frame) or ``"search"`` (image search result).
    slot
        How the gallery embeds it; None elsewhere.
    query
        The image-search query that returns it; None outside the search.
    scene, jpeg_quality
        Nuisance variables: the background and the JPEG quality; drawn before the damage.
    """

    id: str
    file: str
    sha256: str
    width: int
    height: int
    kind: Kind
    place: Place
    thumbnail: str | None = None
    brand: str | None = None
    model: str | None = None
    colour: str | None = None
    angle_deg: float | None = None
    framing: Framing | None = None
    damage: Damage | None = None
    damage_classes: tuple[str, ...] = ()
    mask: str | None = None
    masks: dict[str, str] = field(default_factory=dict, hash=False)
    duplicate_of: str | None = None
    transform: str | None = None
    blurred: bool = False
    slot: Slot | None = None
    query: str | None = None
    spin_group: str | None = None
    frame: int | None = None
    n_frames: int | None = None
    scene: str | None = None
    jpeg_quality: int | None = None

    def files(self) -> tuple[str, ...]:
        """Return the paths of the picture, its thumbnail and its masks."""
        return tuple(filter(None, (self.file, self.thumbnail, self.mask, *self.masks.values())))


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that is true about a built showroom."""

    version: int
    seed: int
    size: str
    brands: tuple[ShowroomBrand, ...]
    pictures: tuple[Picture, ...]

    def originals(self) -> tuple[Picture, ...]:
        """Return what a perfect collector brings.

        Each full-size picture the site shows, no thumbnails.
        """
        return tuple(p for p in self.pictures if p.place)

    def by_id(self) -> dict[str, Picture]:
        """Return the pictures keyed by id."""
        return {p.id: p for p in self.pictures}

    def by_sha256(self) -> dict[str, Picture]:
        """Return the pictures keyed by the sha256 of their file."""
        return {p.sha256: p for p in self.pictures}

    def queries(self) -> tuple[str, ...]:
        """Return every image-search query that has results, in order of first use."""
        return tuple(dict.fromkeys(p.query for p in self.pictures if p.query is not None))

    def save(self, root: Path) -> Path:
        """Write ``truth.json`` below `root` (atomic) and return its path."""
        from bodyshop_core.atomic import write_text

        path = Path(root) / FILE_NAME
        write_text(path, json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n")
        return path

    @classmethod
    def load(cls, root: Path) -> Truth:
        """Read ``truth.json`` below `root`.

        Raises
        ------
        BodyshopError
            If there is none, it is no JSON, or it was written by another version.
        """
        path = Path(root) / FILE_NAME
        hint = "Build the showroom again with build_showroom()."
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BodyshopError(
                f"No showroom in {root}: {path} does not exist.", hint=hint
            ) from error
        except (ValueError, OSError) as error:
            raise BodyshopError(f"Cannot read {path}: {error}", hint=hint) from error
        if not isinstance(raw, dict) or raw.get("version") != VERSION:
            found = raw.get("version") if isinstance(raw, dict) else type(raw).__name__
            raise BodyshopError(
                f"{path} was written by another version (found {found!r}, needed {VERSION}).",
                hint=hint,
            )
        return cls._parse(raw, path)

    @classmethod
    def _parse(cls, raw: dict[str, Any], path: Path) -> Truth:
        try:
            brands = tuple(
                ShowroomBrand(**{**b, "models": tuple(ShowroomModel(**m) for m in b["models"])})
                for b in raw["brands"]
            )
            pictures = tuple(
                Picture(**{**p, "damage_classes": tuple(p["damage_classes"])})
                for p in raw["pictures"]
            )
            return cls(raw["version"], raw["seed"], raw["size"], brands, pictures)
        except (KeyError, TypeError) as error:
            raise BodyshopError(
                f"{path} is incomplete: {error}",
                hint="Build the showroom again with build_showroom().",
            ) from error


def load_truth(root: Path | str) -> Truth:
    """Read the ground truth of the showroom built in `root`; see `Truth.load`."""
    return Truth.load(Path(root))
