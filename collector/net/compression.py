"""Compressed bodies that nobody asked for: undone by what the bytes are, whatever their name."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

from bodyshop_core.imaging import sniff

CHUNK = 1 << 18
"""Most bytes that are inflated at a time."""

KNOWN_ENCODINGS = frozenset({"", "identity", "none", "gzip", "x-gzip", "deflate"})

_GZIP = b"\x1f\x8b\x08"
_PIECE = 1 << 12
"""Bytes that are given to zlib at a time: it copies what follows the end of each member."""

_LAYERS = 2
"""Files that are stored compressed are compressed once more by some servers."""


class TooManyBytesError(zlib.error):
    """Compressed data are longer than a picture may be."""


def uncompressed(
    head: bytes, chunks: Iterator[bytes], encoding: str, max_bytes: int
) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes and the rest of a body without its compression, if it has one.

    Parameters
    ----------
    head : bytes
        The body's first bytes.
    chunks : iterator of bytes
        What follows.
    encoding : str
        As the server names it, lower case. Data with the mark of gzip are inflated under any name.
    max_bytes : int
        Bound of what each layer is given: empty members bring nothing and take time.

    Raises
    ------
    TooManyBytesError
        More than `max_bytes`.
    zlib.error
        The data are not compressed in this way, or end too early.
    """
    named = "deflate" in encoding
    for _ in range(_LAYERS):
        if sniff(head) is not None or not (head.startswith(_GZIP) or named):
            break
        whole = itertools.chain([head], chunks)
        chunks = inflated(_bounded(whole, max_bytes))
        head, named = next(chunks, b""), False
    return head, chunks


def inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress gzip, zlib or plain deflate data, at most `CHUNK` bytes at a time.

    Raises
    ------
    zlib.error
        The data are not compressed in this way, or end too early.
    """
    inflater, rest = None, b""
    for piece in _pieces(chunks):
        rest += piece
        if inflater is None:
            if len(rest) < 2:
                continue
            inflater = zlib.decompressobj(_window(rest))
        full = False  # zlib may have taken all and hold back what did not fit
        while rest or full:
            if inflater.eof:  # gzip data may be several one after another (RFC 1952, 2.2)
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                if not rest.startswith(_GZIP[: len(rest)]):
                    return
                inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
            if part := inflater.decompress(rest, CHUNK):
                yield part
            full = len(part) == CHUNK and not inflater.eof
            rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if inflater is None or not inflater.eof:
        raise zlib.error("they end too early")


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), _PIECE):
            yield chunk[at : at + _PIECE]


def _window(head: bytes) -> int:
    """Return zlib's code for the kind of data: gzip or zlib by their header, else neither has one.

    ``deflate`` means zlib's format (RFC 9110, 8.4.1.2); some servers send it without its header.
    """
    is_zlib = len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS | 32 if is_zlib or head.startswith(_GZIP[:2]) else -zlib.MAX_WBITS


def _bounded(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    left = limit
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise TooManyBytesError(f"more than {limit} compressed bytes")
        yield chunk
