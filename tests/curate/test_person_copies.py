"""The best copy that others are compared with is that of the cluster a person made."""

from __future__ import annotations

from filling import add_picture, photo, pretend_scores, resaved

import curate
from bodyshop_core.catalog import Field, Reason, now, schema
from bodyshop_core.workspace import Workspace
from curate.duplicates.pairs import DuplicatePair, FoundPairs
from curate.policy import SplitPolicy, load_policy
from curate.verdicts.cluster_copies import compare_with_the_best
from curate.verdicts.decide import relate
from curate.verdicts.facts import load_facts


def test_copies_that_a_person_took_apart_are_compared_with_the_best_of_their_own_cluster(
    workspace: Workspace,
) -> None:
    best = add_picture(workspace, photo(0))
    apart = sorted(add_picture(workspace, resaved(photo(0), quality)) for quality in (60, 40))
    curate.measure_images(workspace, workers=1)
    gate = pretend_scores(workspace)
    # Of a crowd, the search compares each with some only: here both with the best.
    known = [DuplicatePair(*sorted((best, other)), "near", 1) for other in apart]
    found = FoundPairs(tuple(sorted(known, key=lambda pair: (pair.first, pair.second))))

    def pairs() -> set[tuple[str, str]]:
        facts = load_facts(
            workspace.catalog, gate_id=gate.id, target=Field.DAMAGE, policy=SplitPolicy()
        )
        more = compare_with_the_best(workspace, facts, found)
        return {(pair.first, pair.second) for pair in more.pairs}

    before = {(pair.first, pair.second) for pair in known}
    assert pairs() == before
    row = {"merged": False, "by": "me", "at": now()}
    rows = [{**row, "sha256": best, "cluster": "one"}]
    rows += [{**row, "sha256": other, "cluster": "two"} for other in apart]
    workspace.catalog.upsert(schema.cluster_decisions, rows)
    assert pairs() == {*before, tuple(apart)}


def test_siblings_of_a_rejected_best_copy_are_compared_with_the_best_one_that_may_be_kept(
    workspace: Workspace,
) -> None:
    best = add_picture(workspace, photo(0))
    siblings = [add_picture(workspace, resaved(photo(0), quality)) for quality in (60, 40, 25)]
    curate.measure_images(workspace, workers=1)
    gate = pretend_scores(workspace)
    facts = load_facts(
        workspace.catalog, gate_id=gate.id, target=Field.DAMAGE, policy=SplitPolicy()
    )
    known = [DuplicatePair(*sorted((best, other)), "near", 1) for other in siblings]
    pairs = tuple(sorted(known, key=lambda pair: (pair.first, pair.second)))
    findings = {best: {Reason.BLURRY: {}}}
    assert compare_with_the_best(workspace, facts, FoundPairs(pairs)).pairs == pairs
    found = compare_with_the_best(workspace, facts, FoundPairs(pairs), findings=findings)
    policy = load_policy(None)
    assert not relate(list(facts), findings, pairs, policy).rejected
    relations = relate(list(facts), findings, found.pairs, policy)
    assert {name: each[1]["other"] for name, each in relations.rejected.items()} == (
        dict.fromkeys(siblings[1:], siblings[0])
    )
