"""Bodies that hurt a careless downloader: bombs, endless streams, documents dressed as pictures."""

from __future__ import annotations

import gzip
import struct
import threading
import zlib
from collections.abc import Iterator
from functools import cache

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n" * 40
HTML = b"<!doctype html><title>Sign in</title><p>Please sign in to see this picture.</p>\n" * 40
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600">'
    b"<script>window.pwned='svg'</script><rect width='800' height='600' fill='teal'/></svg>"
)
_BOMB_SIDES = (25_000, 20_000)
_GZIP_MEMBERS = 64
_MEMBER_BYTES = 16 << 20


@cache
def bomb_png() -> bytes:
    """Return a valid PNG of 500 megapixels in about 60 kB: one bit a pixel, all black."""
    width, height = _BOMB_SIDES
    packer = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return _png(width, height, data)


@cache
def bomb_header_png() -> bytes:
    """Return a PNG that claims 500 megapixels and holds none."""
    return _png(*_BOMB_SIDES, zlib.compress(b"\0"))


@cache
def gzip_bomb() -> bytes:
    """Return about 1 MB that unpacks to 1 GiB (RFC 1952 allows many members in one file)."""
    return gzip.compress(bytes(_MEMBER_BYTES), 9) * _GZIP_MEMBERS


def drip(data: bytes, stopping: threading.Event) -> Iterator[bytes]:
    """Yield one byte a second until `data` is sent or the site closes."""
    for value in data:
        yield bytes((value,))
        if stopping.wait(1.0):
            return


def flood(data: bytes, total: int, stopping: threading.Event) -> Iterator[bytes]:
    """Yield `data`, then zeros up to `total` bytes, as fast as the client takes them."""
    yield data
    sent, block = len(data), bytes(64 << 10)
    while sent < total and not stopping.is_set():
        yield block
        sent += len(block)


def numbered(jpeg: bytes, number: int) -> bytes:
    """Return `jpeg` with a comment segment, so that every number has bytes of its own."""
    text = f"item {number}".encode()
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + jpeg[2:]


def _png(width: int, height: int, data: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = b"".join(_chunk(k, v) for k, v in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b"")))
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
