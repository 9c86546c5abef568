"""A second curate does nothing again; a few new pictures are compared with what is there."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from curated import fill, splits, verdicts
from filling import add_picture, photo, pretend_scores, resaved

import curate
from bodyshop_core.catalog import add_labels, now, schema
from bodyshop_core.catalog.changes import change_counts
from bodyshop_core.workspace import Workspace
from curate import unchanged
from curate.duplicates import pairs
from curate.duplicates import stage as duplicates


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often duplicates are searched for, and how many pairs are compared by their pixels."""
    counts: Counter[str] = Counter()
    find_pairs, compute = pairs.find_pairs, duplicates.compute_here

    def counted_search(*arguments: Any, **options: Any) -> Any:
        counts["search"] += 1
        return find_pairs(*arguments, **options)

    def counted_pairs(function: Any, items: list[Any], **options: Any) -> Any:
        counts["pixels"] += len(items)
        return compute(function, items, **options)

    monkeypatch.setattr(pairs, "find_pairs", counted_search)
    monkeypatch.setattr(duplicates, "compute_here", counted_pairs)
    return counts


def test_nothing_new_is_neither_compared_nor_written(
    curated: Workspace, searches: Counter[str]
) -> None:
    first, before, searched = curate.curate(curated, workers=1), written(curated), searches.copy()
    second = curate.curate(curated, workers=1)
    assert searches == searched
    assert written(curated) == before
    assert json.dumps(second.as_dict()) == json.dumps(first.as_dict())
    assert (second.measured, second.scored) == (0, 0)


def test_whatever_changes_a_verdict_is_noticed(
    curated: Workspace, searches: Counter[str], tmp_path: Path
) -> None:
    shas = sorted(verdicts(curated))
    policy = tmp_path / "curate.yaml"
    policy.write_text("size: {min_short_side: 10}\n", encoding="utf-8")
    curate.curate(curated, workers=1)

    def decide() -> None:
        row = {"sha256": shas[0], "decision": "reject", "framing": None, "note": None, "by": "me"}
        curated.catalog.upsert(schema.decisions, [{**row, "at": now()}])

    def forget() -> None:
        with curated.catalog.begin() as connection:
            images = schema.images
            connection.execute(images.delete().where(images.c.sha256 == shas[1]))

    def tamper() -> None:
        with curated.catalog.begin() as connection:
            connection.execute(schema.verdicts.update().values(verdict="reject"))

    changes: dict[str, Any] = {
        "a decision": decide,
        "a label": lambda: add_labels(
            curated.catalog, [(shas[2], "damage", "dented", "human", "me")]
        ),
        "an erased picture": forget,
        "verdicts that somebody else wrote": tamper,
        "the report": lambda: shutil.rmtree(curated.reports / "curate"),
        "a policy": lambda: None,
    }
    for name, change in changes.items():
        change()
        before = searches["search"]
        summary = curate.curate(curated, workers=1, policy=policy if name == "a policy" else None)
        assert searches["search"] == before + 1, name
        assert summary.report.exists()
    found = verdicts(curated)
    assert found[shas[0]].reasons == ["human_reject"]
    assert shas[1] not in found
    assert sum(row.verdict == "keep" for row in found.values()) == summary.kept == 10


def test_a_copy_of_a_workspace_answers_with_its_own_report(
    curated: Workspace, searches: Counter[str], tmp_path: Path
) -> None:
    first = curate.curate(curated, workers=1).report
    searches.clear()
    copy = Workspace.open(shutil.copytree(curated.root, tmp_path / "copy"))
    again = curate.curate(copy, workers=1)
    assert not searches
    assert again.report == copy.root / first.relative_to(curated.root)


def test_a_picture_that_a_person_kept_between_two_splits_is_nothing_new_the_next_time(
    workspace: Workspace, searches: Counter[str]
) -> None:
    for seed in range(12):
        bridge = add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("damaged", "whole")[seed // 4 % 2]},
            given_split=("train", "train", "validation", "test")[seed % 4],
            page_url=f"https://a.example/{'both' if seed in (0, 3) else seed}",
            source="pages",
            brand="B",
            model="M",
        )
        if seed == 0:
            kept = bridge
    pretend_scores(workspace)
    row = {"sha256": kept, "decision": "keep", "framing": None, "note": None, "by": "me"}
    workspace.catalog.upsert(schema.decisions, [{**row, "at": now()}])
    summary = curate.curate(workspace, keep_given_splits=True, workers=1)
    assert (summary.splits["dropped"], summary.splits["rejected"], summary.kept) == (1, 0, 12)
    searched = searches["search"]
    curate.curate(workspace, keep_given_splits=True, workers=1)
    assert searches["search"] == searched


def test_what_comes_while_curate_runs_is_seen_by_the_next(
    workspace: Workspace, searches: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(workspace)
    pretend_scores(workspace)
    write_report = curate.pipeline.write_report

    def label_meanwhile(*arguments: Any, **options: Any) -> Any:
        sha = sorted(verdicts(workspace))[0]
        add_labels(workspace.catalog, [(sha, "damage", "dented", "human", "me")])
        return write_report(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(curate.pipeline, "write_report", label_meanwhile)
        curate.curate(workspace, workers=1)
    curate.curate(workspace, workers=1)
    assert searches["search"] == 2
    curate.curate(workspace, workers=1)
    assert searches["search"] == 2


def test_a_few_new_pictures_end_as_in_a_fresh_curate(
    tmp_path: Path, searches: Counter[str]
) -> None:
    def add_new(workspace: Workspace) -> None:
        for seed in (0, 3):
            add_picture(workspace, resaved(photo(seed), 20), file=f"/new/{seed}.jpg")
        add_picture(workspace, photo(50, size=(300, 40)), labels={"damage": "whole"})
        pretend_scores(workspace)

    grown, fresh = (Workspace.open(tmp_path / name) for name in ("grown", "fresh"))
    fill(grown)
    add_picture(grown, resaved(photo(5), 20))
    pretend_scores(grown)
    curate.curate(grown, workers=1)
    placed, compared = splits(grown), searches["pixels"]
    stamps = {name: row.decided_at for name, row in verdicts(grown).items()}
    with grown.catalog.begin() as connection:  # whatever is written anew gets another time
        connection.execute(schema.verdicts.update().values(decided_at="before"))
    add_new(grown)
    curate.curate(grown, workers=1)
    again = searches["pixels"] - compared
    fill(fresh)
    add_picture(fresh, resaved(photo(5), 20))
    add_new(fresh)
    curate.curate(fresh, workers=1)
    assert again + compared == searches["pixels"] - again - compared  # no pair twice
    same = ("verdict", "reasons", "details", "cluster", "representative", "group", "human")

    def what(workspace: Workspace) -> dict[str, Any]:
        return {
            sha: [getattr(row, name) for name in same] for sha, row in verdicts(workspace).items()
        }

    assert what(grown) == what(fresh)
    written_anew = {s for s, row in verdicts(grown).items() if row.decided_at != "before"}
    assert 3 <= len(written_anew) < len(stamps)
    assert placed.items() <= {**placed, **splits(grown)}.items()


def written(workspace: Workspace) -> dict[str, int]:
    with workspace.catalog.read() as connection:
        return change_counts(connection, (*unchanged.INPUTS, *unchanged.OUTPUTS))
