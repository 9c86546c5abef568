"""Names of pictures in annotation files, compared whatever a tool did to them on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from bodyshop_core.catalog.labels import nfc
from labeling.formats.shapes import EXTENSIONS

_EXTENSION = re.compile(rf"\.({'|'.join(EXTENSIONS)})$")
_ROBOFLOW = re.compile(rf"^(.+)_({'|'.join(EXTENSIONS)})\.rf\.[0-9a-z]+$")
"""Roboflow: a.jpg becomes a_jpg.rf.<hash>.jpg."""
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(.+)$")
"""Label Studio: a.jpg becomes <8 hexadecimal digits>-a.jpg."""

_WORDS = re.compile(r"[^\W_]+")

PLAIN_FOLDERS = {
    "", "images", "image", "img", "imgs", "train", "training", "val", "valid", "validation",
    "test", "testing", "data", "dataset", "jpegimages", "pictures", "photos", "upload", "media",
}  # fmt: skip
"""Folders that every second data set has: they don't tell two sets apart."""

SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Folders that tell apart two pictures of one set."""


@dataclass(frozen=True)
class PictureName:
    """A name in comparable form: lower case, NFC, without what tools add.

    Parameters
    ----------
    stem : str
        File name without the extension of a picture.
    folders : tuple of str
        From the outermost to the innermost.
    extension : str
        Of a picture, without the dot; empty when there is none.
    """

    stem: str
    folders: tuple[str, ...]
    extension: str = ""

    @property
    def split(self) -> str:
        """The split whose folder it lies in; empty when in none."""
        return next((SPLITS[each] for each in reversed(self.folders) if each in SPLITS), "")

    def folders_in_common(self, other: PictureName) -> int:
        """Return how many folders agree, from the innermost on, other than `PLAIN_FOLDERS`."""
        count = 0
        for mine, theirs in zip(reversed(self.folders), reversed(other.folders), strict=False):
            if mine != theirs:
                break
            count += mine not in PLAIN_FOLDERS
        return count


def spellings(name: str) -> list[PictureName]:
    """Return what a name may stand for, the most literal first.

    Parameters
    ----------
    name : str
        A path with slashes or backslashes, or a URL; of any case, and of NFC or NFD.
    """
    parts = _parts(name)
    if not parts:
        return []
    *folders, last = parts
    stem = _EXTENSION.sub("", last)
    extension = last[len(stem) + 1 :].replace("jpeg", "jpg")
    found = [stem]
    for known in found:  # a name may have been through several tools
        for pattern in (_UPLOAD, _ROBOFLOW):
            matched = pattern.match(known)
            if matched and matched.group(1) not in found:
                found.append(_EXTENSION.sub("", matched.group(1)))
    found += [plain(each) for each in found[1:]]
    return [PictureName(each, tuple(folders), extension) for each in found]


def plain(stem: str) -> str:
    """Return a key that a stem keeps when a tool replaces its spaces, brackets and other signs.

    Label Studio makes ``my photo (1)`` to ``my_photo_1``, Roboflow to ``my-photo-1-``. The key is
    no stem that a file can have, so that only names which went through such a tool meet by it.
    """
    return "\0" + "-".join(_WORDS.findall(stem))


def _parts(name: str) -> list[str]:
    text = name.strip()
    if "://" in text or text.startswith("/data/local-files/"):
        try:
            url = urlsplit(text)
        except ValueError:
            url = urlsplit("")
        inner = parse_qs(url.query).get("d") if "local-files" in url.path else None
        text = inner[0] if inner else unquote(url.path)
    text = nfc(text.replace("\\", "/")).casefold()
    return [part for part in text.split("/") if part not in ("", ".", "..")]
