"""Clusters that people made, and the pairs that the search found."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from curate.duplicates.pairs import DuplicatePair
from curate.verdicts.clusters import clusters_of


def near(first, second, distance):
    return DuplicatePair(first, second, "near", distance)


def test_a_newcomer_joins_the_cluster_it_is_most_like_and_does_not_bridge_two():
    pairs = [near("a", "x", 4), near("b", "x", 2)]
    assert clusters_of(pairs, {"a": "one", "b": "two"}) == {"b": "b", "x": "b"}
    assert clusters_of(pairs) == {"a": "a", "b": "a", "x": "a"}


def test_what_a_person_merged_is_one_cluster_without_any_pair():
    assert clusters_of([], {"a": "one", "b": "one", "c": "two"}) == {"a": "a", "b": "a"}


@given(
    st.lists(st.tuples(st.sampled_from([*combinations("abcdefgh", 2)]), st.integers(0, 8))),
    st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["one", "two", "three"])),
)
def test_no_two_clusters_of_people_are_joined_and_none_is_torn(found, placed):
    pairs = [near(*names, distance) for names, distance in found]
    clusters = clusters_of(pairs, placed)
    for first, second in combinations(sorted(placed), 2):
        same = first in clusters and clusters.get(first) == clusters.get(second)
        assert same == (placed[first] == placed[second])
    assert all(list(clusters.values()).count(name) > 1 for name in clusters.values())
