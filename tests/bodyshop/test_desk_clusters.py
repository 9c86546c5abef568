"""Duplicate clusters and gold at the desk: what curate makes of them, and how they are undone."""

from __future__ import annotations

import pytest
from filling import add_picture, photo, pretend_scores, resaved
from sqlalchemy import select

import curate
from bodyshop.desk.state import DeskState
from bodyshop.desk.table import load_table
from bodyshop.export.rows import manifest_rows
from bodyshop.forget import forget
from bodyshop_core.catalog import schema
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    """Three pictures, the first of them twice."""
    workspace = Workspace.open(tmp_path / "workspace")
    data = [photo(0), resaved(photo(0)), photo(1), photo(2)]
    for number, each in enumerate(data):
        add_picture(
            workspace, each, labels={"damage": "whole"}, file=f"{number}.jpg", source="import"
        )
    curate.measure_images(workspace, workers=1)
    pretend_scores(workspace)
    curate.judge(workspace)
    return workspace


@pytest.fixture
def state(workspace):
    return DeskState(workspace, "Kim", read_only=False)


def named(state) -> dict[str, str]:
    return dict(
        zip(state.table["file"].to_pylist(), state.table["sha256"].to_pylist(), strict=True)
    )


def judged(workspace):
    curate.judge(workspace)
    with workspace.catalog.read() as connection:
        return {row.sha256: row for row in connection.execute(select(schema.verdicts))}


def rows_of(workspace, table):
    with workspace.catalog.read() as connection:
        return {row.sha256: row for row in connection.execute(select(table))}


def test_a_copy_that_a_person_takes_out_of_its_cluster_is_kept_but_never_changes_its_split(
    state, workspace
):
    names = named(state)
    first, copy = names["0.jpg"], names["1.jpg"]
    before = judged(workspace)
    assert {before[first].verdict, before[copy].verdict} == {"keep", "reject"}
    assert state.act({"kind": "split", "pictures": [copy]}, None)["pictures"] == 2
    assert rows_of(workspace, schema.cluster_decisions)[copy].by == "desk:Kim"
    after = judged(workspace)
    assert [after[sha256].verdict for sha256 in (first, copy)] == ["keep", "keep"]
    assert [after[sha256].cluster for sha256 in (first, copy)] == [None, None]
    assert after[first].group == after[copy].group
    assert state.undo() == {"pictures": 2, "changed_since": 0}
    assert {sha256: row.verdict for sha256, row in judged(workspace).items()} == {
        sha256: row.verdict for sha256, row in before.items()
    }


def test_clusters_that_a_person_merges_keep_one_picture_and_one_split(state, workspace):
    names = named(state)
    done = state.act({"kind": "merge", "pictures": [names["1.jpg"], names["2.jpg"]]}, None)
    assert done["pictures"] == 3
    found = judged(workspace)
    same = [found[names[f"{number}.jpg"]] for number in (0, 1, 2)]
    assert sorted(row.verdict for row in same) == ["keep", "reject", "reject"]
    assert len({row.cluster for row in same}) == len({row.group for row in same}) == 1
    kept = next(row.sha256 for row in same if row.verdict == "keep")
    assert {row.representative for row in same} == {kept}
    assert found[names["3.jpg"]].cluster is None
    rejected = next(row.sha256 for row in same if "person" in str(row.details))
    assert "a person merged it with" in str(curate.explain(workspace, rejected).facts["reasons"])


def test_a_merge_is_split_again_before_and_after_curate(state, workspace):
    names = named(state)
    two, three = names["2.jpg"], names["3.jpg"]
    state.act({"kind": "merge", "pictures": [two, three]}, None)
    state.act({"kind": "split", "pictures": [three]}, None)
    assert {judged(workspace)[each].verdict for each in (two, three)} == {"keep"}
    state.act({"kind": "merge", "pictures": [two, three]}, None)
    assert judged(workspace)[two].cluster == judged(workspace)[three].cluster
    state.act({"kind": "split", "pictures": [three]}, None)
    assert {judged(workspace)[each].cluster for each in (two, three)} == {None}


def test_what_can_not_be_merged_or_split_is_refused(state, workspace):
    names = named(state)
    for kind, files in (("merge", ["3.jpg"]), ("split", ["3.jpg"]), ("split", ["0.jpg", "1.jpg"]),
                        ("split", ["0.jpg", "3.jpg"])):  # fmt: skip
        with pytest.raises(UsageError):
            state.act({"kind": kind, "pictures": [names[each] for each in files]}, None)
    assert not rows_of(workspace, schema.cluster_decisions)


def test_gold_is_a_filter_and_a_column_and_is_undone(state, workspace):
    names = named(state)
    state.act({"kind": "gold", "pictures": [names["2.jpg"]]}, None)
    assert state.table.equals(load_table(workspace))
    rows = {row["sha256"]: row["gold"] for row in manifest_rows(workspace)}
    assert [sha256 for sha256, gold in rows.items() if gold == "yes"] == [names["2.jpg"]]
    assert rows_of(workspace, schema.gold)[names["2.jpg"]].by == "desk:Kim"
    state.act({"kind": "gold", "value": "no", "pictures": [names["2.jpg"]]}, None)
    assert not rows_of(workspace, schema.gold)
    state.undo()
    assert rows_of(workspace, schema.gold)
    state.act({"kind": "clear", "pictures": [names["2.jpg"]]}, None)
    assert not rows_of(workspace, schema.gold)
    state.undo()
    state.undo()
    assert not rows_of(workspace, schema.gold)
    assert state.table.equals(load_table(workspace))


def test_an_erased_picture_leaves_no_trace_in_clusters_and_gold(state, workspace):
    names = named(state)
    state.act({"kind": "merge", "pictures": [names["2.jpg"], names["3.jpg"]]}, None)
    state.act({"kind": "gold", "pictures": [names["2.jpg"]]}, None)
    forget(workspace, names["2.jpg"])
    assert rows_of(workspace, schema.cluster_decisions).keys() == {names["3.jpg"]}
    assert not rows_of(workspace, schema.gold)
    assert judged(workspace)[names["3.jpg"]].cluster is None


def test_a_read_only_desk_refuses_clusters_and_gold(workspace):
    state = DeskState(workspace, "Kim", read_only=True)
    for kind in ("merge", "split", "gold"):
        with pytest.raises(UsageError, match="read-only"):
            state.act({"kind": kind, "pictures": state.table["sha256"].to_pylist()[:2]}, None)
