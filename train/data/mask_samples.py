"""Pictures with damage masks, from the catalog."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, schema
from bodyshop_core.catalog.labels import means_whole
from bodyshop_core.catalog.variants import current_variants
from bodyshop_core.errors import (
    BodyshopError,
    LostBlobError,
    NothingFoundError,
    UnreadableImageError,
)
from bodyshop_core.imaging import load_rgb, open_image
from bodyshop_core.storage.derived_files import read_or_none
from bodyshop_core.workspace import Workspace
from train.data.region_masks import RegionMask, regions_by
from train.data.samples import SPLITS, is_class_name, load_samples
from train.data.tiles import MASK_LEVEL, Tiling, scale_mask
from train.recipes.segment_recipe import ClassesBy

if TYPE_CHECKING:
    from numpy.typing import NDArray

ANY = "damage"
"""Class of masks that carry no label of their own."""


@dataclass(frozen=True)
class MaskedSample:
    """A picture and its masks.

    Parameters
    ----------
    sha256 : str
        Of the picture.
    path : Path or BlobRef
        Its pixels.
    split : str
        ``train``, ``validation`` or ``test``.
    masks : Mapping
        Class -> mask files of the picture's size, or regions; empty for a picture without damage.
    variant : str
        ``""`` for an original, else the SHA-256 of the augmented copy's own file.
    """

    sha256: str
    path: Path | BlobRef
    split: str
    masks: Mapping[str, tuple[Path | BlobRef | RegionMask, ...]]
    variant: str = ""


@dataclass(frozen=True)
class MaskedSamples:
    """The pictures and masks of a run.

    Parameters
    ----------
    items : tuple of MaskedSample
        In a fixed order.
    classes : tuple of str
        By name.
    split_set : str
        Its name.
    left_out : Mapping
        SHA-256 of a picture that no run can use -> why.
    """

    items: tuple[MaskedSample, ...]
    classes: tuple[str, ...]
    split_set: str
    target: str = "mask"
    left_out: Mapping[str, str] = field(default_factory=dict)

    def of(self, split: str) -> tuple[MaskedSample, ...]:
        """Return the pictures of one split."""
        return tuple(item for item in self.items if item.split == split)

    def counts(self) -> dict[str, int]:
        """Return split -> pictures, originals and augmented ones together."""
        return {split: len(self.of(split)) for split in SPLITS}

    def digest(self) -> str:
        """Return a hash of everything that is learned from and tested on, the masks' bytes too."""
        lines = ["\t".join(self.classes)]
        for item in self.items:
            lines.append(f"{item.split}\t{item.sha256}\t{item.variant}")
            for name, files in item.masks.items():
                contents = [_content(file) for file in files]
                digests = ",".join(hashlib.sha256(content).hexdigest() for content in contents)
                lines.append(f"{item.split}\t{item.sha256}\t{item.variant}\t{name}\t{digests}")
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def masked_samples(
    workspace: Workspace,
    *,
    side: int,
    rows: int = 1,
    split_set: str | None = None,
    variants: bool = True,
    by: ClassesBy = "damage",
) -> MaskedSamples:
    """Read every picture of a split set that has a current mask, or whose label says it needs none.

    Parameters
    ----------
    workspace : Workspace
        The workspace.
    side, rows : int
        As `train.data.tiles.Tiling`: a picture that needs too many squares is left out.
    split_set : str, optional
        The newest by default.
    variants : bool
        Whether augmented copies with their masks join the train split. Their masks are those of the
        kinds of damage: with other classes they are left out.
    by : {"damage", "severity", "part"}
        What the classes are. A picture with damage of which that is not known is left out: it would
        teach that there is none.

    Raises
    ------
    NothingFoundError
        No split set, or no masks in one of its splits.
    BodyshopError
        A mask class is blank or has control characters.
    """
    samples = load_samples(workspace, split_set=split_set, variants=False)
    files: Mapping[str, Mapping[str, tuple[BlobRef | RegionMask, ...]]]
    unknown: Mapping[str, str] = {}
    if by == "damage":
        files = mask_files(workspace)
    else:
        files, unknown = regions_by(workspace, by)
    classes = tuple(sorted({name for each in files.values() for name in each}))
    if not classes:
        raise NothingFoundError(
            "no picture has a damage mask yet"
            if by == "damage"
            else f"of no picture with damage is the {by} of every region known",
            hint="draw some: bodyshop label push, then: bodyshop label pull",
        )
    odd = next((name for name in classes if not is_class_name(name)), None)
    if odd is not None:
        raise BodyshopError(
            f"the mask class {odd!r} can't be the name of a class",
            hint="import the masks again and rename it: bodyshop label import … --map OLD=NEW",
        )
    found = [
        MaskedSample(item.sha256, item.path, item.split, files.get(item.sha256, {}))
        for item in samples.items
        if item.sha256 in files or (means_whole(item.label) and item.sha256 not in unknown)
    ]
    if variants and by == "damage":
        home = {sample.sha256: sample.split for sample in found}
        found += _variants(workspace, samples.split_set, home)
    left_out = _too_thin(found, side, rows)
    here = {item.sha256 for item in samples.items}
    left_out |= {sha256: why for sha256, why in unknown.items() if sha256 in here}
    found = [sample for sample in found if sample.sha256 not in left_out]
    for split in SPLITS:
        if not any(sample.masks for sample in found if sample.split == split):
            raise NothingFoundError(
                f"no picture in the {split} split of '{samples.split_set}' has a damage mask",
                hint="draw more masks: bodyshop label push, then: bodyshop label pull"
                if by == "damage"
                else f"labelers have to give the {by} of more regions: bodyshop label push",
            )
    return MaskedSamples(tuple(found), classes, samples.split_set, left_out=left_out)


