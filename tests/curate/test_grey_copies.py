"""A grey copy between two pictures with colour hides no duplicate and joins no two paints."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise

import pytest
from filling import add_picture, jpeg, photo, pretend_scores, resaved
from PIL import Image, ImageOps

import curate
from bodyshop_core.catalog import Field, Reason
from bodyshop_core.workspace import Workspace
from curate.duplicates.pairs import DuplicatePair, FoundPairs
from curate.policy import SplitPolicy, load_policy
from curate.verdicts.cluster_copies import compare_with_the_best
from curate.verdicts.clusters import clusters_of
from curate.verdicts.decide import relate
from curate.verdicts.facts import load_facts
from curate.verdicts.screen import Facts


def grey(data: bytes) -> bytes:
    return jpeg(ImageOps.grayscale(Image.open(io.BytesIO(data))))


def painted(data: bytes) -> bytes:
    red, green, blue = Image.open(io.BytesIO(data)).split()
    return jpeg(Image.merge("RGB", (blue, red, green)))


def chain(*pictures: str) -> tuple[DuplicatePair, ...]:
    """Return each paired with the next, less alike each time."""
    ends = [sorted(both) for both in pairwise(pictures)]
    return tuple(
        DuplicatePair(first, second, "near", 2 + place)
        for place, (first, second) in enumerate(ends)
    )


@pytest.mark.parametrize(
    "labels", [None, {"damage": "damaged"}], ids=["", "the grey one preferred"]
)
@pytest.mark.parametrize("copy", [resaved, painted])
def test_what_a_grey_copy_alone_connects_is_compared_and_joined_only_in_the_same_paint(
    workspace: Workspace, copy: Callable[[bytes], bytes], labels: dict[str, str] | None
) -> None:
    data = photo(0)
    first = add_picture(workspace, data)
    between = add_picture(workspace, grey(data), labels=labels)
    other = add_picture(workspace, copy(data))
    curate.measure_images(workspace, workers=1)
    gate = pretend_scores(workspace)
    facts = load_facts(
        workspace.catalog, gate_id=gate.id, target=Field.DAMAGE, policy=SplitPolicy()
    )
    colours = {name: facts.of(name).measure("colourfulness") for name in facts.names}
    known = chain(first, between, other)
    assert other not in clusters_of(known, colours=colours)
    found = compare_with_the_best(workspace, facts, FoundPairs(known))
    same = tuple(sorted((first, other))) in {(pair.first, pair.second) for pair in found.pairs}
    assert same is (copy is resaved)
    assert (other in clusters_of(found.pairs, colours=colours)) is same


def test_a_grey_copy_of_a_rejected_photo_is_a_duplicate_of_the_one_that_is_kept() -> None:
    pictures = [
        Facts(name, measured={"colourfulness": colour, "width": 800, "height": 600})
        for name, colour in (("blurred", 40.0), ("grey", 0.0), ("sharp", 38.0))
    ]
    pairs = chain("blurred", "grey", "sharp")
    both = relate(pictures, {}, pairs, load_policy(None))
    assert {name: each[1]["other"] for name, each in both.rejected.items()} == {"grey": "blurred"}
    found = relate(pictures, {"blurred": {Reason.BLURRY: {}}}, pairs, load_policy(None))
    assert {name: each[1]["other"] for name, each in found.rejected.items()} == {"grey": "sharp"}
    assert found.clusters == {"grey": "grey", "sharp": "grey"}
