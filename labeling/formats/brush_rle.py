"""Label Studio's brush RLE: thi.ng rle-pack over the flattened RGBA bytes of a mask.

Format (https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack): 32 bits hold the number
of words, 5 bits the word size - 1, four times 4 bits a bit count of lengths - 1; then come chunks:
1 bit says "run", 2 bits which of the four bit counts, then follow length - 1 and either one word
(a run) or ``length`` words (a literal).

Masks are encoded by the SDK of Label Studio (`label_studio_sdk.converter.brush`, 0.02 s for three
megapixels). Decoding is done here, because the region comes from outside: the SDK allocates as many
bytes as the header claims (up to 4 GB) before it checks anything, answers damaged data with
``ValueError: invalid literal for int()``, and takes four times as long. A test compares both
decoders on random data.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.extras import need_extra
from labeling.formats.mask_file import THRESHOLD
from labeling.formats.shapes import MaskFormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_BITS = 53


def encode(mask: NDArray[np.bool_]) -> list[int]:
    """Encode a mask as the ``rle`` of a brush region.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        True where there is damage; at least one pixel in size.

    Returns
    -------
    list of int
        Bytes 0 to 255; pixels of the mask have alpha 255.
    """
    need_extra("label", "a brush region of Label Studio")
    from label_studio_sdk.converter import brush

    encoded: list[int] = brush.mask2rle(np.where(mask, np.uint8(255), np.uint8(0)))
    return encoded


def decode(rle: Iterable[int], height: int, width: int) -> NDArray[np.uint8]:
    """Decode a brush region into its alpha channel.

    Parameters
    ----------
    rle : iterable of int
        Bytes 0 to 255.
    height, width : int
        Size of the picture as the region states it (``original_height``, ``original_width``).

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Coverage 0 to 255; the mask is where it is at least `THRESHOLD`.

    Raises
    ------
    MaskFormatError
        The data end too early, or hold another number of pixels.
    """
    try:
        data = bytes(rle)
    except (TypeError, ValueError) as error:
        raise MaskFormatError(f"a brush RLE must be a list of bytes 0 to 255: {error}") from error
    stream = bin(int.from_bytes(b"\x01" + data, "big"))[3:]
    if len(stream) < HEADER_BITS:
        raise MaskFormatError(f"a brush RLE of {len(data)} bytes has no header")
    words, word_bits = int(stream[:32], 2), int(stream[32:37], 2) + 1
    counts = [int(stream[37 + 4 * k : 41 + 4 * k], 2) + 1 for k in range(4)]
    if words != 4 * height * width:
        raise MaskFormatError(
            f"a brush RLE holds {words / 4:g} pixels, "
            f"but a picture of {width} x {height} has {height * width}"
        )
    if word_bits != 8:
        raise MaskFormatError(f"a brush RLE with words of {word_bits} bits is not a mask")
    return _chunks(stream, counts, words).reshape(height, width, 4)[:, :, 3]


def decode_mask(rle: Iterable[int], height: int, width: int) -> NDArray[np.bool_]:
    """Decode a brush region and threshold it at half coverage (see `decode`)."""
    return decode(rle, height, width) >= THRESHOLD


def _chunks(stream: str, counts: list[int], words: int) -> NDArray[np.uint8]:
    out = np.zeros(words, np.uint8)
    place, done = HEADER_BITS, 0
    while done < words:
        kind = stream[place : place + 3]
        if len(kind) < 3:
            raise MaskFormatError(f"a brush RLE ends after {done} of {words} values")
        count = counts[int(kind[1:], 2)]
        place += 3
        length = int(stream[place : place + count] or "0", 2) + 1
        place += count
        used = 8 if kind[0] == "1" else 8 * length
        payload = stream[place : place + used]
        place += used
        if len(payload) < used or done + length > words:
            raise MaskFormatError(f"a brush RLE is damaged after {done} of {words} values")
        if kind[0] == "1":
            out[done : done + length] = int(payload, 2)
        else:
            ones = np.frombuffer(payload.encode("ascii"), np.uint8) - ord("0")
            out[done : done + length] = np.packbits(ones)
        done += length
    return out
