"""What the path of a picture in a folder or archive says: class, brand, model and split."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from bodyshop_core.catalog import nfc
from bodyshop_core.imaging.types import SUFFIXES

_SPLITS = {
    "train": "train", "training": "train", "trainset": "train", "trainval": "train", "trn": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "valset": "validation",
    "validating": "validation",
    "test": "test", "testing": "test", "testset": "test", "tst": "test",
}  # fmt: skip
_FILLERS = frozenset(
    [
        "set",
        "data",
        "dataset",
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "photos",
        "split",
        "part",
        "fold",
        "samples",
        "jpg",
    ]
)
_CONTAINERS = frozenset(
    ["data", "dataset", "dcim", "image", "images", "img", "imgs", "jpeg", "jpg", "photos",
     "pictures"]
)  # fmt: skip
"""Words of folders that hold pictures of any class, such as ``JPEGImages``."""

_CAMERA = re.compile(r"[1-9]\d\d\w{5}")
"""Folders that cameras and phones make below DCIM: ``100APPLE`` (DCF 2.0, JEITA CP-3461)."""

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=JPEG)(?=I)")


@dataclass(frozen=True)
class PicturePath:
    """What is said about a file.

    Parameters
    ----------
    relative : str
        Its name below the folder or in the archive, with ``/``, NFC.
    split : str or None
        ``train``, ``validation`` or ``test``.
    labels : tuple of (field, value)
        Each field at most once.
    """

    relative: str
    split: str | None
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Given:
    """What the caller of an import says about all files.

    Parameters
    ----------
    field : str
        What class folders, and columns named label or class, stand for.
    label, brand, model : str, optional
        They take precedence over everything else.
    silent : tuple of str
        Folders below which folders name no classes, since a table or pattern speaks for the same
        field there; the empty text is all of them.
    """

    field: str
    label: str | None = None
    brand: str | None = None
    model: str | None = None
    silent: tuple[str, ...] = ()


Statement = Callable[[str], dict[str, str]]
"""A file's name -> what a table or pattern says about it: fields and ``split``."""


Told = tuple[str | None, str | None]
"""Split and class of a file, as its source states them beside its name."""


def picture_paths(
    names: Sequence[str],
    given: Given,
    statements: Sequence[Statement] = (),
    told: Sequence[Told] | None = None,
) -> list[PicturePath]:
    """Say what is known of files by their names.

    Parameters
    ----------
    names : sequence of str
        Below the folder or in the archive, with ``/``.
    given : Given
        Said of all files.
    statements : sequence of callable
        Tables and patterns: they take precedence over folders, later ones over earlier ones.
    told : sequence of (split, class), optional
        What is known of each name already: then folders say nothing.
    """
    names = [written_name(name) for name in names]
    if told is not None:
        known = ((split, [nfc(label)] if label else []) for split, label in told)
    else:
        wrapper = _shared_wrapper(names)
        known = (_of_folders(PurePosixPath(name).parts[:-1], wrapper) for name in names)
    return [
        _place(name, split, classes, given, statements)
        for name, (split, classes) in zip(names, known, strict=True)
    ]


def written_name(name: str) -> str:
    """Return a file's name as the catalog holds it: NFC, with bytes that are no UTF-8 escaped."""
    return nfc(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def split_of(name: str) -> tuple[str | None, str]:
    """Return the split that a folder's name states as a whole word, and what else it says.

    ``train``, ``Training``, ``val2017``, ``1.Validation`` and ``test_images`` are splits only;
    ``train_damaged`` is a split and a class; ``Testarossa`` and ``Valkyrie`` are cars.
    """
    words = [word for part in _CAMEL.split(name) for word in _WORD.findall(part)]
    split = _SPLITS.get(words[0].lower()) if words else None
    if split is None:
        return None, name
    if all(word.lower() in _FILLERS for word in words[1:]):
        return split, ""
    rest = re.sub(r"^[\W\d_]*" + re.escape(words[0]) + r"[\W_]*", "", name)
    return split, rest


def _shared_wrapper(names: Sequence[str]) -> int:
    """Return how many leading folders all pictures share: these do not name a class."""
    parts = [
        path.parts[:-1]
        for name in names
        if (path := PurePosixPath(name)).suffix.lower() in SUFFIXES
    ]
    depth = 0
    while parts and all(len(each) > depth + 1 for each in parts):
        if len({each[depth] for each in parts}) > 1 or split_of(parts[0][depth])[0]:
            break
        depth += 1
    return depth


def _of_folders(folders: Sequence[str], wrapper: int) -> tuple[str | None, list[str]]:
    """Return the split and the classes that the folders of a file name, behind the shared ones."""
    split, classes = None, []
    of_camera = any(part.upper() == "DCIM" for part in folders)
    for part in folders[wrapper:]:
        stated, rest = split_of(part)
        split = split or stated
        if rest and not _holds_any_class(rest) and not (of_camera and _CAMERA.fullmatch(rest)):
            classes.append(rest)
    return split, classes


def _holds_any_class(name: str) -> bool:
    words = [word.lower() for part in _CAMEL.split(name) for word in _WORD.findall(part)]
    return bool(words) and all(word in _CONTAINERS for word in words)


def _place(
    name: str,
    split: str | None,
    classes: list[str],
    given: Given,
    statements: Sequence[Statement],
) -> PicturePath:
    said: dict[str, str] = {}
    if any(not folder or name.startswith(f"{folder}/") for folder in given.silent):
        classes = []
    if classes and given.field == "model":
        maker = given.brand and nfc(given.brand)
        if maker is None and len(classes) > 1:
            maker, classes = classes[0], classes[1:]
            said["brand"] = maker
        said["model"] = f"{maker} {classes[0]}" if maker else classes[0]
    elif classes:
        said[given.field] = classes[0]
    for statement in statements:
        stated_here = statement(name)
        split = stated_here.pop("split", None) or split
        said |= stated_here
    if given.brand:
        said["brand"] = nfc(given.brand)
    if given.model:
        said["model"] = f"{nfc(given.brand or '')} {nfc(given.model)}"
    if given.label:
        said[given.field] = nfc(given.label)
    return PicturePath(name, split, tuple(said.items()))
