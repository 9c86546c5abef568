"""The banded Hamming search finds what comparing everything with everything finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodyshop_core.errors import UsageError
from curate.duplicates.search import choose_blocks, near_pairs
from curate.measure.hashes import as_integers, as_words, distances


def all_pairs(hashes, radius):
    n = len(hashes)
    first, second = np.triu_indices(n, 1)
    distance = np.bitwise_count(hashes[first] ^ hashes[second])
    near = distance <= radius
    return set(zip(first[near].tolist(), second[near].tolist(), strict=True))


def found_pairs(found):
    return set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def planted(n, radius, seed):
    """Random hashes, a tenth of them copies with up to `radius` flipped bits, some equal."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, n, dtype=np.uint64)
    for target in range(n - n // 10, n):
        hashes[target] = hashes[rng.integers(0, n - n // 10)]
        for bit in rng.choice(64, rng.integers(0, radius + 1), replace=False):
            hashes[target] ^= np.uint64(1) << np.uint64(bit)
    return hashes


@settings(max_examples=60, deadline=None)
@given(
    radius=st.integers(0, 8),
    seeds=st.lists(st.integers(0, 2**64 - 1), min_size=0, max_size=12),
    flips=st.lists(st.tuples(st.integers(0, 63), st.integers(0, 63)), max_size=20),
)
def test_no_pair_is_missed_and_none_invented(radius, seeds, flips):
    hashes = list(seeds)
    for number, bit in flips:
        if hashes:
            hashes.append(hashes[number % len(hashes)] ^ (1 << bit))
    hashes = np.array(hashes, dtype=np.uint64)
    found = near_pairs(hashes, radius=radius)
    assert found_pairs(found) == all_pairs(hashes, radius)
    assert found.heavy == 0
    expected = np.bitwise_count(hashes[found.first] ^ hashes[found.second])
    assert found.distance.tolist() == expected.tolist()


@pytest.mark.parametrize("radius", [2, 4, 6, 8])
def test_exact_on_thousands_of_hashes_with_planted_copies(radius):
    hashes = planted(3000, radius, seed=radius)
    assert found_pairs(near_pairs(hashes, radius=radius)) == all_pairs(hashes, radius)


@pytest.mark.parametrize("n", [10, 10**4, 10**6, 10**8])
@pytest.mark.parametrize("radius", [1, 4, 8])
def test_blocks_satisfy_the_pigeonhole_principle(n, radius):
    blocks, agree = choose_blocks(n, radius)
    assert blocks - radius >= agree >= 1 and blocks <= 64


def test_only_pairs_across_sides_when_sides_are_given():
    hashes = planted(500, 4, seed=3)
    side = np.arange(500) >= 250
    found = found_pairs(near_pairs(hashes, radius=4, side=side))
    assert found == {(i, j) for i, j in all_pairs(hashes, 4) if side[i] != side[j]}
    assert found


def test_a_crowd_of_equal_hashes_is_capped_and_reported():
    hashes = np.zeros(1000, dtype=np.uint64)
    found = near_pairs(hashes, radius=2, group_cap=10)
    assert found.heavy == 1000
    assert len(found.first) < 1000 * 10
    joined = set(found.first.tolist()) | set(found.second.tolist())
    assert joined == set(range(1000))  # each is still tied to the crowd


def test_two_crowds_near_one_another_are_tied_together():
    hashes = np.array([0] * 50 + [3] * 50, dtype=np.uint64)
    found = near_pairs(hashes, radius=2, group_cap=5)
    assert any(i < 50 <= j for i, j in found_pairs(found))


def test_a_long_run_of_equal_bits_is_capped_and_reported():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**12, 3000, dtype=np.uint64)  # the other 52 bits are all zero
    capped = near_pairs(np.unique(hashes), radius=4, run_cap=50)
    assert capped.heavy > 0
    assert near_pairs(np.unique(hashes)[:40], radius=4, run_cap=50).heavy == 0


@pytest.mark.parametrize("radius", [-1, 9])
def test_a_radius_beyond_what_64_bits_can_tell_is_refused(radius):
    with pytest.raises(UsageError, match="allowed: 0 to 8"):
        near_pairs(np.zeros(2, dtype=np.uint64), radius=radius)


def test_hexadecimal_hashes_become_words_and_distances():
    words = as_words(["00" * 31 + "ff", "00" * 32], bits=256)
    assert words.shape == (2, 4)
    assert distances(words[:1], words[1:]).tolist() == [8]
    assert as_integers(["00000000000000ff"]).tolist() == [255]
    with pytest.raises(ValueError, match="64 bits"):
        as_integers(["00ff"])


def test_no_hashes_no_pairs():
    assert len(near_pairs(np.zeros(0, dtype=np.uint64), radius=6).first) == 0
    assert len(near_pairs(np.zeros(1, dtype=np.uint64), radius=6).first) == 0
