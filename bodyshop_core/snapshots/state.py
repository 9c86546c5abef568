"""What a catalog says about every picture at one time, and the digest that names it.

A state is cut by the first two digits of the pictures' sha256 into chunks. Two states that have a
chunk in common store it once, and comparing them skips it.
"""

from __future__ import annotations

import gc
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from bodyshop_core.catalog import Field

FORMAT = 1
"""Of the chunks; part of every digest."""

PREFIX = 2
"""Hexadecimal digits that the pictures of a chunk have in common: at most 256 chunks."""

DIGITS = 64
"""Of a sha256."""

_BETWEEN = re.compile(rb'\]\],\["(?=[0-9a-f]{%d}",)' % DIGITS)
"""Where a row ends and the next one begins. A text can end in the first three of these marks, but
what follows its quotation mark is no digit."""

PLAIN = 64 * 2**20
"""Bytes of a state's JSON that are held as they are, about 150,000 pictures; what is beyond is
compressed in memory, to a sixth."""

CONFLICT = "conflict"
"""In place of who gave a label, when those of equal rank differ."""


class PictureState(NamedTuple):
    """One picture at one time.

    Parameters
    ----------
    sha256 : str
        Of the original bytes.
    source, origin : str or None
        How and where it was found first.
    verdict : str or None
        ``keep`` or ``reject``.
    reasons : str
        Joined by ``;``.
    human : bool
        Whether a person decided.
    policy : str or None
        Digest of the policy that decided.
    cluster, representative, group : str or None
        As in the table ``verdicts``.
    damage, damage_by, brand, brand_by, model, model_by : str or None
        The label that counts of each field, and who gave it (`bodyshop_core.catalog.Origin`, or
        `CONFLICT`).
    splits : list
        ``[split set, split, label, group]`` of each split set that it is in.
    masks : list
        ``[class, digest]`` of each mask in use, with its regions.
    """

    sha256: str
    source: str | None
    origin: str | None
    verdict: str | None
    reasons: str
    human: bool
    policy: str | None
    cluster: str | None
    representative: str | None
    group: str | None
    damage: str | None
    damage_by: str | None
    brand: str | None
    brand_by: str | None
    model: str | None
    model_by: str | None
    splits: list[list[str]]
    masks: list[list[str]]

    @property
    def kept(self) -> bool:
        """Whether it was kept."""
        return self.verdict == "keep"

    def label(self, field: str) -> str | None:
        """Return the label of a field: ``damage``, ``brand`` or ``model``."""
        value: str | None = getattr(self, Field(field).value)
        return value

    def split(self, split_set: str) -> str | None:
        """Return its split of a split set; None when it is in none."""
        return next((split for name, split, *_ in self.splits if name == split_set), None)


