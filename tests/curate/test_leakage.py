"""What the check for leaks says of pairs that the search for duplicates did not confirm."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from filling import jpeg, photo, resaved
from PIL import Image

from curate.measure.picture import measure_picture
from curate.splits.leakage import LeakageCheck, check_leakage


def test_a_copy_that_the_search_did_not_compare_is_a_leak() -> None:
    first, second = photo(1), resaved(photo(1))
    check = checked(first, second)
    assert check.leaks == [(*sorted([name(first), name(second)]), "near")]
    assert check.refuted == 0


def test_plain_pictures_are_not_called_different() -> None:
    random = np.random.default_rng(0)
    blank = [
        jpeg(Image.fromarray(np.clip(random.normal(235, 2, (240, 320, 3)), 0, 255).astype("u1")))
        for _ in range(2)
    ]
    rows = [measured(data) | {"phash": "0" * 16} for data in blank]  # as noise may have it
    check = check_rows(rows)
    assert (check.leaks, check.refuted, check.uncompared) == ([], 0, 1)
    assert check.closest is None


def checked(*pictures: bytes) -> LeakageCheck:
    return check_rows([measured(data) for data in pictures])


def check_rows(rows: list[dict[str, Any]]) -> LeakageCheck:
    """Check pictures that are in a group and a split of their own."""
    names = [row["sha256"] for row in rows]
    splits = dict(zip(names, ("train", "test"), strict=True))
    return check_leakage(rows, splits, dict(zip(names, names, strict=True)), [], radius=6)


def measured(data: bytes) -> dict[str, Any]:
    return {"sha256": name(data), "error": None, **measure_picture(data)}


def name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
