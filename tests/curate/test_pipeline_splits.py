"""Splits as the whole of curate makes them: who lands where, and who never moves."""

from __future__ import annotations

import io

import numpy as np
import pytest
from curated import fill, splits, verdicts
from filling import add_picture, photo, pretend_scores, resaved
from PIL import Image
from sqlalchemy import select

import augment
import curate
from bodyshop.export.rows import manifest_rows
from bodyshop_core.catalog import Reason, add_labels, schema
from bodyshop_core.catalog.split_sets import choose_split_set, split_sets
from bodyshop_core.errors import UsageError
from bodyshop_core.workspace import Workspace
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.gate.stage import load_gate
from curate.splits.assign import SplitError
from train.data.samples import load_samples


def test_newcomers_are_added_and_nobody_moves(curated: Workspace) -> None:
    before = splits(curated)
    for seed in range(20, 28):
        add_picture(curated, photo(seed), labels={"damage": ("damaged", "whole")[seed % 2]})
    pretend_scores(curated)
    summary = curate.curate(curated, workers=1)
    after = splits(curated)
    assert summary.splits["added"] == 8
    assert len(after) == 20
    assert {sha256: after[sha256] for sha256 in before} == before


def test_near_duplicate_of_a_test_image_never_lands_in_train(curated: Workspace) -> None:
    """Kept because it is labelled otherwise, it must join the split of the one it resembles."""
    tested = [sha for sha, name in splits(curated).items() if name == "test"]
    for sha256 in tested:
        data = curated.image_path(sha256).read_bytes()
        label = _label(curated, sha256)
        other = add_picture(
            curated, resaved(data), labels={"damage": "whole" if label == "damaged" else "damaged"}
        )
        pretend_scores(curated)
        curate.curate(curated, workers=1)
        assert verdicts(curated)[other].verdict == "keep"
        assert splits(curated)[other] == "test"


def test_a_newcomer_that_ties_train_and_test_is_kept_out_and_nobody_else_moves(
    workspace: Workspace,
) -> None:
    for seed in range(12):
        add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("damaged", "whole")[seed % 2]},
            page_url=f"https://a.example/{seed}",
        )
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    before = splits(workspace)
    where = dict(zip(before.values(), before, strict=True))
    sightings = schema.sightings
    with workspace.catalog.read() as connection:
        pages = dict(connection.execute(select(sightings.c.sha256, sightings.c.page_url)).all())
    for name in ("train", "test"):  # the same picture, seen on a page of each
        bridge = add_picture(
            workspace, photo(50), labels={"damage": "whole"}, page_url=pages[where[name]]
        )
    pretend_scores(workspace)
    for _ in range(2):
        curate.curate(workspace, workers=1)
        assert verdicts(workspace)[bridge].reasons == [Reason.SPLIT_BRIDGE.value]
        assert splits(workspace) == before


def test_copies_are_found_in_a_crowd_whose_first_pictures_are_all_rejected(
    curated: Workspace,
) -> None:
    """Each of a crowd is compared with its first 64, and rejected pictures represent nobody."""
    photograph = Image.open(io.BytesIO(photo(50)))
    crowd = []
    for number in range(72):
        exif, buffer = Image.Exif(), io.BytesIO()
        exif[0x010E] = f"copy {number}"
        photograph.save(buffer, "PNG", exif=exif)
        crowd.append(add_picture(curated, buffer.getvalue(), labels={"damage": "whole"}))
    crowd.sort()
    pretend_scores(curated, dict.fromkeys(crowd[:64], 0.01))
    names = tuple(sorted(verdicts(curated).keys() | set(crowd)))
    vectors = np.random.default_rng(5).normal(size=(len(names), 64)).astype(np.float16)
    store = FeatureStore(curated.features / load_gate(curated).fingerprint)
    store.add(FeatureBatch(names, vectors, None, {}))
    summary = curate.curate(curated, workers=1)
    found = verdicts(curated)
    assert all(found[sha256].reasons == [Reason.NOT_A_CAR.value] for sha256 in crowd[:64])
    kept = [sha256 for sha256 in crowd if found[sha256].verdict == "keep"]
    assert len(kept) == 1
    assert summary.splits["leakage_check"]["refuted"] == 0
    assert summary.duplicates["heavy"] == 72
    curate.split(curated)
    remembered = [*(curated.features / "neighbours").rglob("*.parquet")]
    assert {path.parent.name for path in remembered} == {"all", "eligible", "kept", "assigned"}
    before = {path: path.stat().st_mtime_ns for path in remembered}
    curate.judge(curated)  # the answers for one set don't take the place of another's
    curate.split(curated)
    assert {path: path.stat().st_mtime_ns for path in remembered} == before


def test_splits_that_leak_are_refused_and_not_written(curated: Workspace) -> None:
    """Whatever the groups say, duplicates in different splits are searched for before writing."""
    copies = [
        add_picture(curated, resaved(curated.image_path(sha256).read_bytes()))
        for sha256 in splits(curated)
    ]
    pretend_scores(curated)
    curate.curate(curated, workers=1)
    add_labels(curated.catalog, [(sha, "damage", "whole", "import", "") for sha in copies])
    table = schema.verdicts
    with curated.catalog.begin() as connection:
        for (
            sha256
        ) in copies:  # as a fault in judging would leave them: kept, in groups of their own
            row = {"verdict": "keep", "reasons": [], "group": sha256[:16]}
            connection.execute(table.update().where(table.c.sha256 == sha256).values(row))
    with pytest.raises(SplitError, match="would lie in two splits"):
        curate.split(curated, new_split="leaky")
    assert "leaky" not in {each.name for each in split_sets(curated.catalog)}
    assert not splits(curated, "leaky")


