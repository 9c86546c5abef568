"""Render variants of pictures; this code runs in the worker processes."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from augment.encoding import encode, encode_mask
from augment.failures import FailureCode
from augment.loading import LoadedSource, MaskError, load_source
from bodyshop_core.errors import UnreadableImageError

if TYPE_CHECKING:
    from augment.adapter import Pipeline, Transformed
    from augment.plan import Box, SourcePicture
    from augment.policy import AugmentPolicy, MaskRule
    from bodyshop_core.storage.derived_files import DerivedFiles


@dataclass(frozen=True)
class RenderedVariant:
    """A transformed picture and how it was drawn.

    Parameters
    ----------
    transformed : Transformed
        Picture, masks and boxes.
    seed : int
        Of the last try.
    attempt : int
        Number of the last try, from 0.
    is_lost : bool
        Whether less of a mask or box is left than the policy requires.
    """

    transformed: Transformed
    seed: int
    attempt: int
    is_lost: bool


def shard_item(
    source: SourcePicture, numbers: Sequence[int], derived: DerivedFiles, folder: str
) -> dict[str, Any]:
    """Return a picture as an item of `render_shard`.

    Parameters
    ----------
    source : SourcePicture
        The picture.
    numbers : sequence of int
        Numbers of the copies to make.
    derived : DerivedFiles
        Where the variants go.
    folder : str
        Of the variant set, in it.
    """
    return {
        "key": f"{source.sha256}:{source.inputs[:16]}:{','.join(map(str, numbers))}",
        "sha256": source.sha256,
        "blob": source.file,
        "masks": [list(mask) for mask in source.masks],
        "boxes": [list(box) for box in source.boxes],
        "copies": list(numbers),
        "derived": derived,
        "folder": folder,
    }


def render_shard(items: list[dict[str, Any]], *, policy: AugmentPolicy) -> list[dict[str, Any]]:
    """Make the variants of some pictures; one row per picture.

    Parameters
    ----------
    items : list of dict
        From `shard_item`.
    policy : AugmentPolicy
        The transforms.

    Returns
    -------
    list of dict
        ``key``, ``error`` (None, or a failure in its stored form) and ``variants``: a JSON list
        that `variant_entries` reads.

    Raises
    ------
    TransientError
        Storage does not give an original or a mask, or does not take a variant.
    """
    return [_render_item(item, policy) for item in items]


def variant_entries(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one entry per copy of a row of `render_shard`.

    An entry has ``sha256``, ``copy`` and ``error``; without an error also ``seed``, ``attempt``,
    ``file`` and ``masks`` (relative to the set's folder), ``boxes``, ``applied``, ``digest``,
    ``bytes``, ``width`` and ``height``. A picture that failed has one failed entry per copy.
    """
    # The engine returns only the key of an item whose worker died.
    sha256, _, numbers = row["key"].split(":")
    if row["error"] is not None:
        copies = ({"copy": int(number), "error": row["error"]} for number in numbers.split(","))
    else:
        copies = json.loads(row["variants"])
    for entry in copies:
        yield {"sha256": sha256, **entry}


def prepare_worker() -> None:
    """Set up a worker process; this does not change the variants."""
    import cv2

    cv2.setNumThreads(0)  # the work is divided over processes, not threads
    if sys.platform == "linux":
        # Memory of freed pictures is reused instead of returned to the kernel: 13 % faster.
        adjust = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; see mallopt(3)
        if adjust is not None:
            trim_threshold, mmap_threshold = -1, -3
            adjust(trim_threshold, 256 << 20)
            adjust(mmap_threshold, 32 << 20)


def render_variant(
    loaded: LoadedSource,
    policy: AugmentPolicy,
    *,
    sha256: str,
    copy: int,
    boxes: Sequence[Box] = (),
) -> RenderedVariant:
    """Transform a picture; try again with the next seed while the policy's mask rule is not met.

    Parameters
    ----------
    loaded : LoadedSource
        The picture and its masks.
    policy : AugmentPolicy
        The transforms and the mask rule.
    sha256 : str
        Of the picture; enters the seed.
    copy : int
        Number of the variant; enters the seed.
    boxes : sequence of Box
        Boxes to transform with the picture.
    """
    pipeline, rule = pipeline_of(policy), policy.masks
    corners = [box[1:] for box in boxes]
    attempt = 0
    while True:
        seed = seed_for(policy.digest, sha256, copy, attempt)
        transformed = pipeline(loaded.rgb, seed=seed, masks=loaded.masks, boxes=corners)
        lost = _is_lost(loaded, transformed, len(boxes), rule)
        if not lost or rule.when_lost != "redraw" or attempt == rule.redraws:
            return RenderedVariant(transformed, seed, attempt, lost)
        attempt += 1


