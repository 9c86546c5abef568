"""The nearest vectors: exact for small sets, nearly so in cells, whatever is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.duplicates.best_neighbours import LikelyNeighbours
from curate.duplicates.nearest import VectorIndex
from curate.duplicates.proposals import Proposals
from curate.duplicates.short_vectors import ShortVectors


def by_hand(vectors, asked, count, among, apart):
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = units @ units.T
    cosine[:, ~among] = -1
    for numbers in apart:
        cosine[numbers[:, None] == numbers[None, :]] = -1
    return -np.sort(-cosine, axis=1)[asked][:, :count]


def asked_of(index, asked, count, **options):
    found = {
        position: (neighbours, cosine)
        for rows, *answers in index.nearest(asked, count, **options)
        for position, neighbours, cosine in zip(rows.tolist(), *answers, strict=True)
    }
    order = sorted(found)
    return order, *(np.array([found[one][part] for one in order]) for part in (0, 1))


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(2, 60),
    count=st.integers(1, 6),
    seed=st.integers(0, 1000),
    crowd=st.integers(1, 20),
)
def test_answers_are_those_of_comparing_everything(n, count, seed, crowd):
    chance = np.random.default_rng(seed)
    vectors = chance.normal(size=(n, 8))
    asked, among = chance.random(n) < 0.7, chance.random(n) < 0.8
    spun = np.where(chance.random(n) < 0.4, chance.integers(0, crowd, n), -1 - np.arange(n))
    names = [str(i) for i in range(n)]
    order = chance.permutation(n)  # as the store gives them
    parts = [([names[i] for i in part], vectors[part]) for part in np.array_split(order, 3)]
    with VectorIndex(parts, {name: i for i, name in enumerate(names)}) as index:
        positions, neighbours, cosine = asked_of(index, asked, count, among=among, apart=[spun])
    assert positions == np.flatnonzero(asked).tolist()
    if positions:
        expected = by_hand(vectors, asked, count, among, [spun])
        width = expected.shape[1]
        assert np.allclose(cosine[:, :width], expected, atol=2e-3)  # stored as float16
        assert ((neighbours >= 0) == (cosine > -1)).all()
        for row, position in enumerate(positions):
            chosen = neighbours[row][neighbours[row] >= 0]
            assert among[chosen].all() and (spun[chosen] != spun[position]).all()


@pytest.fixture(scope="module")
def photos_of_cars():
    """3,000 vectors in 40 loose heaps, 500 of them with a copy."""
    chance = np.random.default_rng(1)
    heaps = chance.normal(size=(40, 48))
    vectors = heaps[chance.integers(0, 40, 3000)] + chance.normal(size=(3000, 48))
    copies = vectors[:500] + 0.3 * chance.normal(size=(500, 48))
    return np.concatenate([vectors, copies])


def test_cells_find_nearly_all_copies_with_a_fraction_of_the_comparisons(photos_of_cars, tmp_path):
    n = len(photos_of_cars)
    names = {str(i): i for i in range(n)}
    apart = -1 - np.arange(n)
    parts = [([str(i) for i in range(n)], photos_of_cars)]
    with VectorIndex(parts, names, scratch=tmp_path, exact=100) as index:
        assert not index.exact
        positions, neighbours, _ = asked_of(index, np.ones(n, bool), 1, apart=[apart])
    assert positions == list(range(n))  # every picture is asked about once
    assert (neighbours[:500, 0] == np.arange(3000, 3500)).mean() > 0.95
    assert index.reach < 0.6 * n


def test_a_picture_at_the_edge_of_its_cell_finds_what_lies_across(tmp_path, monkeypatch):
    """Cells around the cell, with as many comparisons, find 97.8 % of the copies."""
    monkeypatch.setattr("curate.duplicates.cells.PROBES", 24)
    chance, copies = np.random.default_rng(1), 500
    heaps = chance.normal(size=(5, 200))
    vectors = heaps[chance.integers(0, 5, 6000)] + chance.normal(size=(6000, 200))
    vectors = np.concatenate([vectors, vectors[:copies] + 0.6 * chance.normal(size=(copies, 200))])
    n = len(vectors)
    apart, everyone = -1 - np.arange(n), np.ones(n, bool)
    best = by_hand(vectors, everyone, 1, everyone, [apart])
    parts = [([str(i) for i in range(n)], vectors)]
    names = {str(i): i for i in range(n)}
    with VectorIndex(parts, names, scratch=tmp_path, exact=100) as index:
        _, neighbours, cosine = asked_of(index, everyone, 1, apart=[apart])
        assert index.reach < 0.1 * n
    original = neighbours[:copies, 0] == np.arange(6000, n)
    copy = neighbours[6000:, 0] == np.arange(copies)
    assert (original | copy).mean() >= 0.995
    assert (cosine > best - 2e-3).mean() > 0.8


def test_cells_answer_where_nothing_may_be_a_neighbour(photos_of_cars):
    n = len(photos_of_cars)
    parts = [([str(i) for i in range(n)], photos_of_cars)]
    with VectorIndex(parts, {str(i): i for i in range(n)}, exact=100) as index:
        positions, neighbours, cosine = asked_of(
            index, np.ones(n, bool), 2, among=np.zeros(n, bool), apart=[-1 - np.arange(n)]
        )
    assert len(positions) == n and (neighbours == -1).all() and (cosine == -1).all()


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 9), count=st.integers(1, 4), seed=st.integers(0, 1000))
def test_estimates_that_come_for_other_rows_each_time_are_kept_as_if_sorted_at_once(
    rows, count, seed
):
    chance = np.random.default_rng(seed)
    likely, known = LikelyNeighbours(rows, count), np.full((rows, 600), -1, np.float32)
    for at in range(0, 600, 50):
        mine = np.flatnonzero(chance.random(rows) < 0.7)
        estimates = chance.permutation(len(mine) * 50).reshape(-1, 50).astype(np.float32)
        estimates = (estimates + at / 600) / (rows * 50 + 1)
        known[mine, at : at + 50] = estimates
        likely.add(mine, estimates, np.arange(at, at + 50))
    best = np.argsort(-known, axis=1, kind="stable")[:, :count]
    best[np.take_along_axis(known, best, axis=1) < 0] = -1
    assert (likely.best() == best).all()


def test_answers_from_cells_are_allowed_ones_with_the_cosines_of_whole_vectors(photos_of_cars):
    n = len(photos_of_cars)
    chance = np.random.default_rng(6)
    vectors = np.concatenate([photos_of_cars, chance.normal(size=(n, 300))], axis=1)
    asked, among = chance.random(n) < 0.3, chance.random(n) < 0.8
    spun = np.where(chance.random(n) < 0.4, chance.integers(0, 90, n), -1 - np.arange(n))
    parts = [([str(i) for i in range(n)], vectors)]
    with VectorIndex(parts, {str(i): i for i in range(n)}, exact=100) as index:
        positions, neighbours, cosine = asked_of(index, asked, 6, among=among, apart=[spun])
    assert positions == np.flatnonzero(asked).tolist()
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.array(positions)[:, None]
    assert (neighbours >= 0).all() and among[neighbours].all()
    assert (spun[neighbours] != spun[rows]).all()
    assert np.allclose(cosine, (units[rows] * units[neighbours]).sum(axis=2), atol=2e-3)
    assert (np.diff(cosine, axis=1) <= 0).all()
    best = by_hand(vectors, asked, 1, among, [spun])
    assert (cosine[:, :1] > best - 2e-3).mean() > 0.9


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 50), width=st.integers(1, 20), seed=st.integers(0, 1000))
def test_short_vectors_of_all_components_tell_the_cosine(n, width, seed):
    vectors = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32) + 0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    short = ShortVectors(vectors, width)
    estimate = short.estimated(short.of(vectors[: n // 2 + 1]), short.of(vectors))
    assert np.allclose(estimate, vectors[: n // 2 + 1] @ vectors.T, atol=1e-4)


def test_a_vector_that_is_not_finite_is_left_out():
    vectors = np.random.default_rng(8).normal(size=(300, 8))
    vectors[7, 3], vectors[9, 0] = np.nan, np.inf
    parts = [([str(i) for i in range(300)], vectors)]
    with VectorIndex(parts, {str(i): i for i in range(300)}, exact=100) as index:
        positions, *_ = asked_of(index, np.ones(300, bool), 2, apart=[-1 - np.arange(300)])
    assert set(range(300)) - set(positions) == {7, 9}


def test_many_equal_vectors_are_not_all_compared_with_each_other(tmp_path):
    n = 2000
    vectors = np.concatenate([np.ones((1500, 8)), np.random.default_rng(2).normal(size=(500, 8))])
    parts = [([str(i) for i in range(n)], vectors)]
    with VectorIndex(parts, {str(i): i for i in range(n)}, exact=100) as index:
        assert index.largest_cell < 150
        _, neighbours, cosine = asked_of(index, np.ones(n, bool), 2, apart=[-1 - np.arange(n)])
    assert (cosine[:1500] > 0.999).all() and (neighbours >= 0).all()


def test_what_lost_a_neighbour_is_searched_for_again_and_nothing_else():
    """Copies 1 to 5 hide the crop 6 of picture 0, until they are known to be copies."""
    chance = np.random.default_rng(3)
    vectors = chance.random((20, 16))
    vectors[1:6] = vectors[0] + 0.001 * chance.random((5, 16))
    vectors[6] = vectors[0] + 0.12 * chance.random(16)
    apart = -1 - np.arange(20)
    searched = []

    class Counted(VectorIndex):
        def nearest(self, asked, *rest, **options):
            searched.append(np.flatnonzero(asked).tolist())
            return super().nearest(asked, *rest, **options)

    parts = [([str(i) for i in range(20)], vectors)]
    with Counted(parts, {str(i): i for i in range(20)}) as index:
        proposals = Proposals(index, apart)
        everyone = np.ones(20, dtype=bool)
        proposals.standing_out(everyone)
        known = everyone.copy()
        known[1:6] = False
        assert (0, 6) in proposals.standing_out(known)
        assert not set(searched[1]) & set(range(1, 6)) and 0 in searched[1]
        clusters = np.arange(20)
        clusters[1:6] = 0
        assert proposals.strongest(clusters)[0] in {(0, 6), *((i, 6) for i in range(1, 6))}
    assert set(searched[0]) == set(range(20))


def test_a_crowd_does_not_take_all_the_places_of_the_strongest(monkeypatch):
    monkeypatch.setattr("curate.duplicates.proposals.STRONGEST", 12)
    chance = np.random.default_rng(4)
    crowd = 1 + 0.01 * chance.random((10, 12))
    pairs = np.abs(np.repeat(chance.normal(size=(2, 12)), 2, axis=0)) + 0.02 * chance.random(
        (4, 12)
    )
    vectors = np.concatenate([crowd, pairs])
    parts = [([str(i) for i in range(14)], vectors)]
    with VectorIndex(parts, {str(i): i for i in range(14)}) as index:
        proposals = Proposals(index, -1 - np.arange(14))
        proposals.standing_out(np.ones(14, bool))
        assert {(10, 11), (12, 13)} <= set(proposals.strongest(np.arange(14)))


@pytest.mark.parametrize(("around", "proposed"), [(0.3, True), (0.6, False)])
def test_a_crop_of_little_likeness_is_proposed_only_where_it_stands_out(around, proposed):
    """0.745 is what a photo and its crop by 30 % may have; 0.73 lies below."""
    cosine = np.full((10, 10), around)
    cosine[0, 1] = cosine[1, 0] = 0.73
    np.fill_diagonal(cosine, 1)
    parts = [([str(i) for i in range(10)], np.linalg.cholesky(cosine))]
    with VectorIndex(parts, {str(i): i for i in range(10)}) as index:
        found = Proposals(index, -1 - np.arange(10)).standing_out(np.ones(10, bool))
    assert found == ([(0, 1)] if proposed else [])