def load_pairs(
    samples: Sequence[MaskedSample], classes: Sequence[str], side: int, rows: int = 1
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the squares that cover the pictures, and their masks.

    Parameters
    ----------
    samples : Sequence of MaskedSample
        What to load.
    classes : Sequence of str
        Order of the mask channels.
    side, rows : int
        As `train.data.tiles.Tiling`.

    Returns
    -------
    pixels : ndarray of uint8, shape (n, side, side, 3)
        RGB; a picture has as many squares as it needs, one after the other.
    masks : ndarray of uint8, shape (n, side, side, classes)
        0 or 1.

    Raises
    ------
    BodyshopError
        A mask is missing, damaged, or of another shape than its picture.
    UnreadableImageError
        A picture can't be decoded, or needs more than `train.data.tiles.MAX_SQUARES` squares.
    """
    pixels: list[NDArray[np.uint8]] = [np.empty((0, side, side, 3), np.uint8)]
    masks: list[NDArray[np.uint8]] = [np.empty((0, side, side, len(classes)), np.uint8)]
    for sample in samples:
        rgb, truth = load_picture(sample, classes)
        tiling = Tiling.of(rgb.shape, side, rows, name=str(sample.path))
        pixels.append(tiling.cut(rgb))
        masks.append(
            np.stack([tiling.cut_mask(truth[..., i]) for i in range(len(classes))], axis=-1)
        )
    return np.concatenate(pixels), np.concatenate(masks)


def load_squeezed_masks(
    samples: Sequence[MaskedSample], classes: Sequence[str], side: int
) -> NDArray[np.uint8]:
    """Return each picture's masks squeezed into a square, 0 or 1, shape (n, side, side, classes).

    Every picture then counts the same, whatever its size and aspect ratio.

    Raises
    ------
    BodyshopError
        A mask is missing, damaged, or of another shape than its picture.
    """
    masks = np.zeros((len(samples), side, side, len(classes)), np.uint8)
    for place, sample in enumerate(samples):
        if sample.masks:
            _, truth = load_picture(sample, classes)
            for index in range(len(classes)):
                masks[place, ..., index] = scale_mask(truth[..., index], (side, side))
    return masks


def load_picture(
    sample: MaskedSample, classes: Sequence[str]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a picture (height, width, 3) and its masks (height, width, classes).

    Raises
    ------
    BodyshopError
        A mask is missing, damaged, or of another shape than its picture.
    """
    rgb = load_rgb(sample.path)
    truth = np.zeros((*rgb.shape[:2], len(classes)), bool)
    for name, files in sample.masks.items():
        for file in files:
            truth[..., classes.index(name)] |= _pixels(file, rgb.shape[:2])
    return rgb, truth


def read_mask(file: Path | BlobRef, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Read a mask.

    Raises
    ------
    BodyshopError
        It is missing, damaged, or of another shape than `shape` (height, width).
    TransientError
        Storage does not give it.
    """
    try:
        mask = load_rgb(file)[..., 0] >= MASK_LEVEL
    except (UnreadableImageError, LostBlobError) as error:
        raise BodyshopError(
            f"mask {file} can't be read: {error.message}", hint="run: bodyshop label pull"
        ) from error
    if mask.shape != tuple(shape[:2]):
        raise BodyshopError(
            f"mask {file} is {mask.shape[1]} x {mask.shape[0]}, "
            f"its picture {shape[1]} x {shape[0]}",
            hint="it belongs to another picture: run bodyshop label pull again",
        )
    return mask


def mask_files(workspace: Workspace) -> dict[str, dict[str, tuple[BlobRef, ...]]]:
    """Return sha256 -> class -> files of the current masks of every picture that has some."""
    table = schema.annotations
    query = (
        select(table.c.sha256, table.c.label, table.c.file)
        .where(table.c.kind == "mask", table.c.state == "current", table.c.file.is_not(None))
        .order_by(table.c.key)
    )
    found: dict[str, dict[str, list[BlobRef]]] = defaultdict(lambda: defaultdict(list))
    with workspace.catalog.read() as connection:
        for sha, label, file in connection.execute(query):
            found[sha][label or ANY].append(workspace.derived.ref(file))
    return {
        sha: {label: tuple(paths) for label, paths in each.items()} for sha, each in found.items()
    }


def _pixels(mask: Path | BlobRef | RegionMask, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return mask.pixels(shape) if isinstance(mask, RegionMask) else read_mask(mask, shape)


def _content(mask: Path | BlobRef | RegionMask) -> bytes:
    if isinstance(mask, RegionMask):
        return mask.geometry.encode()
    # A missing file is reported where the masks are loaded.
    return read_or_none(mask) or b""


def _too_thin(samples: Sequence[MaskedSample], side: int, rows: int) -> dict[str, str]:
    """Return sha256 -> why of pictures that need too many squares; only headers are read."""
    found = {}
    for sample in samples:
        with open_image(Path(sample.path)) as image:
            width, height = image.size
        try:
            Tiling.of((height, width), side, rows, name=str(sample.path))
        except UnreadableImageError as error:
            found[sample.sha256] = error.message
    return found


def _variants(workspace: Workspace, split_set: str, home: Mapping[str, str]) -> list[MaskedSample]:
    return [
        MaskedSample(
            copy.sha256,
            workspace.derived.ref(copy.file),
            "train",
            {name: (workspace.derived.ref(mask),) for name, mask in copy.masks.items()},
            variant=copy.digest or str(copy.copy),
        )
        for copy in current_variants(workspace.catalog, split_set)
        if home.get(copy.sha256) == "train"
    ]
