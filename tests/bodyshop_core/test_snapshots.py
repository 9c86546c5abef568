"""A snapshot names what the catalog says; equal states are one, and erased pictures leave them."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from bodyshop.forget import forget
from bodyshop_core.catalog import (
    CatalogError,
    Origin,
    add_labels,
    effective_labels,
    now,
    register_image,
    schema,
)
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.snapshots import (
    PictureState,
    erase_from_states,
    list_snapshots,
    load_state,
    read_state,
    reading,
    record_state,
    remove_snapshot,
    resolve_state,
    save_snapshot,
)
from bodyshop_core.snapshots.state import CONFLICT, decode, decode_rows, encode, split_rows
from curate import Policy


@pytest.fixture
def filled(workspace):
    """Forty pictures with labels, verdicts and splits."""
    names, catalog = [], workspace.catalog
    with catalog.begin() as connection:
        for number in range(40):
            blob = workspace.blobs.put_bytes(f"picture {number}".encode(), "jpg")
            register_image(connection, blob, extension="jpg", facts={})
            names.append(blob.sha256)
    add_labels(
        catalog, [(n, "damage", ["dent", "whole"][i % 2], "import", "") for i, n in rows(names)]
    )
    catalog.upsert(schema.verdicts, [verdict(name, names[0]) for name in names])
    row = {"name": "damage", "target": "damage", "seed": 7, "ratios": {}, "options": {}}
    catalog.upsert(schema.split_sets, [row | {"created_at": now()}])
    catalog.upsert(
        schema.splits,
        [
            {"split_set": "damage", "sha256": n, "split": "train", "label": "dent", "group": n[:8]}
            for n in names
        ],
    )
    return workspace, names


def rows(names):
    return list(enumerate(names))


def verdict(name, best):
    return {
        "sha256": name, "verdict": "keep", "reasons": [], "representative": best,
        "group": name[:8], "policy": Policy().digest, "decided_at": now(),
    }  # fmt: skip


def size(workspace, table):
    with workspace.catalog.read() as connection:
        return connection.scalar(select(func.count()).select_from(table))


def reject(workspace, name, *reasons):
    with workspace.catalog.begin() as connection:
        table = schema.verdicts
        change = {"verdict": "reject", "reasons": list(reasons)}
        connection.execute(update(table).where(table.c.sha256 == name).values(**change))


def test_a_recorded_state_is_read_back_as_it_was_when_everything_has_changed(filled):
    workspace, names = filled
    before = read_state(workspace)
    save_snapshot(workspace, "first", "before labelling")
    reject(workspace, names[0], "blurry", "too_small")
    add_labels(workspace.catalog, [(names[1], "damage", "dent", "human", "me")])
    after = read_state(workspace)
    again = load_state(workspace, resolve_state(workspace, "first"))
    assert again.pictures == before.pictures and again.about == before.about
    assert (after.pictures[names[0]].verdict, after.pictures[names[0]].reasons) == (
        "reject", "blurry;too_small",
    )  # fmt: skip
    assert (after.pictures[names[1]].damage, after.pictures[names[1]].damage_by) == (
        "dent",
        "human",
    )
    assert again.pictures[names[1]].damage == "whole"


def test_equal_states_share_an_id_and_a_small_change_stores_one_part_only(filled):
    workspace, names = filled
    first = record_state(workspace).id
    parts = size(workspace, schema.state_chunks)
    assert record_state(workspace).id == first == save_snapshot(workspace, "a").id
    assert (size(workspace, schema.states), size(workspace, schema.state_chunks)) == (1, parts)
    reject(workspace, names[0], "blurry")
    second = record_state(workspace).id
    assert second != first and size(workspace, schema.state_chunks) == parts + 1
    reject(workspace, names[0])
    with workspace.catalog.begin() as connection:
        connection.execute(update(schema.verdicts).values(verdict="keep"))
    assert record_state(workspace).id == first


def test_labels_of_equal_rank_that_differ_are_a_conflict(filled):
    workspace, names = filled
    add_labels(workspace.catalog, [(names[0], "damage", "whole", "import", "other")])
    assert read_state(workspace).pictures[names[0]][10:12] == (None, CONFLICT)


def test_masks_count_by_their_pixels(filled):
    workspace, names = filled
    file = workspace.masks / f"{names[0]}.png"
    file.parent.mkdir()
    row = {
        "key": "k", "sha256": names[0], "project": "p", "annotator": "me", "kind": "mask",
        "label": "scratch", "file": f"masks/{names[0]}.png", "state": "current", "updated_at": "t",
    }  # fmt: skip
    seen = []
    for pixels in (b"one", b"other"):
        file.write_bytes(pixels)
        workspace.catalog.upsert(schema.annotations, [row])
        seen.append(read_state(workspace).pictures[names[0]].masks)
    assert [label for [[label, _]] in seen] == ["scratch", "scratch"]
    assert seen[0] != seen[1]


def test_the_policy_is_kept_with_the_state(filled):
    workspace, _ = filled
    policy = Policy()
    content = policy.model_dump(mode="json")
    workspace.catalog.upsert(schema.policies, [{"digest": policy.digest, "content": content}])
    state = load_state(workspace, record_state(workspace).id)
    assert state.about["policies"] == {policy.digest: content}
    assert state.about["split_sets"]["damage"]["seed"] == 7 and state.about["newest"] == "damage"


def test_forgotten_pictures_leave_every_snapshot_which_keeps_its_id(filled):
    workspace, names = filled
    first = save_snapshot(workspace, "first").id
    reject(workspace, names[5], "blurry")
    save_snapshot(workspace, "second")
    forget(workspace, names[0])
    for snapshot in list_snapshots(workspace).snapshots:
        assert (snapshot.pictures, snapshot.erased) == (39, 1)
        state = load_state(workspace, snapshot.id)
        assert names[0] not in state.pictures
        assert all(each.representative is None for each in state.pictures.values())
    assert resolve_state(workspace, "first") == first
    with workspace.catalog.read() as connection:
        for packed in connection.scalars(select(schema.state_chunks.c.rows)):
            assert names[0].encode() not in zlib.decompress(packed)


def test_a_snapshot_is_removed_with_the_parts_that_no_other_has(filled):
    workspace, names = filled
    first = save_snapshot(workspace, "first").id
    parts = size(workspace, schema.state_chunks)
    reject(workspace, names[0], "blurry")
    save_snapshot(workspace, "second")
    remove_snapshot(workspace, "second")
    assert size(workspace, schema.state_chunks) == parts
    row = {"id": "train-1", "command": "train", "arguments": {}, "versions": {}, "state": "done"}
    row |= {"started_at": now(), "data_state": first}
    workspace.catalog.upsert(schema.runs, [row])
    remove_snapshot(workspace, "first")
    [left] = list_snapshots(workspace).snapshots
    assert (left.name, left.id, left.runs) == (None, first, ("train-1",))
    with pytest.raises(NothingFoundError, match="no snapshot 'first'"):
        remove_snapshot(workspace, "first")


def test_a_state_that_nothing_uses_is_removed_by_its_id_and_others_are_not(filled):
    workspace, names = filled
    used = record_state(workspace).id
    reject(workspace, names[0], "blurry")
    named = save_snapshot(workspace, "mine").id
    reject(workspace, names[1], "blurry")
    unused = record_state(workspace).id
    row = {"id": "train-1", "command": "train", "arguments": {}, "versions": {}, "state": "failed"}
    workspace.catalog.upsert(schema.runs, [row | {"started_at": now(), "data_state": used}])
    parts = size(workspace, schema.state_chunks)
    removed = remove_snapshot(workspace, unused[:10])
    assert (removed.id, removed.name) == (unused, None)
    assert size(workspace, schema.state_chunks) < parts
    with pytest.raises(UsageError, match="has a name: mine"):
        remove_snapshot(workspace, named)
    with pytest.raises(UsageError, match="train-1"):
        remove_snapshot(workspace, used)
    assert {each.id for each in list_snapshots(workspace).snapshots} == {used, named}


@pytest.mark.parametrize("forgotten", [1, 20])
def test_nothing_that_stays_names_a_forgotten_picture_now_or_in_the_next_state(filled, forgotten):
    workspace, names = filled
    gone = set(names[:forgotten])
    with workspace.catalog.begin() as connection:
        digits = {"cluster": names[0][:16], "group": names[0][:16]}
        connection.execute(update(schema.verdicts).values(**digits))
        connection.execute(update(schema.splits).values(group=names[0][:16]))
    save_snapshot(workspace, "first")
    before = size(workspace, schema.state_chunks)
    with workspace.catalog.begin() as connection:
        connection.execute(delete(schema.images).where(schema.images.c.sha256.in_(gone)))
        assert erase_from_states(connection, gone) == 1
    assert size(workspace, schema.state_chunks) <= before
    then = load_state(workspace, resolve_state(workspace, "first"))
    for state in (then, read_state(workspace)):
        assert not any(name[:16].encode() in data for data in state.encoded.values()
                       for name in gone)  # fmt: skip
        assert state.pictures.keys() == set(names) - gone
        # Those that were together still are.
        assert len({each.cluster for each in state.pictures.values()}) == 1
        assert len({(each.group, *each.splits[0]) for each in state.pictures.values()}) == 1
        assert None not in {each.cluster for each in state.pictures.values()}


def test_a_taken_name_is_refused_and_a_bad_one_too(filled):
    workspace, names = filled
    save_snapshot(workspace, "처음", "note")
    assert save_snapshot(workspace, "처음").note == "note"
    reject(workspace, names[0], "blurry")
    with pytest.raises(UsageError, match="already"):
        save_snapshot(workspace, "처음")
    for name in ("now", "../x", "a b", "", "-x", "x" * 65):
        with pytest.raises(UsageError, match="can't name"):
            save_snapshot(workspace, name)


def test_the_beginning_of_an_id_finds_a_state_and_unknown_names_list_the_known(filled):
    workspace, _ = filled
    state = save_snapshot(workspace, "first").id
    assert resolve_state(workspace, state[:8]) == state
    with pytest.raises(NothingFoundError, match="there are: first"):
        resolve_state(workspace, "second")


def test_a_damaged_part_is_an_error(filled):
    workspace, _ = filled
    state = record_state(workspace).id
    with workspace.catalog.begin() as connection:
        connection.execute(update(schema.state_chunks).values(rows=zlib.compress(b"[]")))
    with pytest.raises(CatalogError, match="damaged") as caught:
        load_state(workspace, state)
    assert workspace.catalog.label in (caught.value.hint or "")


text = st.one_of(st.none(), st.text(max_size=5))


@given(
    st.lists(
        st.tuples(
            st.text(max_size=3),
            text,
            text,
            text,
            st.text(max_size=3),
            st.booleans(),
            *[text] * 10,
            st.lists(st.lists(st.text(max_size=3), min_size=4, max_size=4), max_size=2),
            st.lists(st.lists(st.text(max_size=3), min_size=2, max_size=2), max_size=2),
        ),
        max_size=4,
    )
)
def test_rows_survive_coding_whatever_their_texts_hold(values):
    pictures = [PictureState(*value) for value in values]
    assert decode(encode(pictures)) == pictures
    assert json.loads(encode(pictures)) is not None


sha256s = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=3)
awkward = st.one_of(st.none(), st.text('[]",\\a0', max_size=6), st.sampled_from(["]],[", ']],["']))


@given(sha256s, st.lists(st.tuples(awkward, awkward), min_size=3, max_size=3), st.booleans())
def test_rows_are_cut_apart_whatever_their_texts_hold(shas, texts, placed):
    lists = [list(map(str, pair)) * 2 for pair in texts] if placed else []
    pictures = [
        PictureState(sha, *texts[0], *texts[1], True, *texts[2], *texts[0] * 4, lists, lists[:1])
        for sha in shas
    ]
    cut = split_rows(encode(pictures))
    assert [row[:64].decode() for row in cut] == shas
    assert decode_rows(cut) == pictures and decode_rows(cut[1:]) == pictures[1:]
    assert split_rows(encode([])) == [] == decode_rows([])


def test_a_state_is_written_as_the_encoder_writes_its_pictures(filled, monkeypatch):
    workspace, names = filled
    monkeypatch.setattr(reading, "PART", 4)
    odd = 'a "b"\\ 기아\n]],["\u2028\x7f'
    add_labels(workspace.catalog, [(names[1], "brand", odd, "human", odd)])
    sets = {"target": "brand", "seed": 1, "ratios": {}, "options": {}, "created_at": now()}
    workspace.catalog.upsert(schema.split_sets, [sets | {"name": odd}])
    place = {"split_set": odd, "split": "test", "label": odd, "group": odd}
    workspace.catalog.upsert(schema.splits, [place | {"sha256": name} for name in names[:20]])
    reject(workspace, names[2], odd)
    state = read_state(workspace)
    for prefix, data in state.encoded.items():
        assert data == encode(state.chunks[prefix])
    picture = state.pictures[names[1]]
    assert (picture.brand, len(picture.splits), picture.splits[0]) == (
        odd,
        2,
        [odd, "test", odd, odd],
    )
    assert state.pictures[names[2]].reasons == odd


given_labels = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([origin.value for origin in Origin])),
    max_size=5,
)


@given(given_labels)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_the_label_of_a_state_is_the_one_that_counts(filled, said):
    workspace, names = filled
    with workspace.catalog.begin() as connection:
        connection.execute(schema.labels.delete())
    add_labels(
        workspace.catalog,
        [(names[0], "brand", value, origin, f"{n}") for n, (value, origin) in enumerate(said)],
    )
    counts = effective_labels(workspace.catalog, "brand").get(names[0])
    row = read_state(workspace).pictures[names[0]]
    assert row.brand == (counts and counts.value)
    if counts:
        assert row.brand_by == (CONFLICT if counts.conflict else counts.origin)
