"""What `augment` promises: train only, reproducible, resumable, one set per policy."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shots import Fill, Shot, fill_workspace, jpeg, mask, picture, pixels, png, tree
from sqlalchemy import update

from augment import augment, verification, verify
from augment.adapter import Pipeline
from augment.encoding import encode
from augment.plan import LeakError, copies_per_picture
from augment.policy import parse_policy, preset_names
from augment.rendering import seed_for
from bodyshop_core.catalog import now, schema
from bodyshop_core.catalog.variants import current_variants, variant_sets
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace

DRAWN = np.asarray(mask())
FLIP = parse_policy("name: flip\ntransforms:\n  - HorizontalFlip: {p: 1.0}\n")


def shots(n: int = 6, **options: object) -> list[Shot]:
    return [Shot(jpeg(picture(number)), **options) for number in range(n)]


def images(folder: Path | str) -> dict[str, str]:
    return {name: digest for name, digest in tree(Path(folder)).items() if name[2] == "/"}


def test_only_the_training_part_is_augmented(workspace: Workspace, fill: Fill) -> None:
    names = fill(
        [
            Shot(jpeg(picture(n)), split=split)
            for n, split in enumerate(["train", "validation", "test", "train"])
        ]
    )
    summary = augment(workspace, "light", copies=3, workers=0)
    assert (summary.pictures, summary.variants, summary.made) == (2, 6, 6)
    made_from = {path.name[:64] for path in Path(summary.folder).glob("??/*.jpg")}
    assert made_from == {names[0], names[3]}


def test_variants_inherit_label_group_and_masks(workspace: Workspace, fill: Fill) -> None:
    drawn = mask()
    (name,) = fill(
        [Shot(jpeg(picture(1)), label="찌그러짐", group="car-7", mask=png(drawn), split="train")]
    )
    augment(workspace, FLIP, copies=1, workers=0)
    (variant,) = current_variants(workspace.catalog, "main")
    assert (variant.sha256, variant.label, variant.group) == (name, "찌그러짐", "car-7")
    flipped = pixels(workspace.root / variant.masks["scratch"])
    assert np.array_equal(flipped, np.asarray(drawn)[:, ::-1])
    data = (workspace.root / variant.file).read_bytes()
    assert hashlib.sha256(data).hexdigest() == variant.digest


def test_boxes_are_carried_along(workspace: Workspace, fill: Fill) -> None:
    fill([Shot(jpeg(picture(1)), box={"x": 10, "y": 20, "width": 30, "height": 40})])
    augment(workspace, FLIP, copies=1, workers=0)
    (variant,) = current_variants(workspace.catalog, "main")
    ((label, *corners),) = variant.boxes
    assert label == "dent"
    assert corners == pytest.approx([0.6, 0.2, 0.9, 0.6])


def test_one_worker_and_three_give_the_same_bytes(tmp_path: Path) -> None:
    folders = []
    for workers in (1, 3):
        workspace = Workspace.open(tmp_path / str(workers))
        fill_workspace(workspace, [Shot(jpeg(picture(n)), mask=png(mask())) for n in range(12)])
        folders.append(augment(workspace, "car-damage", copies=2, workers=workers).folder)
    one, three = map(images, folders)
    assert len(one) == 48  # 12 pictures x 2 copies x (picture, mask)
    assert one == three


def test_a_second_run_makes_nothing_and_changes_nothing(workspace: Workspace, fill: Fill) -> None:
    fill(shots())
    first = augment(workspace, "light", workers=0)
    before = tree(Path(first.folder))
    second = augment(workspace, "light", workers=0)
    assert (first.made, second.made, second.variants) == (12, 0, 12)
    assert tree(Path(second.folder)) == before


def test_more_copies_keep_the_ones_there_and_fewer_take_them_out_of_the_set(
    workspace: Workspace, fill: Fill
) -> None:
    fill(shots(4))
    folder = Path(augment(workspace, "light", copies=1, workers=0).folder)
    before = images(folder)
    more = augment(workspace, "light", copies=3, workers=0)
    assert (more.made, more.variants) == (8, 12)
    assert images(folder).items() >= before.items()
    fewer = augment(workspace, "light", copies=2, workers=0)
    assert (fewer.made, fewer.variants) == (0, 8)
    assert {v.copy for v in current_variants(workspace.catalog, "main")} == {1, 2}
    assert len(images(folder)) == 12  # no stage deletes


def test_lost_and_damaged_files_are_made_again(workspace: Workspace, fill: Fill) -> None:
    fill(shots(3))
    folder = Path(augment(workspace, "light", copies=1, workers=0).folder)
    before = images(folder)
    first, second, _ = sorted(folder.glob("??/*.jpg"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    assert augment(workspace, "light", copies=1, workers=0).made == 2
    assert images(folder) == before


def test_newcomers_are_added_and_the_others_left_alone(workspace: Workspace, fill: Fill) -> None:
    fill(shots(3))
    folder = Path(augment(workspace, "light", copies=2, workers=0).folder)
    before = images(folder)
    fill([*shots(3), Shot(jpeg(picture(77)))])
    summary = augment(workspace, "light", copies=2, workers=0)
    assert (summary.made, summary.variants) == (2, 8)
    assert images(folder).items() >= before.items()


def test_another_policy_makes_a_new_set_beside_the_old_one(
    workspace: Workspace, fill: Fill
) -> None:
    fill(shots(2))
    first = augment(workspace, "light", copies=1, workers=0)
    before = tree(Path(first.folder))
    second = augment(workspace, FLIP, copies=1, workers=0)
    assert first.folder != second.folder
    assert tree(Path(first.folder)) == before
    assert set(variant_sets(workspace.catalog, "main")) == {first.variant_set, second.variant_set}
    of_first = current_variants(workspace.catalog, "main", first.variant_set)
    assert [variant.file.split("/")[1] for variant in of_first] == [first.variant_set] * 2


def test_another_split_set_takes_over_what_is_there(workspace: Workspace, fill: Fill) -> None:
    names = fill(shots(4))
    augment(workspace, "light", copies=1, workers=0)
    other = [
        Shot(jpeg(picture(n)), split="train" if n < 2 else "test", label="other") for n in range(4)
    ]
    fill_workspace(workspace, other, split_set="second")
    summary = augment(workspace, "light", copies=1, split_set="second", workers=0)
    assert (summary.made, summary.variants) == (0, 2)
    variants = current_variants(workspace.catalog, "second")
    assert {variant.sha256 for variant in variants} == set(names[:2])
    assert {variant.label for variant in variants} == {"other"}


def test_a_rejected_picture_leaves_the_set(workspace: Workspace, fill: Fill) -> None:
    names = fill(shots(3))
    augment(workspace, "light", copies=1, workers=0)
    workspace.catalog.upsert(
        schema.verdicts,
        [
            {
                "sha256": names[0],
                "verdict": "reject",
                "reasons": ["human_reject"],
                "policy": "x",
                "decided_at": now(),
            }
        ],
    )
    summary = augment(workspace, "light", copies=1, workers=0)
    assert (summary.pictures, summary.variants) == (2, 2)
    assert names[0] not in {v.sha256 for v in current_variants(workspace.catalog, "main")}


def test_a_redrawn_mask_makes_its_variants_again(workspace: Workspace, fill: Fill) -> None:
    first = Shot(jpeg(picture(1)), mask=png(mask()))
    fill([first, Shot(jpeg(picture(2)))])
    augment(workspace, FLIP, copies=1, workers=0)
    fill([Shot(first.data, mask=png(mask(box=(0, 0, 10, 10)))), Shot(jpeg(picture(2)))])
    assert augment(workspace, FLIP, copies=1, workers=0).made == 1
    (masked,) = [v for v in current_variants(workspace.catalog, "main") if v.masks]
    drawn = pixels(workspace.root / masked.masks["scratch"])
    assert drawn[:10, -10:].min() == 255
    assert drawn[:, :-10].max() == 0


def test_balance_brings_every_class_to_the_largest(workspace: Workspace, fill: Fill) -> None:
    fill(
        [Shot(jpeg(picture(n)), label="whole") for n in range(6)]
        + [Shot(jpeg(picture(n)), label="damaged") for n in range(10, 14)]
    )
    summary = augment(workspace, "light", copies=1, balance=True, workers=0)
    assert summary.per_class == {
        "damaged": {"originals": 4, "variants": 8},
        "whole": {"originals": 6, "variants": 6},
    }


def test_balance_spreads_evenly_and_stops_at_the_ceiling() -> None:
    labels = {f"a{n}": "many" for n in range(10)} | {f"b{n}": "few" for n in range(4)}
    wanted = copies_per_picture(labels, copies=0, balance=True)
    assert [wanted[f"a{n}"] for n in range(10)] == [0] * 10
    assert [wanted[f"b{n}"] for n in range(4)] == [2, 2, 1, 1]
    lonely = {f"a{n}": "many" for n in range(100)} | {"b": "one"}
    assert copies_per_picture(lonely, copies=1, balance=True)["b"] == 50


def test_a_leaking_split_is_refused(workspace: Workspace, fill: Fill) -> None:
    fill(
        [
            Shot(jpeg(picture(1)), group="g", split="train"),
            Shot(jpeg(picture(2)), group="g", split="test"),
        ]
    )
    with pytest.raises(LeakError, match="1 groups have pictures inside and outside the training"):
        augment(workspace, "light")
    assert not list(workspace.variants.glob("*/??"))


def test_without_a_split_there_is_nothing_to_augment(workspace: Workspace, fill: Fill) -> None:
    with pytest.raises(NothingFoundError, match="bodyshop curate"):
        augment(workspace, "light")
    fill([Shot(jpeg(picture(1)), split="test")])
    with pytest.raises(NothingFoundError, match="training part"):
        augment(workspace, "light")
    with pytest.raises(UsageError, match="there is no split set 'other'"):
        augment(workspace, "light", split_set="other")
    with pytest.raises(UsageError, match="copies must be 1 or more"):
        augment(workspace, "light", copies=0)


def test_a_variant_that_loses_its_damage_is_drawn_again_or_dropped(
    workspace: Workspace, fill: Fill
) -> None:
    half = "transforms:\n  - Affine: {translate_percent: {x: [-0.7, 0.7], y: [0, 0]}, p: 1.0}\n"
    fill([Shot(jpeg(picture(n)), mask=png(mask(box=(0, 20, 20, 40)))) for n in range(8)])
    rules = {
        "redraw": "masks: {keep_at_least: 0.9, when_lost: redraw, redraws: 30}\n",
        "drop": "masks: {keep_at_least: 0.9, when_lost: drop}\n",
        "keep": "masks: {keep_at_least: 0.9, when_lost: keep}\n",
    }
    found = {}
    for name, rule in rules.items():
        policy = parse_policy(f"name: {name}\n{rule}{half}")
        summary = augment(workspace, policy, copies=2, workers=0)
        lines = (Path(summary.folder) / "manifest-main.jsonl").read_text("utf-8").splitlines()
        found[name] = summary, [json.loads(line) for line in lines]
    summary, rows = found["redraw"]
    assert summary.variants == 16
    assert max(row["attempt"] for row in rows) > 0
    for row in rows:
        left = pixels(workspace.root / row["masks"]["scratch"]) > 0
        assert left.sum() >= 0.9 * 400
    summary, rows = found["drop"]
    assert 0 < summary.failed["mask_lost"] < 16
    assert summary.variants == 16 - summary.failed["mask_lost"]
    assert all(
        "less than 90% of a mask or box left" in row["error"] for row in rows if row["error"]
    )
    summary, rows = found["keep"]
    empty = [row for row in rows if not pixels(workspace.root / row["masks"]["scratch"]).any()]
    assert summary.variants == 16
    assert empty


def test_no_mask_and_no_box_is_lost_while_another_stays(workspace: Workspace, fill: Fill) -> None:
    # The box is at the left border and the mask at the right one: a crop of either loses one.
    crops = [(0, 60), (36, 96)]
    box = {"x": 0, "y": 20, "width": 20, "height": 40}
    other = Shot(jpeg(picture(2)))
    fill([Shot(jpeg(picture(1)), mask=png(mask(box=(70, 20, 90, 40))), box=box), other])
    for left, right in crops:
        crop = f"Crop: {{x_min: {left}, x_max: {right}, y_min: 0, y_max: 64, p: 1.0}}"
        policy = parse_policy(f"name: crop\nmasks: {{when_lost: drop}}\ntransforms: [{crop}]\n")
        summary = augment(workspace, policy, copies=1, workers=0)
        assert (summary.variants, summary.failed) == (1, {"mask_lost": 1})


@pytest.mark.parametrize("name", preset_names())
def test_the_manifest_is_enough_to_make_a_variant_again(
    workspace: Workspace, fill: Fill, name: str
) -> None:
    (sha256,) = fill([Shot(jpeg(picture(3)), mask=png(mask()))])
    folder = Path(augment(workspace, name, copies=3, workers=0).folder)
    policy = parse_policy((folder / "policy.yaml").read_text("utf-8"))
    pipeline = Pipeline(policy.steps)
    lines = (folder / "manifest-main.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 3
    for row in map(json.loads, lines):
        assert row["seed"] == seed_for(policy.digest, sha256, row["copy"], row["attempt"])
        again = pipeline(np.asarray(_decoded(jpeg(picture(3)))), seed=row["seed"], masks=[DRAWN])
        assert encode(again.image, policy.picture) == (workspace.root / row["file"]).read_bytes()
        assert np.array_equal(again.masks[0], pixels(workspace.root / row["masks"]["scratch"]))
        assert again.applied == row["applied"]


def _decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def test_verify_tells_damage_from_what_can_no_longer_be_repeated(
    workspace: Workspace, fill: Fill
) -> None:
    fill(shots(4))
    augment(workspace, "light", copies=2, workers=0)
    assert verify(workspace).as_dict() | {"variant_set": ""} == {
        "variant_set": "",
        "checked": 8,
        "different": [],
        "not_reproducible": [],
    }
    victim, other, *_ = current_variants(workspace.catalog, "main")
    (workspace.root / victim.file).write_bytes(b"not what it was")
    changed = b"another picture"
    (workspace.root / other.file).write_bytes(changed)
    with workspace.catalog.begin() as connection:
        connection.execute(
            update(schema.variants)
            .where(schema.variants.c.file == other.file)
            .values(digest=hashlib.sha256(changed).hexdigest())
        )
    found = verify(workspace)
    assert found.different == (victim.file,)
    assert found.not_reproducible == (other.file,)


def test_verify_sees_a_changed_mask_and_an_original_that_is_gone(
    workspace: Workspace, fill: Fill
) -> None:
    fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(3)])
    augment(workspace, "light", copies=1, workers=0)
    first, second, _ = current_variants(workspace.catalog, "main")
    (workspace.root / first.masks["scratch"]).write_bytes(png(mask(box=(0, 0, 5, 5))))
    workspace.blobs.path(second.sha256, "jpg").unlink()
    found = verify(workspace)
    assert found.checked == 3
    assert found.different == (first.masks["scratch"],)
    assert found.not_reproducible == (second.file,)


def test_verify_goes_on_where_a_transform_of_another_version_raises(
    workspace: Workspace, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shots(2))
    augment(workspace, "light", copies=1, workers=0)
    made = verification.render_variant

    def raising(loaded, policy, *, sha256, **rest):  # a library that was updated in the meantime
        if sha256 == first.sha256:
            raise ValueError("this version can't do that")
        return made(loaded, policy, sha256=sha256, **rest)

    first, _ = current_variants(workspace.catalog, "main")
    monkeypatch.setattr(verification, "render_variant", raising)
    found = verify(workspace)
    assert (found.checked, found.different, found.not_reproducible) == (2, (), (first.file,))


def test_the_summary_is_json_able(workspace: Workspace, fill: Fill) -> None:
    fill(shots(2))
    summary = augment(workspace, "light", copies=1, workers=0).as_dict()
    assert json.loads(json.dumps(summary)) == summary


@pytest.mark.slow
def test_dask_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra 'dask' is not installed")
    found = []
    for engine in ("local", "dask"):
        workspace = Workspace.open(tmp_path / engine)
        fill_workspace(workspace, [Shot(jpeg(picture(n)), mask=png(mask())) for n in range(70)])
        found.append(images(augment(workspace, "light", engine=engine, workers=2).folder))
    assert len(found[0]) == 280
    assert found[0] == found[1]
