"""Making variants of pictures: what runs in the worker processes."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augment.encoding import encode, encode_mask
from augment.opening import MaskError, Opened, open_source
from bodyshop_core import atomic
from bodyshop_core.errors import UnreadableImageError

if TYPE_CHECKING:
    from augment.adapter import Pipeline, Transformed
    from augment.policy import MaskRule, Policy

DISK_FULL = "disk_full"
MASK_LOST = "mask_lost"
MASK_UNUSABLE = "mask_unusable"
TRANSFORM = "transform"

FINAL_ERRORS = frozenset({MASK_LOST, MASK_UNUSABLE, TRANSFORM})
"""Errors that the same policy, picture and masks would only give again."""

Box = tuple[str, float, float, float, float]


def render_shard(items: list[dict[str, Any]], *, policy: Policy) -> list[dict[str, Any]]:
    """Make the variants of some pictures; one row per picture.

    Parameters
    ----------
    items : list of dict
        ``key``, ``sha256``, ``source`` (path), ``masks`` ([[class, path], ...]), ``boxes``
        ([[class, x1, y1, x2, y2], ...]), ``copies`` (list of int), ``folder`` (of the set).
    policy : Policy
        What to do.

    Returns
    -------
    list of dict
        ``key``, ``error`` (None or ``"<reason>: <message>"``) and ``variants``: a JSON list, one
        entry per copy with ``copy``, ``seed``, ``attempt``, ``file`` and ``masks`` (relative to
        the folder), ``boxes``, ``applied``, ``digest``, ``bytes``, ``width``, ``height``,
        ``error``.
    """
    return [_render_item(item, policy) for item in items]


def prepare_worker() -> None:
    """Set up a process that does nothing but render; not one byte of a variant depends on it."""
    import cv2

    cv2.setNumThreads(0)  # one process per core is the parallelism
    if sys.platform == "linux":
        # Freed pictures are given to the next ones instead of back to the kernel: 13 % faster.
        adjust = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; see mallopt(3)
        if adjust is not None:
            trim_threshold, mmap_threshold = -1, -3
            adjust(trim_threshold, 256 << 20)
            adjust(mmap_threshold, 32 << 20)


def draw(
    opened: Opened, policy: Policy, *, sha256: str, copy: int, boxes: Sequence[Box] = ()
) -> tuple[Transformed, int, int, bool]:
    """Transform a picture, again with the next seed while the policy's mask rule is not met.

    Returns
    -------
    tuple of (Transformed, int, int, bool)
        The last try, its seed, its number from 0, and whether too little of a mask or box is left.
    """
    pipeline, digest, rule = pipeline_of(policy), policy.digest, policy.masks
    corners = [box[1:] for box in boxes]
    attempt = 0
    while True:
        seed = seed_for(digest, sha256, copy, attempt)
        made = pipeline(opened.rgb, seed=seed, masks=opened.masks, boxes=corners)
        lost = _is_lost(opened, made, len(boxes), rule)
        if not lost or rule.when_lost != "redraw" or attempt == rule.redraws:
            return made, seed, attempt, lost
        attempt += 1


def seed_for(policy_digest: str, sha256: str, copy: int, attempt: int = 0) -> int:
    """Return the seed of one variant, below 2**63: a function of what it is, not of when or where.

    Parameters
    ----------
    policy_digest, sha256 : str
        Of the policy and of the picture.
    copy : int
        From 1.
    attempt : int
        0, or how often it was drawn again.
    """
    text = f"{policy_digest}:{sha256}:{copy}:{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def pipeline_of(policy: Policy) -> Pipeline:
    """Return the policy's pipeline, built once per process."""
    return _pipeline(_Key(policy))


def _render_item(item: dict[str, Any], policy: Policy) -> dict[str, Any]:
    row: dict[str, Any] = {"key": item["key"], "error": None, "variants": "[]"}
    try:
        opened = open_source(
            item["source"], item["masks"], longest_side=policy.picture.longest_side
        )
        made = [_render_copy(opened, item, copy, policy) for copy in item["copies"]]
        row["variants"] = json.dumps(made, ensure_ascii=False)
    except UnreadableImageError as error:
        row["error"] = f"unreadable: {error.message}"
    except MaskError as error:
        row["error"] = f"{MASK_UNUSABLE}: {error.message}"
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        row["error"] = f"{DISK_FULL}: {error}"
    return row


def _render_copy(opened: Opened, item: dict[str, Any], copy: int, policy: Policy) -> dict[str, Any]:
    boxes: list[Box] = [tuple(box) for box in item["boxes"]]
    try:
        made, seed, attempt, lost = draw(
            opened, policy, sha256=item["sha256"], copy=copy, boxes=boxes
        )
    except Exception as error:  # noqa: BLE001 - transforms raise anything on odd pictures: recorded
        return {"copy": copy, "error": f"{TRANSFORM}: {type(error).__name__}: {error}"}
    entry = {"copy": copy, "seed": seed, "attempt": attempt, "applied": made.applied}
    if lost and policy.masks.when_lost != "keep":
        tries = f"{attempt + 1} tries" if attempt else "1 try"
        share = f"{policy.masks.keep_at_least:.0%}"
        return entry | {"error": f"{MASK_LOST}: less than {share} of a mask or box left, {tries}"}
    # Files are named by the picture's digest and numbers, never by a class or a remote name.
    stem = f"{item['sha256'][:2]}/{item['sha256']}-{copy}"
    folder = Path(item["folder"])
    masks = {}
    for number, (label, mask) in enumerate(zip(opened.labels, made.masks, strict=True)):
        masks[label] = f"{stem}.mask{number}.png"
        _write(folder / masks[label], encode_mask(mask))
    data = encode(made.image, policy.picture)
    file = f"{stem}.{policy.picture.format}"
    _write(folder / file, data)
    height, width = made.image.shape[:2]
    return entry | {
        "file": file,
        "masks": masks,
        "boxes": [[boxes[index][0], *corners] for index, *corners in made.boxes],
        "digest": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "width": width,
        "height": height,
        "error": None,
    }


def _write(path: Path, data: bytes) -> None:
    """Write without waiting for the disk, which costs more than drawing the variant.

    One lost in a power cut is made again: `augment.ledger` takes no file for finished unseen.
    """
    atomic.write_bytes(path, data, durable=False)


def _is_lost(opened: Opened, made: Transformed, boxes: int, rule: MaskRule) -> bool:
    """Say whether too little of any mask, or of any box, is left."""
    import numpy as np

    if len(made.boxes) < boxes:
        return True
    for before, after in zip(opened.masks, made.masks, strict=True):
        share = np.count_nonzero(before) / before.size
        left = np.count_nonzero(after) / after.size
        if share and (not left or left < rule.keep_at_least * share):
            return True
    return False


class _Key:
    """A policy as a cache key: it holds dicts, which can't be hashed."""

    def __init__(self, policy: Policy) -> None:
        self.policy, self.digest = policy, policy.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.digest == self.digest


@lru_cache(maxsize=8)
def _pipeline(key: _Key) -> Pipeline:
    from augment.adapter import Pipeline

    return Pipeline(key.policy.steps, min_visibility=key.policy.masks.keep_at_least)
