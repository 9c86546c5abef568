"""The ground truth survives the way to disk and refuses what it cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bodyshop_core.errors import BodyshopError
from showroom.truth import (
    FILE_NAME,
    VERSION,
    Picture,
    ShowroomBrand,
    ShowroomModel,
    Truth,
    load_truth,
)


def truth_of_one_picture() -> Truth:
    picture = Picture(
        id="q-baram-000", file="pictures/q-baram-000.jpg", sha256="ab" * 32, width=640, height=426,
        kind="car", place="search", brand="한빛", model="바람", colour="red", angle_deg=31.5,
        framing="part", damage="damaged", damage_classes=("dent", "scratch"),
        mask="masks/q-baram-000.png",
        masks={"dent": "masks/q-baram-000.dent.png", "scratch": "masks/q-baram-000.scratch.png"},
        query="한빛 바람 파손",
    )  # fmt: skip
    brands = (ShowroomBrand("한빛", "hanbit", "", (ShowroomModel("바람", "baram", "wagon"),)),)
    return Truth(VERSION, 7, "tiny", brands, (picture,))


def test_what_is_saved_is_loaded_again_hangul_included(tmp_path: Path) -> None:
    truth = truth_of_one_picture()
    path = truth.save(tmp_path)
    assert load_truth(tmp_path) == truth
    assert "한빛 바람 파손" in path.read_text(encoding="utf-8")


def test_pictures_are_found_by_id_and_by_hash() -> None:
    truth = truth_of_one_picture()
    assert truth.by_id()["q-baram-000"] is truth.pictures[0]
    assert truth.by_sha256()["ab" * 32] is truth.pictures[0]
    assert truth.queries() == ("한빛 바람 파손",)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "does not exist"),
        ("{", "Cannot read"),
        ("[1]", "another version"),
        (json.dumps({"version": VERSION + 1}), "another version"),
        (json.dumps({"version": VERSION, "seed": 7, "size": "tiny"}), "incomplete"),
    ],
)
def test_a_folder_without_a_usable_truth_is_named_with_its_cause(
    tmp_path: Path, content: str | None, cause: str
) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(BodyshopError, match=cause) as caught:
        load_truth(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "build_showroom" in (caught.value.hint or "")
