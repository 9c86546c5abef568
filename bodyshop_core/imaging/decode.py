"""Pictures from files into arrays: one decoder with one set of rules for every stage.

Everything that comes from outside is untrusted: only listed formats are decoded, and a picture
that declares more than `MAX_PIXELS` pixels is refused before any of its data is decompressed.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps, UnidentifiedImageError

from bodyshop_core.errors import TransientError, UnreadableImageError
from bodyshop_core.imaging.colour import to_srgb
from bodyshop_core.imaging.endings import END_OF_JPEG, lacks_end_only
from bodyshop_core.imaging.grey import GreyScale, eight_bit_grey, grey_scale_of
from bodyshop_core.imaging.jp2 import jp2_profile
from bodyshop_core.imaging.jxl import jxl_size
from bodyshop_core.imaging.limits import MAX_PIXELS
from bodyshop_core.imaging.plugins import raw_preview, register
from bodyshop_core.imaging.types import HEAD, PICTURE_TYPES, is_raw_tiff, sniff
from bodyshop_core.storage.blobs import BlobRef

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
"""Pillow decoders for untrusted bytes; its vulnerabilities were mostly in rarer ones."""

SNIFFED_FORMATS = frozenset({"HEIF", "JPEG2000", "JXL", "PSD"})
"""Decoders that are tried only for bytes that begin as their format does."""

EXIF_ORIENTATION = 0x0112


def open_image(
    source: Path | str | bytes | BlobRef, *, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Open a picture lazily, with the header checked and no pixel decoded.

    Parameters
    ----------
    source : Path, str, bytes or BlobRef
        A file, its content, or a picture of a workspace's store.
    max_pixels : int
        Upper bound of width x height.

    Returns
    -------
    PIL.Image.Image
        Not yet loaded, so that ``draft`` still works. The caller closes it.

    Raises
    ------
    UnreadableImageError
        The file is empty, has no accepted format or a broken header, or declares too many pixels.
    TransientError
        This machine has too little memory now, or the store does not give the bytes: that says
        nothing about the picture.
    """
    name = _name(source)
    if isinstance(source, BlobRef):
        source = source.read()
    if isinstance(source, bytes) and not source:
        raise UnreadableImageError(f"{name} is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            # The pixel limit below is ours; Pillow's own warning would only repeat it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            image = _opened(source, name, max_pixels)
    except UnreadableImageError:
        raise
    except MemoryError as error:
        raise _short_of_memory(name) from error
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(
            f"{name} declares too many pixels: {error}", code="too_many_pixels"
        ) from error
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile headers
        if isinstance(error, FileNotFoundError):
            raise UnreadableImageError(f"{name} does not exist") from error
        if isinstance(error, UnidentifiedImageError):  # its text holds a memory address
            raise UnreadableImageError(f"{name} is {_kind(source)} we can decode") from error
        raise UnreadableImageError(f"{name} is {_kind(source)} we can decode: {error}") from error
    try:
        _check_size(image.size, name, max_pixels)
    except UnreadableImageError:
        image.close()
        raise
    return image


def load_rgb(
    source: Path | str | bytes | BlobRef,
    *,
    at_least: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> RGB:
    """Decode a picture as a viewer shows it.

    EXIF rotation is applied; of an animation the first frame counts; 16-bit samples are scaled to
    8 bits; an embedded colour profile is converted to sRGB; CMYK and palettes are converted;
    transparency lies on white. Of a camera's RAW file the embedded preview is decoded.

    Parameters
    ----------
    source : Path, str, bytes or BlobRef
        A file, its content, or a picture of a workspace's store.
    at_least : int, optional
        A JPEG may be decoded at a half, a quarter or an eighth of its size as long as both sides
        keep at least this many pixels (DCT scaling, 2 to 4 times faster).
    max_pixels : int
        Upper bound of width x height.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB, 0 to 255.

    Raises
    ------
    UnreadableImageError
        The picture can't be opened or decoded to its end.
    TransientError
        This machine has too little memory now, or the store does not give the bytes.
    """
    import numpy as np

    with open_image(source, max_pixels=max_pixels) as image:
        if at_least is not None:
            image.draft("RGB", (at_least, at_least))
        try:
            return np.asarray(to_rgb(image, name=_name(source)))
        except MemoryError as error:
            raise _short_of_memory(_name(source)) from error


def to_rgb(image: Image.Image, *, name: str = "the picture") -> Image.Image:
    """Decode an opened image to upright 8-bit RGB (see `load_rgb`).

    Raises
    ------
    UnreadableImageError
        The data end too early or are corrupt.
    TransientError
        This machine has too little memory now.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            orientation, scale = orientation_of(image), grey_scale_of(image)
            image.load()
            upright = ImageOps.exif_transpose(image) if orientation != 1 else image
            return _eight_bit_rgb(upright, name, scale)
    except UnreadableImageError:
        raise
    except MemoryError as error:
        raise _short_of_memory(name) from error
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError...
        raise UnreadableImageError(f"{name} can't be decoded: {error}") from error


def orientation_of(image: Image.Image) -> int:
    """Return an opened image's EXIF orientation, 1 to 8; 1 when there is none or it is broken."""
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken EXIF says nothing about the pixels: shown as stored
        return 1
    return value if value in range(1, 9) else 1


def _opened(source: Path | str | bytes, name: str, max_pixels: int) -> Image.Image:
    """Open with the decoder of the sniffed type; a JPEG that lacks only its end mark gets one."""
    size = profile = None
    stream: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
        extension = sniff(file.read(HEAD))
        if extension == "jpg" and lacks_end_only(file):
            file.seek(0)
            stream = io.BytesIO(file.read() + END_OF_JPEG)
        if extension == "tif" and is_raw_tiff(file):
            extension = "dng"
        if extension == "jxl":
            size = jxl_size(file)
        if extension == "jp2":
            profile = jp2_profile(file)
    kind = PICTURE_TYPES[extension] if extension else None
    if kind is None or kind.decoder in ALLOWED_FORMATS:
        image = Image.open(stream, formats=ALLOWED_FORMATS)
        if profile is not None:
            image.info.setdefault("icc_profile", profile)
        return image
    if kind.decoder == "RAW":
        return raw_preview(source, name)
    register(kind, name)
    if kind.decoder == "JXL":  # this one decodes all pixels when it opens a file
        if size is None:
            raise UnreadableImageError(f"{name} is {_kind(source)}: its size can't be read")
        _check_size(size, name, max_pixels)
    return Image.open(stream, formats=[kind.decoder])


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise UnreadableImageError(
            f"{name} declares {width} x {height} = {width * height / 1e6:.0f} megapixels, "
            f"more than the limit of {max_pixels / 1e6:.0f}",
            code="too_many_pixels",
        )


def _eight_bit_rgb(image: Image.Image, name: str, scale: GreyScale) -> Image.Image:
    if image.mode == "RGB":
        return to_srgb(image)
    if image.mode.startswith("I"):
        return to_srgb(eight_bit_grey(image, scale)).convert("RGB")
    if image.mode == "F":
        raise UnreadableImageError(f"{name} holds floating-point samples of unknown range")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        colours = _colours_of(layer, image.info)
        if image.mode in {"L", "LA", "La"}:  # its profile is one of greys
            colours = layer.getchannel("R")
            colours.info["icc_profile"] = image.info.get("icc_profile")
        layer = _with_profile(layer, to_srgb(colours))
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    if image.mode == "P":
        return to_srgb(_colours_of(image, image.info))
    return to_srgb(image).convert("RGB")


def _colours_of(image: Image.Image, info: dict[Any, Any]) -> Image.Image:
    colours = image.convert("RGB")
    colours.info["icc_profile"] = info.get("icc_profile")
    return colours


def _with_profile(layer: Image.Image, colours: Image.Image) -> Image.Image:
    colours = colours.convert("RGBA")
    colours.putalpha(layer.getchannel("A"))
    return colours


def _short_of_memory(name: str) -> TransientError:
    return TransientError(
        f"{name} can't be decoded now: this machine has too little memory",
        hint="close other programs, or use fewer --workers, and run the command again",
    )


def _kind(source: Path | str | bytes) -> str:
    """Say in words what could not be decoded: its type, when its first bytes tell."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: a NUL in the path
        if not isinstance(source, bytes):
            with Path(source).open("rb") as file:
                source = file.read(HEAD)
        extension = sniff(source)
        if extension is not None:
            return f"a damaged {PICTURE_TYPES[extension].name} file, not a picture"
    return "not a picture"


def _name(source: Path | str | bytes | BlobRef) -> str:
    return "the picture" if isinstance(source, bytes) else str(source)
