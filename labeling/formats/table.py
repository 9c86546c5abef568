"""The formats of annotation files: one table of readers and writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core.errors import ConfigError, UsageError
from labeling.formats import (
    coco,
    colour_masks,
    cvat,
    label_studio,
    labelme,
    png,
    supervisely,
    via,
    voc,
    yolo,
)
from labeling.formats.documents import FAULTS, JSON_FILES, XML_FILES, read_json, read_xml
from labeling.formats.shapes import ExportPicture, PictureShapes


@dataclass(frozen=True)
class MaskFormat:
    """One format.

    Parameters
    ----------
    name : str
        As it is given on the command line.
    title : str
        For people.
    find : callable
        Returns the files of this format in a file or folder; empty: it is another format.
    read : callable
        Yields one `PictureShapes` per picture.
    write : callable
        Writes pictures with their instances to a folder.
    keeps : str
        What of an instance the written files keep.
    """

    name: str
    title: str
    find: Callable[[Path], list[Path]]
    read: Callable[[Path], Iterator[PictureShapes]]
    write: Callable[[Path, Sequence[ExportPicture], Sequence[str]], Path]
    keeps: str


ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar")

MANY = 200
"""Files of a folder that are looked at to say why no format is recognised."""

_ALL = "instance, outline, severity, part"

FORMATS = {
    each.name: each
    for each in (
        MaskFormat("coco", "COCO", coco.find, coco.read, coco.write, _ALL),
        MaskFormat("via", "VGG Image Annotator", via.find, via.read, via.write, _ALL),
        MaskFormat("labelstudio", "Label Studio", label_studio.find, label_studio.read,
                   label_studio.write, _ALL),
        MaskFormat("supervisely", "Supervisely", supervisely.find, supervisely.read,
                   supervisely.write, "instance, mask, severity, part"),
        MaskFormat("labelme", "labelme", labelme.find, labelme.read, labelme.write, _ALL),
        MaskFormat("cvat", "CVAT for images", cvat.find, cvat.read, cvat.write, _ALL),
        MaskFormat("voc", "Pascal VOC", voc.find, voc.read, voc.write,
                   "instance, box, severity, part"),
        MaskFormat("yolo", "YOLO", yolo.find, yolo.read, yolo.write, "instance, outline"),
        MaskFormat("png", "mask files", png.find, png.read, png.write, "mask per class"),
    )
}  # fmt: skip
"""Name -> format, in the order in which `detect` tries them: those easiest to tell apart first."""


def format_named(name: str) -> MaskFormat:
    """Return the format of a name.

    Raises
    ------
    UsageError
        With the formats that exist.
    """
    if name not in FORMATS:
        raise UsageError(f"invalid mask format {name!r} (allowed: {', '.join(FORMATS)})")
    return FORMATS[name]


def detect(source: Path) -> MaskFormat:
    """Find out the format of a file or folder by its content.

    Raises
    ------
    UsageError
        It does not exist.
    ConfigError
        No reader recognises it.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist")
    for each in FORMATS.values():
        if each.find(source):
            return each
    if source.is_file() and source.suffix.lower() in ARCHIVES:
        raise ConfigError(
            "this is an archive", file=source, hint="unpack it, and import the folder"
        )
    suffixes = (".json", ".xml")
    paths = [source] if source.is_file() else sorted(source.rglob("*"))[:MANY]
    for path in (each for each in paths if each.suffix.lower() in suffixes):
        try:
            (read_xml if path.suffix.lower() == ".xml" else read_json)(path)
        except ConfigError as error:
            raise ConfigError(
                f"no annotation format is recognised, and {error.message}", hint=error.hint
            ) from error
    known = ", ".join(f"{each.name} ({each.title})" for each in FORMATS.values())
    raise ConfigError(
        f"no annotation format is recognised in it; known are {known}",
        file=source,
        hint="name the format to see why it can't be read: bodyshop label import FORMAT SOURCE",
    )


def unread_files(form: MaskFormat, source: Path) -> list[str]:
    """Return what else a folder holds that some reader knows, one sentence each.

    Parameters
    ----------
    form : MaskFormat
        The format that is read from it.
    source : Path
        The folder; of a file there is nothing to say.
    """
    if not source.is_dir():
        return []
    claimed = set(form.find(source))
    kinds = (source.rglob(JSON_FILES), source.rglob(XML_FILES))
    others = sorted({path for paths in kinds for path in paths} - claimed)
    told = [
        f"{path.relative_to(source).as_posix()} was not read: import it by itself ({each.title})"
        for path in others[:MANY]
        for each in FORMATS.values()
        if each.find(path)
    ]
    masks = png.FOLDER if (source / png.FOLDER).is_dir() else colour_masks.CLASSES
    for name, folder in (("yolo", source), ("png", source / masks)):
        if form.name != name and folder.is_dir() and (files := FORMATS[name].find(source)):
            told.append(
                f"{len(files)} files of the format {name} were not read; to read them, name it"
            )
    return told


def read_entries(form: MaskFormat, source: Path) -> list[PictureShapes]:
    """Read all entries of a file or folder.

    Raises
    ------
    ConfigError
        It is not of that format; also for whatever no reader foresaw in a damaged file.
    UsageError
        It does not exist.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist")
    try:
        return list(form.read(source))
    except (*FAULTS, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"this {form.title} file can't be read: {error!r}", file=source
        ) from error