@dataclass(frozen=True)
class State:
    """All pictures at one time.

    Parameters
    ----------
    about : mapping
        ``policies``: digest -> content of curate.yaml (None where an older bodyshop decided);
        ``split_sets``: name -> target, seed, ratios and options; ``newest``: the split set that
        commands used by default, or None.
    chunks : mapping
        Prefix of the sha256 -> pictures, by sha256.
    recorded : str
        The id under which it was recorded; empty for one that was just read.
    """

    about: Mapping[str, Any]
    chunks: Mapping[str, list[PictureState]]
    recorded: str = ""

    @property
    def id(self) -> str:
        """64 hexadecimal digits; the same for equal states, whenever they were recorded."""
        return self.recorded or digest_of(self.about, self.digests)

    @cached_property
    def encoded(self) -> Mapping[str, bytes]:
        """Prefix -> the rows of a chunk as JSON."""
        if isinstance(self.chunks, PackedChunks):
            return self.chunks.encoded
        return {prefix: encode(rows) for prefix, rows in self.chunks.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """Prefix -> digest of the rows."""
        if isinstance(self.chunks, PackedChunks):
            return self.chunks.digests
        return {prefix: hashlib.sha256(data).hexdigest() for prefix, data in self.encoded.items()}

    @property
    def size(self) -> int:
        """Number of pictures."""
        if isinstance(self.chunks, PackedChunks):
            return self.chunks.pictures
        return sum(map(len, self.chunks.values()))

    @cached_property
    def pictures(self) -> dict[str, PictureState]:
        """sha256 -> picture."""
        return {row.sha256: row for rows in self.chunks.values() for row in rows}


class PackedChunks(Mapping[str, "list[PictureState]"]):
    """The chunks of a large state as JSON; each is read when it is asked for.

    Attributes
    ----------
    encoded : Mapping
        Prefix -> the rows of a chunk as JSON.
    digests : dict
        Prefix -> digest of the rows.
    """

    def __init__(self) -> None:
        self.encoded = _Packed()
        self.digests: dict[str, str] = {}
        self._sizes: dict[str, int] = {}

    @property
    def pictures(self) -> int:
        """In all chunks."""
        return sum(self._sizes.get(prefix) or len(self[prefix]) for prefix in self)

    def put(self, prefix: str, data: bytes, pictures: int) -> None:
        """Add a chunk that `encode` or `joined` wrote, and the number of its rows."""
        self.put_encoded(prefix, data, hashlib.sha256(data).hexdigest())
        self._sizes[prefix] = pictures

    def put_encoded(self, prefix: str, data: bytes, digest: str) -> None:
        """Add a chunk that `encode` wrote."""
        self.encoded.put(prefix, data)
        self.digests[prefix] = digest

    def share(self, other: PackedChunks, prefix: str) -> None:
        """Take a chunk of another state, without a copy of it."""
        self.encoded.share(other.encoded, prefix)
        self.digests[prefix] = other.digests[prefix]

    def __getitem__(self, prefix: str) -> list[PictureState]:
        return decode(self.encoded[prefix])

    def __iter__(self) -> Iterator[str]:
        return iter(self.encoded)

    def __len__(self) -> int:
        return len(self.encoded)


class _Packed(Mapping[str, bytes]):
    """Texts; those beyond `PLAIN` bytes are compressed."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bool, bytes]] = {}
        self._plain = 0

    def put(self, key: str, data: bytes) -> None:
        plain = self._plain + len(data) <= PLAIN
        self._plain += len(data) if plain else 0
        self._held[key] = plain, data if plain else zlib.compress(data, 1)

    def share(self, other: _Packed, key: str) -> None:
        self._held[key] = other._held[key]

    def __getitem__(self, key: str) -> bytes:
        plain, data = self._held[key]
        return data if plain else zlib.decompress(data)

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def encode(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """Return rows as canonical JSON."""
    return f"[{written(rows)}]".encode()


def written(values: Iterable[Any]) -> str:
    """Return the members of a JSON array as `encode` writes them, without the brackets."""
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"))[1:-1]


def joined(rows: Iterable[str]) -> bytes:
    """Return rows that are JSON already as `encode` returns them."""
    return f"[{','.join(rows)}]".encode()


def split_rows(data: bytes) -> list[bytes]:
    """Return the rows that `encode` wrote of pictures, without decoding them.

    Each begins with the `DIGITS` digits of its sha256; the brackets at its ends are left out.
    """
    return _BETWEEN.split(data[3:-3]) if len(data) > len("[]") else []


def decode_rows(rows: Iterable[bytes]) -> list[PictureState]:
    """Return what rows that `split_rows` returned say."""
    return decode(b"[%s]" % b",".join(b'["%s]]' % row for row in rows))


def decode(data: bytes) -> list[PictureState]:
    """Return the rows that `encode` wrote."""
    with no_collection():
        return list(map(PictureState._make, json.loads(data)))


def digest_of(about: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Return the id of a state from the digests of its chunks."""
    content = {"format": FORMAT, "about": about, "chunks": sorted(digests.items())}
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def no_collection() -> Iterator[None]:
    """Leave Python's garbage collector out: it searches millions of rows again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
