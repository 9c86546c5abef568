"""Label Studio's brush RLE: thi.ng rle-pack over the flattened RGBA bytes of a mask.

Format (https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack): 32 bits hold the number
of words, 5 bits the word size - 1, four times 4 bits a bit count of lengths - 1; then come chunks:
1 bit says "run", 2 bits which of the four bit counts, then follow length - 1 and either one word
(a run) or ``length`` words (a literal).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from bodyshop_core.errors import BodyshopError

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_BITS = 53
LENGTH_BITS = (3, 4, 8, 16)
"""The four bit counts that Label Studio's own encoder writes; the decoder reads any."""

THRESHOLD = 128
"""Browser strokes are antialiased: a pixel belongs to the mask from half coverage on."""


class MaskFormatError(BodyshopError):
    """A mask that can't be decoded, or that does not fit its picture."""


def encode(mask: NDArray[np.bool_]) -> list[int]:
    """Encode a mask the way Label Studio's own SDK does, byte for byte.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        True where there is damage. A 0/255 mask is taken as well.

    Returns
    -------
    list of int
        Bytes 0 to 255, the ``rle`` of a brush region; drawn pixels have alpha 255.
    """
    flat = np.ascontiguousarray(mask, dtype=bool).ravel()
    size = flat.size
    bits = [f"{size * 4:032b}", "00111", *(f"{count - 1:04b}" for count in LENGTH_BITS)]
    if size:
        edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        starts = np.concatenate(([0], edges))
        lengths = np.diff(np.concatenate((starts, [size]))) * 4
        for length, value in zip(lengths.tolist(), flat[starts].tolist(), strict=True):
            bits.append(_run(length, "11111111" if value else "00000000"))
    stream = "".join(bits)
    # The SDK appends a whole zero byte when the stream ends on a byte's border, and so do we.
    stream += "0" * (8 - len(stream) % 8)
    return list(int(stream, 2).to_bytes(len(stream) // 8, "big"))


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
        Coverage 0 to 255; damage is where it is at least `THRESHOLD`.

    Raises
    ------
    MaskFormatError
        The bytes end too early, or hold another number of pixels.
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
    """Decode a brush region and cut it at half coverage (see `decode`)."""
    return decode(rle, height, width) >= THRESHOLD


def _run(length: int, word: str) -> str:
    full, rest = divmod(length - 1, 65536)
    rest += 1
    head = ("111" + "1" * 16 + word) * full
    if rest <= 8:
        return f"{head}100{rest - 1:03b}{word}"
    if rest <= 16:
        return f"{head}101{rest - 1:04b}{word}"
    if rest <= 256:
        return f"{head}110{rest - 1:08b}{word}"
    return f"{head}111{rest - 1:016b}{word}"


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