def _label(workspace: Workspace, sha256: str) -> str:
    with workspace.catalog.read() as connection:
        query = select(schema.splits.c.label).where(schema.splits.c.sha256 == sha256)
        return str(connection.execute(query).scalar_one())


def test_a_new_split_set_starts_afresh_and_the_old_one_stays(curated: Workspace) -> None:
    before = splits(curated)
    policy = curate.Policy.model_validate({"splits": {"seed": 99}})
    curate.curate(curated, policy=policy, new_split="second", workers=1)
    assert splits(curated) == before
    assert len(splits(curated, "second")) == len(before)
    assert splits(curated, "second") != before
    assert choose_split_set(curated.catalog, "second", "damage").seed == 99
    with pytest.raises(UsageError, match="there is a split set 'second' already"):
        curate.curate(curated, new_split="second", workers=1)


def test_given_splits_are_kept_on_request(workspace: Workspace) -> None:
    given = {}
    for seed in range(12):
        name = ("train", "train", "validation", "test")[seed % 4]
        sha256 = add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("damaged", "whole")[seed // 4 % 2]},
            given_split=name,
        )
        given[sha256] = name
    pretend_scores(workspace)
    curate.curate(workspace, keep_given_splits=True, workers=1)
    assert splits(workspace) == given


def test_the_set_that_curate_ran_for_last_is_the_one_every_command_takes(
    workspace: Workspace,
) -> None:
    for seed in range(12):
        labels = {"damage": ("damaged", "whole")[seed % 2], "brand": ("A", "B")[seed // 2 % 2]}
        add_picture(workspace, photo(seed), labels=labels)
    pretend_scores(workspace)
    for target in ("damage", "brand", "damage"):
        curate.curate(workspace, target=target, workers=1)
        assert choose_split_set(workspace.catalog).name == target
        assert load_samples(workspace).split_set == target
        labels = {row["label"] for row in manifest_rows(workspace)}
        assert labels == {"damage": {"damaged", "whole"}, "brand": {"A", "B"}}[target]
    policy = augment.preset_names()[0]
    assert augment.augment(workspace, policy, copies=1, workers=1).split_set == "damage"
    revisions = [each.revision for each in split_sets(workspace.catalog)]
    assert len(revisions) == len(set(revisions)) == 2


def test_a_new_split_set_ignores_what_the_old_one_assigned(workspace: Workspace) -> None:
    """A picture that connects two splits of the old set is an ordinary one for the new set."""
    for seed in range(12):
        add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("damaged", "whole")[seed % 2]},
            page_url=f"https://a.example/{seed}",
        )
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    where = splits(workspace)
    first = {name: sha256 for sha256, name in where.items()}
    sightings = schema.sightings
    with workspace.catalog.read() as connection:
        pages = dict(connection.execute(select(sightings.c.sha256, sightings.c.page_url)).all())
    for name in ("train", "test"):
        bridge = add_picture(
            workspace, photo(50), labels={"damage": "whole"}, page_url=pages[first[name]]
        )
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    assert verdicts(workspace)[bridge].reasons == ["split_bridge"]
    for new_split in ("second", None):
        summary = curate.curate(workspace, new_split=new_split, workers=1)
        assert summary.splits["split_set"] == "second"
        assert verdicts(workspace)[bridge].verdict == "keep"
        assert bridge in splits(workspace, "second")


def test_a_picture_in_two_spinners_unites_them(workspace: Workspace) -> None:
    """Two spinners share one frame: their frames are one group, and none is a duplicate."""
    shared = photo(0)
    frames = {"one": [resaved(shared, 70), shared], "two": [shared, resaved(shared, 50)]}
    shas = {
        add_picture(workspace, data, spin_group=name, frame=place)
        for name, pictures in frames.items()
        for place, data in enumerate(pictures)
    }
    pretend_scores(workspace)
    summary = curate.curate(workspace, workers=1)
    found = verdicts(workspace)
    assert len(shas) == summary.kept == 3
    assert len({found[sha256].group for sha256 in shas}) == 1


def test_pictures_of_one_page_share_a_split_and_an_index_page_ties_nothing(
    workspace: Workspace,
) -> None:
    for seed in range(16):
        add_picture(
            workspace,
            photo(seed),
            labels={"damage": ("damaged", "whole")[seed // 2 % 2]},
            source="pages",
            page_url=f"https://cars.example/{seed // 2}",
            brand="Norden",
            model="Fjell",
        )
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    rows = verdicts(workspace)
    groups = {row.group for row in rows.values()}
    assert len(groups) == 8
    index = curate.Policy.model_validate({"splits": {"max_page": 1}})
    curate.curate(workspace, policy=index, workers=1)
    assert len({row.group for row in verdicts(workspace).values()}) == 16


def test_a_class_with_too_few_groups_is_named_after_everything_else_is_done(
    workspace: Workspace,
) -> None:
    fill(workspace, 7)
    lonely = add_picture(workspace, photo(50))
    add_labels(workspace.catalog, [(lonely, "damage", "burnt", "import", "")])
    pretend_scores(workspace)
    with pytest.raises(SplitError, match="class 'burnt' has 1 group"):
        curate.curate(workspace, workers=1)
    assert len(verdicts(workspace)) == 8
    report = workspace.reports / "curate" / "index.html"
    assert "The pictures were not split" in report.read_text()


def test_conflicting_labels_are_in_no_split(workspace: Workspace) -> None:
    shas = fill(workspace)
    add_labels(workspace.catalog, [(shas[0], "damage", "whole", "import", "")])
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    assert verdicts(workspace)[shas[0]].reasons == ["label_conflict"]
    assert shas[0] not in splits(workspace)
