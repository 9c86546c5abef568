"""Pairs are only searched for inner pictures where the measurement saw one."""

from __future__ import annotations

from typing import Any

import photos
import pytest

import curate.duplicates.checks as checks
from curate.duplicates.checks import compare_pairs


class Held:
    """Stands for a `BlobRef`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self) -> bytes:
        return self._data


@pytest.mark.parametrize(("showing", "expected"), [(["first"], [0]), ([], []), (None, [0, 1])])
def test_only_pictures_that_show_another_one_are_searched(
    showing: list[str] | None, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = [Held(photos.jpeg(photos.photo(name))) for name in sorted(photos.NAMES)[:2]]
    searched: list[int] = []

    def search(blob: Any) -> list[Any]:
        searched.append(pair.index(blob))
        return []

    monkeypatch.setattr(checks, "_inner_views", search)
    item: dict[str, Any] = {"key": "a-b", "first": pair[0], "second": pair[1]}
    if showing is not None:
        item["showing"] = showing
    (row,) = compare_pairs([item])
    assert "error" not in row
    assert searched == expected
