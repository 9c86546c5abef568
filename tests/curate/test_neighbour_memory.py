"""What was nearest last time is used again, and the answers are those of comparing everything."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodyshop.forget import _drop_rows
from bodyshop_core.errors import BodyshopError
from curate.duplicates.memory import NeighbourMemory
from curate.duplicates.nearest import VectorIndex


def name_of(number):
    return sha256(str(number).encode()).hexdigest()


class Pictures:
    """Names, vectors, groups and candidates, as a search gets them."""

    def __init__(self, numbers, vectors, groups, among):
        self.names = sorted(map(name_of, numbers))
        of = {name_of(number): number for number in numbers}
        rows = [of[name] for name in self.names]
        self.vectors = vectors[rows]
        _, self.groups = np.unique(groups[rows], return_inverse=True)
        self.fixed = (np.array(rows) // 7) % 3 - 5
        self.among = among[rows]
        self.compared = 0

    def search(self, folder, count=3, *, asked=None, among=True):
        place = {name: at for at, name in enumerate(self.names)}
        pictures = self

        class Counted(VectorIndex):
            def nearest(self, asked, *rest, among=None, **options):
                answers = len(self) if among is None else int(among.sum())
                pictures.compared += int(asked.sum()) * answers
                return super().nearest(asked, *rest, among=among, **options)

        asked = np.ones(len(place), bool) if asked is None else asked[: len(place)]
        candidates = self.among if among else None
        with Counted([(self.names, self.vectors)], place) as index:
            if folder is None:
                blocks = list(
                    index.nearest(asked, count, among=candidates, apart=[self.groups, self.fixed])
                )
                rows, found, cosine = (np.concatenate(each) for each in zip(*blocks, strict=True))
                return rows, found, cosine
            memory = NeighbourMemory(folder, self.names)
            return memory.nearest(
                "test", index, asked, count,
                among=candidates, apart=[self.groups], fixed=[self.fixed],
            )  # fmt: skip


def equal(first, second):
    rows, found, cosine = first
    other_rows, other_found, other_cosine = second
    np.testing.assert_array_equal(rows, other_rows)
    np.testing.assert_array_equal(found, other_found)
    np.testing.assert_allclose(cosine, other_cosine, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), among=st.booleans())
def test_answers_with_a_memory_are_those_of_comparing_everything(seed, among):
    chance = np.random.default_rng(seed)
    n = 60
    vectors = chance.normal(size=(n, 6))
    groups = np.where(chance.random(n) < 0.3, chance.integers(0, 4, n), 100 + np.arange(n))
    marked = chance.random(n) < 0.9
    numbers = set(range(int(chance.integers(2, n))))
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(5):
            pictures = Pictures(sorted(numbers), vectors, groups, marked)
            asked = chance.random(n) < 0.9
            asked[0] = True
            equal(
                pictures.search(Path(folder), asked=asked, among=among),
                pictures.search(None, asked=asked, among=among),
            )
            numbers |= set(chance.integers(0, n, 3).tolist())
            numbers -= set(chance.integers(0, n, 2).tolist())
            numbers |= {0, 1}
            vectors[chance.integers(0, n)] = chance.normal(size=6)
            groups[chance.integers(0, n)] = chance.integers(0, 4)
            marked[chance.integers(0, n)] ^= True


@pytest.fixture
def pictures():
    chance = np.random.default_rng(8)
    vectors = chance.normal(size=(400, 16))

    def some(count):
        return Pictures(range(count), vectors, np.arange(400), np.ones(400, bool))

    return some


def test_only_new_pictures_are_compared_with_all(pictures, tmp_path):
    first = pictures(390)
    first.search(tmp_path)
    assert first.compared == 390 * 390
    later = pictures(400)
    answers = later.search(tmp_path)
    # The new ones are compared once as questions and once as answers.
    assert later.compared <= 400 * 10 + 390 * 10
    again = pictures(400)
    equal(again.search(tmp_path), answers)
    assert again.compared == 0


def test_nothing_is_written_when_nothing_is_new(pictures, tmp_path):
    pictures(100).search(tmp_path)
    before = (tmp_path / "test.parquet").stat().st_mtime_ns
    pictures(100).search(tmp_path)
    assert (tmp_path / "test.parquet").stat().st_mtime_ns == before


def test_an_erased_picture_leaves_the_memory_and_its_neighbours_are_searched_again(
    pictures, tmp_path
):
    pictures(300).search(tmp_path)
    gone = name_of(17)
    _drop_rows(tmp_path, {gone})
    assert gone not in pq.read_table(tmp_path / "test.parquet")["sha256"].to_pylist()
    rest = pictures(300)
    kept = [at for at, name in enumerate(rest.names) if name != gone]
    rest.names = [rest.names[at] for at in kept]
    for column in ("vectors", "groups", "fixed", "among"):
        setattr(rest, column, getattr(rest, column)[kept])
    equal(rest.search(tmp_path), rest.search(None))


def test_a_picture_erased_while_its_neighbours_are_written_is_not_in_the_memory(tmp_path):
    vectors = np.random.default_rng(3).normal(size=(20, 8))
    names = sorted(map(name_of, range(20)))
    place = {name: at for at, name in enumerate(names)}
    for registered, left in ((set(names), True), (set(names) - {name_of(7)}, False)):
        with VectorIndex([(names, vectors)], place) as index:
            memory = NeighbourMemory(tmp_path, names, lambda now=registered: now)
            memory.nearest("test", index, np.ones(20, bool), 3, apart=[np.arange(20)])
            assert (tmp_path / "test.parquet").exists() == left
            (tmp_path / "test.parquet").unlink(missing_ok=True)


def test_of_more_ties_than_are_kept_the_answers_are_equally_near(tmp_path):
    chance = np.random.default_rng(4)
    vectors = chance.random(size=(1000, 128))
    vectors[chance.choice(1000, 40, replace=False)] = vectors[0]
    everyone = np.ones(1000, bool)
    Pictures(range(900), vectors, np.arange(1000), everyone).search(tmp_path, 6)
    pictures = Pictures(range(1000), vectors, np.arange(1000), everyone)
    _, found, cosine = pictures.search(tmp_path, 6)
    _, _, expected = Pictures(range(1000), vectors, np.arange(1000), everyone).search(None, 6)
    np.testing.assert_allclose(cosine, expected, atol=1e-6)
    unit = pictures.vectors / np.linalg.norm(pictures.vectors, axis=1, keepdims=True)
    true = np.einsum("id,ijd->ij", unit, unit[found])
    np.testing.assert_allclose(cosine, true, atol=2e-3)  # vectors are kept as float16
    assert all(len(set(row)) == 6 for row in found.tolist())


def test_another_number_of_neighbours_is_another_search(pictures, tmp_path):
    pictures(100).search(tmp_path, 2)
    equal(pictures(100).search(tmp_path, 5), pictures(100).search(None, 5))


def test_a_damaged_memory_is_named(pictures, tmp_path):
    (tmp_path / "test.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(BodyshopError, match=r"test\.parquet is damaged"):
        pictures(20).search(tmp_path)