def seed_for(policy_digest: str, sha256: str, copy: int, attempt: int = 0) -> int:
    """Return the seed of one variant, below 2**63; it depends only on the arguments.

    Parameters
    ----------
    policy_digest, sha256 : str
        Of the policy and of the picture.
    copy : int
        From 1.
    attempt : int
        0, or the number of earlier tries.
    """
    text = f"{policy_digest}:{sha256}:{copy}:{attempt}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@lru_cache(maxsize=8)
def pipeline_of(policy: AugmentPolicy) -> Pipeline:
    """Return the policy's pipeline, built once per process."""
    from augment.adapter import Pipeline

    return Pipeline(policy.steps, min_visibility=policy.masks.keep_at_least)


def _render_item(item: dict[str, Any], policy: AugmentPolicy) -> dict[str, Any]:
    row: dict[str, Any] = {"key": item["key"], "error": None, "variants": "[]"}
    item["derived"].require(item["folder"])
    try:
        original = item["blob"].read()
        loaded = load_source(original, item["masks"], longest_side=policy.picture.longest_side)
        entries = [_render_copy(loaded, item, copy, policy) for copy in item["copies"]]
        row["variants"] = json.dumps(entries, ensure_ascii=False)
    except UnreadableImageError as error:
        row["error"] = FailureCode.UNREADABLE.with_message(error.message)
    except MaskError as error:
        row["error"] = FailureCode.MASK_UNUSABLE.with_message(error.message)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        row["error"] = FailureCode.DISK_FULL.with_message(error)
    return row


def _render_copy(
    loaded: LoadedSource, item: dict[str, Any], copy: int, policy: AugmentPolicy
) -> dict[str, Any]:
    boxes: list[Box] = [tuple(box) for box in item["boxes"]]
    try:
        variant = render_variant(loaded, policy, sha256=item["sha256"], copy=copy, boxes=boxes)
    except MemoryError:  # of this machine, not of the picture: the engine puts it back
        raise
    except Exception as error:  # noqa: BLE001 - transforms raise any error on unusual pictures
        message = f"{type(error).__name__}: {error}"
        return {"copy": copy, "error": FailureCode.TRANSFORM.with_message(message)}
    made = variant.transformed
    entry = {
        "copy": copy,
        "seed": variant.seed,
        "attempt": variant.attempt,
        "applied": made.applied,
    }
    if variant.is_lost and policy.masks.when_lost != "keep":
        share = f"{policy.masks.keep_at_least:.0%}"
        attempts = f"{variant.attempt + 1} attempts" if variant.attempt else "1 attempt"
        message = f"less than {share} of a mask or box left after {attempts}"
        return entry | {"error": FailureCode.MASK_LOST.with_message(message)}
    # File names consist of the picture's digest and numbers, never of a class or a remote name.
    stem = f"{item['sha256'][:2]}/{item['sha256']}-{copy}"
    masks = {}
    for number, (label, mask) in enumerate(zip(loaded.labels, made.masks, strict=True)):
        masks[label] = _write(item, f"{stem}.mask{number}.png", encode_mask(mask))
    data = encode(made.image, policy.picture)
    file = _write(item, f"{stem}.{policy.picture.format}", data)
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


def _write(item: dict[str, Any], name: str, data: bytes) -> str:
    """Write without an fsync, which takes longer than drawing the variant; return the name it got.

    A file lost in a power cut is made again: `augment.variant_set` checks files before it uses
    them.
    """
    folder = f"{item['folder']}/"
    put = item["derived"].put(f"{folder}{name}", data, durable=False)
    return str(put).removeprefix(folder)


def _is_lost(loaded: LoadedSource, made: Transformed, boxes: int, rule: MaskRule) -> bool:
    """Return whether too little is left of any mask or box."""
    import numpy as np

    if len(made.boxes) < boxes:
        return True
    for before, after in zip(loaded.masks, made.masks, strict=True):
        share = np.count_nonzero(before) / before.size
        left = np.count_nonzero(after) / after.size
        if share and (not left or left < rule.keep_at_least * share):
            return True
    return False
