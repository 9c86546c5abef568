"""Which pictures a run learns from: a split set of the catalog, or folders of classes."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, nfc, schema
from bodyshop_core.catalog.split_sets import choose_split_set
from bodyshop_core.catalog.variants import current_variants
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError
from bodyshop_core.imaging import Equalise, pictures_below
from bodyshop_core.workspace import Workspace
from train.data.car_boxes import BoxFractions, car_boxes
from train.data.pixels import TTA_VIEWS, Cut
from train.data.positive import order_classes
from train.data.strata import load_strata

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sample:
    """One picture with its label, as the network sees it.

    Parameters
    ----------
    sha256 : str
        Of the original picture; in a folder, of the file's bytes.
    path : Path or BlobRef
        Where the pixels are.
    label : str
        Its class.
    split : str
        ``train``, ``validation`` or ``test``.
    group : str
        Pictures of one group are never in two splits.
    variant : str
        ``""`` for an original, else the number of the augmented copy.
    view : int
        0 for the picture's centre square, from 1 on the number of a degradation view, below 0
        another of `train.data.pixels.TTA_VIEWS`.
    content : str
        SHA-256 of an augmented copy's own file.
    box : tuple of float, optional
        Where the car is, when the run crops to it.
    origin : str
        Host or import that it came from; ``""`` in a folder.
    framing : str
        ``full``, ``part`` or ``interior``; ``""`` where unknown.
    """

    sha256: str
    path: Path | BlobRef
    label: str
    split: str
    group: str
    variant: str = ""
    view: int = 0
    content: str = ""
    box: BoxFractions | None = None
    origin: str = ""
    framing: str = ""

    @property
    def is_original(self) -> bool:
        """Whether it is the picture itself, neither a copy nor another view of it."""
        return not self.variant and not self.view

    @property
    def source(self) -> Path | BlobRef | Cut:
        """What `train.data.pixels.to_square` is to load."""
        return self.path if self.box is None else Cut(self.path, self.box)


@dataclass(frozen=True)
class Samples:
    """The pictures of a run.

    Parameters
    ----------
    items : tuple of Sample
        In a fixed order.
    classes : tuple of str
        By name; with two classes the one to detect comes last.
    target : str
        ``damage``, ``brand`` or ``model``.
    split_set : str
        Its name, or the folder.
    audit : Mapping or None
        What the shortcut audit found for the split set.
    """

    items: tuple[Sample, ...]
    classes: tuple[str, ...]
    target: str
    split_set: str
    audit: Mapping[str, Any] | None = None

    def of(self, split: str) -> tuple[Sample, ...]:
        """Return the pictures of one split."""
        return tuple(item for item in self.items if item.split == split)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return split -> class -> pictures; copies and views of a picture are no pictures."""
        return {
            split: dict(
                sorted(Counter(item.label for item in self.of(split) if item.is_original).items())
            )
            for split in SPLITS
        }

    def shown(self) -> dict[str, int]:
        """Return what a training epoch consists of: ``pictures``, ``copies``, and ``rows`` of all.

        A row is one view of a picture or of an augmented copy.
        """
        training = self.of("train")
        return {
            "pictures": sum(item.is_original for item in training),
            "copies": sum(bool(item.variant) and not item.view for item in training),
            "rows": len(training),
        }

    def new_origins(self, split: str = "test") -> tuple[str, ...]:
        """Return the origins of a split, if no other split has a picture of any of them."""
        here = {item.origin for item in self.of(split)}
        others = {item.origin for item in self.items if item.split != split}
        return () if "" in here or here & others else tuple(sorted(here))

    def looking_for(self, positive: str | None) -> Samples:
        """Return the same pictures with the class to detect last; see `order_classes`.

        Raises
        ------
        UsageError
            `positive` is none of two classes.
        """
        return replace(self, classes=order_classes(self.classes, positive))

    def digest(self, *, strata: bool = False) -> str:
        """Return a hash of everything that was learned from and tested on.

        Parameters
        ----------
        strata : bool
            Origins and framings count, too: pictures are weighted by them.
        """
        lines = sorted(
            f"{item.split}\t{item.sha256}\t{item.variant}\t{item.content}\t{item.view}\t"
            f"{item.label}{_placed(item.box)}"
            + (f"\t{item.origin}\t{item.framing}" if strata else "")
            for item in self.items
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def with_views(self, tta_views: Sequence[str], degradation_views: int) -> Samples:
        """Show training pictures in these `train.data.pixels.TTA_VIEWS` and as other cameras would.

        Augmented copies are varied already: they stay at their centre.
        """
        cameras = range(1, degradation_views + 1)
        original = [*(TTA_VIEWS[name] for name in tta_views), *cameras]
        items: list[Sample] = []
        for item in self.items:
            views = original if not item.variant else [0, *cameras]
            items += show(item, views) if item.split == "train" else [item]
        return replace(self, items=tuple(items))


def show(sample: Sample, views: Iterable[int]) -> list[Sample]:
    """Return a picture in several views."""
    return [replace(sample, view=view) for view in views]


def load_samples(
    workspace: Workspace,
    *,
    target: str | None = None,
    split_set: str | None = None,
    variants: bool = True,
    crop: str = "none",
) -> Samples:
    """Read a split set of the catalog, with the augmented copies of its train split.

    Parameters
    ----------
    workspace : Workspace
        The workspace.
    target : str, optional
        ``damage``, ``brand`` or ``model``; by default that of the split set.
    split_set : str, optional
        Its name; by default the newest one (of `target`).
    variants : bool
        Whether to take the augmented copies.
    crop : str
        ``car``: only the box that a detector found is shown, of every split. Pictures without one
        are shown whole; augmented copies, in which the car is elsewhere, are left out.

    Raises
    ------
    NothingFoundError
        There is no split set (about that target), it is empty, or no detector has been run.
    UsageError
        There is no split set of that name, or it is about another target.
    """
    chosen = choose_split_set(workspace.catalog, split_set, target)
    items = _originals(workspace, chosen.name)
    if not items:
        raise NothingFoundError(
            f"split set '{chosen.name}' holds no picture", hint="run: bodyshop curate"
        )
    classes = order_classes(item.label for item in items)
    if crop == "car":
        boxes = car_boxes(workspace)
        items = [replace(item, box=boxes.get(item.sha256)) for item in items]
    elif variants:
        items += _variants(workspace, chosen.name, {item.sha256: item for item in items})
    samples = Samples(tuple(items), classes, chosen.target, chosen.name, chosen.audit or None)
    check(samples)
    return samples


def folder_samples(folder: Path, *, split: str = "test", target: str = "damage") -> Samples:
    """Read a folder whose subfolders are classes.

    Raises
    ------
    NothingFoundError
        There is no picture in any subfolder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", hint="give a folder with one folder per class")
    items = []
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        if kind.name.startswith("."):
            continue
        for path in pictures_below(kind):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            items.append(Sample(sha256, path, nfc(kind.name), split, sha256))
    if not items:
        raise NothingFoundError(
            f"no picture in any class folder of {folder}",
            hint="put the pictures in one folder per class, such as damaged/ and whole/",
        )
    return Samples(tuple(items), order_classes(item.label for item in items), target, str(folder))


def is_class_name(name: str) -> bool:
    """Say whether a label can be a class: not blank, and without control characters."""
    return bool(name.strip()) and all(unicodedata.category(c) not in {"Cc", "Cs"} for c in name)


def check(samples: Samples, *, needed: Sequence[str] = SPLITS) -> None:
    """Refuse data from which no valid model can be trained and tested.

    Raises
    ------
    BodyshopError
        Fewer than two classes, a blank label or one with control characters, a class with no
        picture in a split or with a single training picture, or a group that straddles two splits.
    """
    odd = next((name for name in samples.classes if not is_class_name(name)), None)
    if odd is not None:
        raise BodyshopError(
            f"label {odd!r} can't be a class: it is blank or holds control characters",
            hint="correct the label of these pictures, then: bodyshop curate",
        )
    if len(samples.classes) < 2:
        raise BodyshopError(
            f"split set '{samples.split_set}' has the one class '{samples.classes[0]}': "
            "a classifier needs two",
            hint="collect or import pictures of a second class, then: bodyshop curate",
        )
    originals = [item for item in samples.items if item.is_original]
    for split in needed:
        found = Counter(item.label for item in originals if item.split == split)
        for name in samples.classes:
            fewest = 2 if split == "train" else 1
            if found[name] < fewest:
                count = "no picture" if not found[name] else "a single picture"
                raise BodyshopError(
                    f"class '{name}' has {count} in the {split} split of '{samples.split_set}'",
                    hint="add pictures of that class and run: bodyshop curate --new-split NAME",
                )
    homes: dict[str, str] = {}
    for item in originals:
        if homes.setdefault(item.group, item.split) != item.split:
            raise BodyshopError(
                f"group {item.group} is in both {homes[item.group]} and {item.split} of "
                f"'{samples.split_set}': test results would be too good",
                hint="run: bodyshop curate --new-split NAME",
            )


def equalise_spec(samples: Samples, mode: str, sizes: Sequence[int]) -> Equalise | None:
    """Decide whether and how all pictures are equalised in size and JPEG quality.

    Parameters
    ----------
    samples : Samples
        Its audit says whether size and quality predict the label.
    mode : str
        ``auto`` (when the audit found a leak), ``always`` or ``never``.
    sizes : Sequence of int
        Longest sides of the training pictures, in pixels.

    Returns
    -------
    Equalise or None
        The audit's own parameters when it names some, else their 25th percentile.
    """
    audit = samples.audit or {}
    if mode == "never" or (mode == "auto" and not audit.get("leak")):
        return None
    given = audit.get("equalise")
    if isinstance(given, Mapping) and given.get("longest_side"):
        return Equalise(int(given["longest_side"]), int(given.get("jpeg_quality", 75)))
    import numpy as np

    return Equalise(int(np.percentile(list(sizes), 25)))


def audit_baseline(
    audit: Mapping[str, Any] | None, equalise: Equalise | None
) -> dict[str, Any] | None:
    """Return what nuisance features alone achieve on the view that a run trains on.

    Where pictures are equalised, that is the audit of the equalised view.
    """
    audit = audit or {}
    view = audit.get("equalised") if equalise is not None else None
    if isinstance(view, Mapping) and view.get("baseline"):
        return {**view["baseline"], "view": "equalised"}
    return {**audit["baseline"], "view": "as it is"} if audit.get("baseline") else None


def longest_sides(workspace: Workspace, samples: Samples) -> list[int]:
    """Return the longest side of every original training picture, in pixels."""
    wanted = {item.sha256 for item in samples.of("train")}
    table = schema.images
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(table.c.sha256, table.c.width, table.c.height)).all()
    return [max(width, height) for sha, width, height in rows if sha in wanted and width]


def _placed(box: BoxFractions | None) -> str:
    return "" if box is None else "\t" + ",".join(f"{value:g}" for value in box)


def _originals(workspace: Workspace, split_set: str) -> list[Sample]:
    splits, images = schema.splits, schema.images
    query = (
        select(splits.c.sha256, images.c.extension, splits.c.label, splits.c.split, splits.c.group)
        .join(images, images.c.sha256 == splits.c.sha256)
        .where(splits.c.split_set == split_set, splits.c.split.in_(SPLITS))
        .order_by(splits.c.sha256)
    )
    with workspace.catalog.read() as connection:
        rows = connection.execute(query).all()
    strata = load_strata(workspace)
    items = []
    for sha, extension, label, split, group in rows:
        origin, framing = strata[sha]
        path = workspace.blobs.ref(sha, extension)
        items.append(Sample(sha, path, label, split, group, origin=origin, framing=framing))
    return items


def _variants(
    workspace: Workspace, split_set: str, originals: Mapping[str, Sample]
) -> list[Sample]:
    """Read the newest set of augmented copies, of pictures that are in train today."""
    return [
        replace(
            originals[copy.sha256],
            path=workspace.derived.ref(copy.file),
            variant=str(copy.copy),
            content=copy.digest or "",
        )
        for copy in current_variants(workspace.catalog, split_set)
        if copy.sha256 in originals and originals[copy.sha256].split == "train"
    ]
