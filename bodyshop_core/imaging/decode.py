"""Pictures from files into arrays: one decoder with one set of rules for every stage.

Everything that comes from outside is untrusted: only listed formats are decoded, and a picture
that declares more than `MAX_PIXELS` pixels is refused before any of its data is decompressed.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps, UnidentifiedImageError

from bodyshop_core.errors import UnreadableImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
"""Pillow decoders for untrusted bytes; its vulnerabilities were mostly in rarer ones."""

MAX_PIXELS = 120_000_000
"""Largest width x height that is decoded: a 100-megapixel camera passes, a bomb does not."""

EXIF_ORIENTATION = 0x0112

_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\xff\xd8\xff", 0, "jpg"),
    (b"\x89PNG\r\n\x1a\n", 0, "png"),
    (b"GIF87a", 0, "gif"),
    (b"GIF89a", 0, "gif"),
    (b"BM", 0, "bmp"),
    (b"II*\x00", 0, "tif"),
    (b"MM\x00*", 0, "tif"),
    (b"WEBP", 8, "webp"),
    (b"ftypavif", 4, "avif"),
    (b"ftypavis", 4, "avif"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", 0, "jp2"),
    (b"\xff\x4f\xff\x51", 0, "j2k"),
)


def open_image(source: Path | str | bytes, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a picture lazily, with the header checked and no pixel decoded.

    Parameters
    ----------
    source : Path, str or bytes
        A file, or its content.
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
    """
    name = _name(source)
    if isinstance(source, bytes) and not source:
        raise UnreadableImageError(f"{name} is empty (0 bytes)")
    stream: Any = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        with warnings.catch_warnings():
            # The pixel limit below is ours; Pillow's own warning would only repeat it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            image = Image.open(stream, formats=ALLOWED_FORMATS)
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(
            f"{name} declares too many pixels: {error}", code="too_many_pixels"
        ) from error
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile headers
        if isinstance(error, FileNotFoundError):
            raise UnreadableImageError(f"{name} does not exist") from error
        if isinstance(error, UnidentifiedImageError):  # its text holds a memory address
            raise UnreadableImageError(f"{name} is not a picture we can decode") from error
        raise UnreadableImageError(f"{name} is not a picture we can decode: {error}") from error
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise UnreadableImageError(
            f"{name} declares {width} x {height} = {width * height / 1e6:.0f} megapixels, "
            f"more than the limit of {max_pixels / 1e6:.0f}",
            code="too_many_pixels",
        )
    return image


def load_rgb(
    source: Path | str | bytes, *, at_least: int | None = None, max_pixels: int = MAX_PIXELS
) -> RGB:
    """Decode a picture as a viewer shows it.

    EXIF rotation is applied; of an animation the first frame counts; 16-bit samples are scaled to
    8 bits; CMYK and palettes are converted; transparency lies on white.

    Parameters
    ----------
    source : Path, str or bytes
        A file, or its content.
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
    """
    import numpy as np

    with open_image(source, max_pixels=max_pixels) as image:
        if at_least is not None:
            image.draft("RGB", (at_least, at_least))
        return np.asarray(to_rgb(image, name=_name(source)))


def to_rgb(image: Image.Image, *, name: str = "the picture") -> Image.Image:
    """Decode an opened image to upright 8-bit RGB (see `load_rgb`).

    Raises
    ------
    UnreadableImageError
        The data end too early or are corrupt.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            orientation = orientation_of(image)
            image.load()
            upright = ImageOps.exif_transpose(image) if orientation != 1 else image
            return _eight_bit_rgb(upright, name)
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError...
        raise UnreadableImageError(f"{name} can't be decoded: {error}") from error


def orientation_of(image: Image.Image) -> int:
    """Return an opened image's EXIF orientation, 1 to 8; 1 when there is none or it is broken."""
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF says nothing about the pixels: shown as stored
        return 1
    return value if value in range(1, 9) else 1


def sniff(data: bytes) -> str | None:
    """Detect the type of a picture by its first bytes, whatever its name or header claims.

    Parameters
    ----------
    data : bytes
        At least the first 16 bytes.

    Returns
    -------
    str or None
        An extension without a dot; None for anything that is not an accepted format.
    """
    for signature, offset, extension in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return extension
    # ISO 14496-12, 4.3: an AVIF may name another brand first.
    if data[4:8] == b"ftyp" and b"avif" in data[8 : min(64, int.from_bytes(data[:4], "big"))]:
        return "avif"
    return None


def _eight_bit_rgb(image: Image.Image, name: str) -> Image.Image:
    import numpy as np

    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        # 16-bit grey arrives as I;16 or I; Pillow's own conversion would clip it to white.
        samples = np.asarray(image).astype(np.int64)
        shift = 257 if samples.max(initial=0) > 255 else 1
        return Image.fromarray((samples // shift).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise UnreadableImageError(f"{name} holds floating-point samples of unknown range")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _name(source: Path | str | bytes) -> str:
    return "the picture" if isinstance(source, bytes) else str(source)
