"""Pictures into arrays: one decoder with one set of rules for every stage.

Everything scraped is hostile: only listed formats are decoded, and a picture that declares more
pixels than `MAX_PIXELS` is an error before a byte of it is decompressed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps, UnidentifiedImageError

from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging.jpeg import plain_header
from bodyshop_core.imaging.rights import rights_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    RGB = NDArray[np.uint8]

ALLOWED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Pillow decoders that may see foreign bytes; its bombs came through rarer ones."""

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
)


def sniff(data: bytes) -> str | None:
    """Tell the type of a picture by its first bytes, whatever its name or header claims.

    Parameters
    ----------
    data : bytes
        At least the first 16 bytes.

    Returns
    -------
    str or None
        An extension with no dot; None for anything that is not an accepted picture.
    """
    for signature, offset, extension in _SIGNATURES:
        if data[offset : offset + len(signature)] == signature:
            return extension
    return None


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
        Empty, not an accepted format, a broken header, or too many pixels.
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
            raise UnreadableImageError(f"{name} is not there") from error
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


def probe(source: Path | str | bytes) -> dict[str, Any]:
    """Read a picture's header.

    Returns
    -------
    dict
        ``format`` (Pillow's name), ``width``, ``height`` (as stored), ``mode``,
        ``exif_orientation`` (1 when absent), ``artist``, ``copyright`` (None when absent).

    Raises
    ------
    UnreadableImageError
        As `open_image`.
    """
    plain = plain_header(source) if isinstance(source, bytes) else None
    if plain is not None and plain[0] * plain[1] <= MAX_PIXELS:
        width, height, mode = plain
        facts = {"format": "JPEG", "width": width, "height": height, "mode": mode}
        return facts | {"exif_orientation": 1, "artist": None, "copyright": None}
    with open_image(source) as image:
        orientation = _orientation(image)
        size = image.size
        if image.format == "TIFF" and orientation in {5, 6, 7, 8}:
            size = size[::-1]  # of this format alone, Pillow tells the size after the rotation
        return {
            "format": image.format,
            "width": size[0],
            "height": size[1],
            "mode": image.mode,
            "exif_orientation": orientation,
            **rights_of(image),
        }


def load_rgb(
    source: Path | str | bytes, *, at_least: int | None = None, max_pixels: int = MAX_PIXELS
) -> RGB:
    """Decode a picture the way a person sees it.

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
            orientation = _orientation(image)
            image.load()
            upright = ImageOps.exif_transpose(image) if orientation != 1 else image
            return _eight_bit_rgb(upright, name)
    except UnreadableImageError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, struct.error, ValueError...
        raise UnreadableImageError(f"{name} can't be decoded: {error}") from error


def fit_square(rgb: RGB, side: int) -> RGB:
    """Resize the shorter side to `side` with antialiasing and cut the centre square.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    side : int
        Side of the square, in pixels.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        The square.
    """
    import numpy as np

    height, width = rgb.shape[:2]
    if (height, width) == (side, side):
        return rgb
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    # One resampling of the centre box; Pillow's filters widen with the scale, so they antialias.
    image = Image.fromarray(rgb).resize(
        (side, side),
        Image.Resampling.BICUBIC,
        box=(left, top, left + short, top + short),
        reducing_gap=2.0,
    )
    return np.asarray(image)


def crop_to(rgb: RGB, box: Sequence[float], *, margin: float = 0.05) -> RGB:
    """Cut a box out of a picture.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    box : (left, top, right, bottom)
        0 to 1 of width and height, as in the catalog's `detections`.
    margin : float
        What to add on each side, as a share of the box.

    Returns
    -------
    ndarray of uint8
        At least one pixel.
    """
    height, width = rgb.shape[:2]
    left, top, right, bottom = box
    grow_x, grow_y = margin * (right - left), margin * (bottom - top)
    x0 = min(width - 1, max(0, int((left - grow_x) * width)))
    y0 = min(height - 1, max(0, int((top - grow_y) * height)))
    x1 = min(width, max(x0 + 1, round((right + grow_x) * width)))
    y1 = min(height, max(y0 + 1, round((bottom + grow_y) * height)))
    return rgb[y0:y1, x0:x1]


@dataclass(frozen=True)
class Equalise:
    """The view that takes size and compression out of the picture (the originals stay).

    Parameters
    ----------
    longest_side : int
        Pixels; larger pictures are scaled down to it, smaller ones stay as they are.
    jpeg_quality : int
        1 to 95; every picture is encoded and decoded once at this quality.
    """

    longest_side: int
    jpeg_quality: int = 75

    def as_dict(self) -> dict[str, int]:
        """Return the parameters for a run's record."""
        return asdict(self)


def equalise(rgb: RGB, spec: Equalise) -> RGB:
    """Bring a picture to the size and JPEG quality of all others.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        A picture.
    spec : Equalise
        Target size and quality.

    Returns
    -------
    ndarray of uint8
        RGB with its longest side at most ``spec.longest_side``.
    """
    import numpy as np

    image = Image.fromarray(rgb)
    scale = spec.longest_side / max(image.size)
    if scale < 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=spec.jpeg_quality, subsampling="4:2:0")
    with Image.open(buffer, formats=["JPEG"]) as encoded:
        return np.asarray(encoded.convert("RGB"))


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


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF says nothing about the pixels: shown as stored
        return 1
    return value if value in range(1, 9) else 1


def _name(source: Path | str | bytes) -> str:
    return "the picture" if isinstance(source, bytes) else str(source)
