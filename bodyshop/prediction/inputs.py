"""What may be given as a picture, and its pixels from one decode."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog import BlobRef
from bodyshop_core.errors import UnreadableImageError, UsageError
from bodyshop_core.imaging import load_rgb, to_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Picture = Path | str | bytes | BlobRef | NDArray[np.uint8] | Image


def as_list(pictures: Picture | Iterable[Picture]) -> list[Picture]:
    """Return one picture, or several, as a list."""
    single: Any = pictures
    if isinstance(single, Path | str | bytes | BlobRef) or _is_image(single):
        return [single]
    if getattr(single, "ndim", 4) < 4:  # an array of one picture, or of none that can be one
        return [single]
    return list(single)


def name_of(picture: Picture, place: int) -> str:
    """Return the file of a picture, or its place in the list for one without a file."""
    return str(picture) if isinstance(picture, Path | str | BlobRef) else f"picture {place}"


def decoded(picture: Picture, *, at_least: int | None = None) -> NDArray[np.uint8]:
    """Decode a picture.

    Parameters
    ----------
    picture : Path, str, bytes, ndarray or PIL.Image.Image
        A file, its content, or a decoded picture.
    at_least : int, optional
        As for `bodyshop_core.imaging.load_rgb`.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB.

    Raises
    ------
    UnreadableImageError
        It can't be decoded, or is an array of another type or shape.
    UsageError
        It is none of these types.
    """
    import numpy as np

    if isinstance(picture, Path | str | bytes | BlobRef):
        return load_rgb(picture, at_least=at_least)
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise UnreadableImageError(
                f"an array of {picture.dtype} with shape {picture.shape} is no picture",
                hint="give uint8 RGB of shape (height, width, 3)",
            )
        if not picture.size:
            raise UnreadableImageError(f"an array of shape {picture.shape} has no pixels")
        return picture
    if _is_image(picture):
        return np.asarray(to_rgb(picture))
    raise UsageError(
        f"a {type(picture).__name__} is no picture",
        hint="give a path, the bytes of a file, a NumPy array or a PIL image",
    )


def _is_image(picture: Any) -> bool:
    from PIL import Image

    return isinstance(picture, Image.Image)
