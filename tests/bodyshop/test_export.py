"""Exports hold what was kept, nothing a camera told, and what no longer belongs goes."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from export_photos import SECRET, files_of, split_set

from bodyshop.export import COLUMNS, export
from bodyshop.export.destination import RECORD
from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.errors import (
    NothingFoundError,
    TransientError,
    UnreadableImageError,
    UsageError,
)
from bodyshop_core.imaging import load_rgb
from bodyshop_core.workspace import Workspace


def digests(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files_of(folder)
    }


def test_manifest_has_one_row_per_picture_and_exactly_the_columns_of_the_contract(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    summary = export(workspace, "manifest", tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = {row["sha256"]: row for row in reader}
        assert ",".join(reader.fieldnames or ()) == (
            "sha256,file,source,label,brand,model,width,height,phash,sharpness,p_car,framing,"
            "verdict,reasons,cluster,representative,group,split,mask,licence,permission,origin,gold"
        )
    assert summary.pictures == len(rows) == 7
    first, last = rows[names[0]], rows[names[6]]
    assert first["file"] == "https://example.org/0.jpg"
    assert (first["label"], first["brand"], first["model"]) == ("파손", "한빛", "바람")
    assert (first["split"], first["verdict"], first["p_car"]) == ("train", "keep", "0.75")
    assert (first["mask"], first["licence"]) == (f"masks/{names[0]}.png", "CC BY 4.0")
    assert json.loads(first["permission"]) == {"robots": "allowed"}
    assert (last["verdict"], last["reasons"], last["split"]) == ("reject", "blurry;too_small", "")
    assert last["label"] == "whole"


def test_parquet_manifest_says_the_same_with_types(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    export(workspace, "manifest", tmp_path / "m.parquet")
    table = pq.read_table(tmp_path / "m.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert str(table.schema.field("width").type) == "int32"
    assert str(table.schema.field("p_car").type) == "double"
    assert sorted(table["sha256"].to_pylist()) == sorted(names)


def test_manifest_reports_the_split_set_that_it_used(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    row = {"name": "second", "target": "damage", "seed": 7, "ratios": {}, "options": {}}
    workspace.catalog.upsert(schema.split_sets, [row | {"created_at": now(), "revision": 9}])
    row = {"split_set": "second", "sha256": names[0], "split": "test", "label": "whole"}
    workspace.catalog.upsert(schema.splits, [row | {"group": "g"}])
    dest = tmp_path / "m.csv"
    for asked, used, split in ((None, "second", "test"), ("damage", "damage", "train")):
        assert export(workspace, "manifest", dest, split_set=asked).split_set == used
        with dest.open(encoding="utf-8", newline="") as file:
            rows = {row["sha256"]: row for row in csv.DictReader(file)}
        assert rows[names[0]]["split"] == split
    with pytest.raises(UsageError, match="no split set 'other'"):
        export(workspace, "manifest", dest, split_set="other")


def test_manifest_needs_no_split_and_a_known_ending(workspace: Workspace, tmp_path: Path) -> None:
    summary = export(workspace, "manifest", tmp_path / "m.csv")
    assert summary.pictures == 0 and summary.split_set is None
    with pytest.raises(UsageError, match=r"\.csv or \.parquet"):
        export(workspace, "manifest", tmp_path / "m.xlsx")


def test_imagefolder_has_class_folders_per_split_and_no_metadata(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    summary = export(workspace, "imagefolder", folder)
    assert files_of(folder) == {
        "classes.json",
        f"train/파손/{names[0]}.jpg",
        f"train/파손/{names[1]}.jpg",
        f"train/whole/{names[2]}.png",
        f"validation/파손/{names[3]}.jpg",
        f"validation/whole/{names[4]}.jpg",
        f"test/whole/{names[5]}.jpg",
    }
    assert summary.splits == {
        "test": {"whole": 1},
        "train": {"whole": 1, "파손": 2},
        "validation": {"whole": 1, "파손": 1},
    }
    for name in files_of(folder) - {"classes.json"}:
        written = folder / name
        assert SECRET not in written.read_bytes()
        assert np.array_equal(load_rgb(written), load_rgb(workspace.image_path(written.stem)))
    assert json.loads((folder / "classes.json").read_text("utf-8"))["파손"] == "파손"
    assert json.loads(json.dumps(summary.as_dict())) == summary.as_dict()


def test_keep_metadata_copies_the_original_bytes(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    export(workspace, "imagefolder", tmp_path / "out", keep_metadata=True)
    written = tmp_path / "out" / "train" / "파손" / f"{names[0]}.jpg"
    assert hashlib.sha256(written.read_bytes()).hexdigest() == names[0]


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_only_pictures_that_need_no_change_are_linked(
    curated: tuple[Workspace, list[str]], tmp_path: Path, link: str
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    export(workspace, "imagefolder", folder, link=link)
    plain = folder / "train" / "whole" / f"{names[2]}.png"
    changed = folder / "train" / "파손" / f"{names[0]}.jpg"
    assert plain.samefile(workspace.image_path(names[2]))
    assert not changed.samefile(workspace.image_path(names[0]))
    assert plain.is_symlink() == (link == "symlink")
    assert hashlib.sha256(workspace.image_path(names[0]).read_bytes()).hexdigest() == names[0]


def test_a_second_export_writes_nothing_and_one_cut_short_goes_on(
    curated: tuple[Workspace, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bodyshop_core import atomic

    workspace, _ = curated
    whole, folder = tmp_path / "whole", tmp_path / "cut"
    export(workspace, "imagefolder", whole)
    written = 0

    def cut(path: Path, data: bytes) -> None:
        nonlocal written
        if path.suffix in (".jpg", ".png"):
            written += 1
            if written == 4:
                raise KeyboardInterrupt
        real(path, data)

    real = atomic.write_bytes
    monkeypatch.setattr(atomic, "write_bytes", cut)
    with pytest.raises(KeyboardInterrupt):
        export(workspace, "imagefolder", folder)
    monkeypatch.undo()
    assert json.loads((folder / RECORD).read_text("utf-8"))["complete"] is False
    assert export(workspace, "imagefolder", folder).written == 3
    assert digests(folder) == digests(whole)
    assert export(workspace, "imagefolder", folder).written == 0
    assert json.loads((folder / RECORD).read_text("utf-8"))["complete"] is True


def test_what_moved_or_was_rejected_is_removed_and_strangers_stay(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    folder = tmp_path / "out"
    export(workspace, "imagefolder", folder)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    split_set(workspace, {names[0]: ("test", "파손"), names[2]: ("train", "whole")})
    summary = export(workspace, "imagefolder", folder)
    assert files_of(folder) == {
        "classes.json",
        "notes.txt",
        f"test/파손/{names[0]}.jpg",
        f"train/whole/{names[2]}.png",
    }
    assert (summary.written, summary.removed) == (1, 5)
    assert not (folder / "validation").exists()


def test_other_options_write_the_pictures_again(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    export(workspace, "imagefolder", tmp_path / "out")
    export(workspace, "imagefolder", tmp_path / "out", keep_metadata=True)
    written = tmp_path / "out" / "train" / "파손" / f"{names[0]}.jpg"
    assert SECRET in written.read_bytes()


def test_a_folder_with_something_else_in_it_is_refused(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = curated
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        export(workspace, "imagefolder", tmp_path / "mine")
    export(workspace, "imagefolder", tmp_path / "out")
    with pytest.raises(UsageError, match="export of format imagefolder"):
        export(workspace, "hf", tmp_path / "out")
    with pytest.raises(UsageError, match="is a file"):
        export(workspace, "hf", tmp_path / "mine" / "thesis.txt")
    with pytest.raises(UsageError, match="unknown export format 'voc'"):
        export(workspace, "voc", tmp_path / "x")
    with pytest.raises(UsageError, match="no split set 'other'"):
        export(workspace, "hf", tmp_path / "x", split_set="other")


def forged(folder: Path, *files: object) -> Path:
    """A folder from somebody else, whose record lists whatever they like."""
    folder.mkdir(exist_ok=True)
    record = {"format": "imagefolder", "options": {}, "complete": True, "files": list(files)}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "name",
    ["../diary.txt", "a/../../diary.txt", "{absolute}", "C:\\diary.txt", "..\\diary.txt", "", 7],
)
def test_a_record_that_names_something_outside_of_the_folder_is_refused(
    curated: tuple[Workspace, list[str]], tmp_path: Path, name: object
) -> None:
    diary = tmp_path / "diary.txt"
    diary.write_text("precious", encoding="utf-8")
    if isinstance(name, str):
        name = name.format(absolute=diary)
    folder = forged(tmp_path / "given", name)
    with pytest.raises(UsageError, match="choose another"):
        export(curated[0], "imagefolder", folder)
    assert diary.read_text(encoding="utf-8") == "precious"
    assert files_of(folder) == set()


def test_links_to_folders_elsewhere_are_neither_emptied_nor_filled(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    victims = tmp_path / "victims"
    victims.mkdir()
    (victims / "diary.txt").write_text("precious", encoding="utf-8")
    stale, filled = tmp_path / "stale", tmp_path / "filled"
    for folder, link, files in ((stale, "old", ["old/diary.txt"]), (filled, "train", [])):
        forged(folder, *files)
        (folder / link).symlink_to(victims, target_is_directory=True)
        with pytest.raises(UsageError, match="is a link to another place"):
            export(curated[0], "imagefolder", folder)
    assert [file.name for file in victims.iterdir()] == ["diary.txt"]


def test_a_link_in_the_place_of_a_picture_is_replaced_by_the_picture(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    export(workspace, "imagefolder", tmp_path / "out")
    picture = tmp_path / "out" / "train" / "파손" / f"{names[0]}.jpg"
    before, secret = picture.read_bytes(), tmp_path / "secret"
    secret.write_bytes(b"secret")
    picture.unlink()
    picture.symlink_to(secret)
    export(workspace, "imagefolder", tmp_path / "out")
    assert picture.read_bytes() == before and not picture.is_symlink()
    assert secret.read_bytes() == b"secret"


def test_empty_folders_go_with_their_last_file_but_never_the_export_folder_itself(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    folder = forged(tmp_path / "given", "old/deep/1.jpg")
    (folder / "old" / "deep").mkdir(parents=True)
    (folder / "old" / "deep" / "1.jpg").write_bytes(b"x")
    assert export(curated[0], "imagefolder", folder).removed == 1
    assert not (folder / "old").exists() and (folder / "train").is_dir()


def test_formats_with_splits_need_a_split(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NothingFoundError, match="no split set yet"):
        export(workspace, "imagefolder", tmp_path / "x")
    split_set(workspace, {})
    with pytest.raises(NothingFoundError, match="has no kept picture"):
        export(workspace, "imagefolder", tmp_path / "x")


def test_an_export_can_be_of_some_origins_only(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    seen = schema.sightings
    with workspace.catalog.begin() as connection:
        connection.execute(seen.update().values(origin="example.org"))
        connection.execute(seen.update().where(seen.c.sha256 == names[0]).values(origin="딜러"))
    every = export(workspace, "imagefolder", tmp_path / "all").pictures
    some = export(workspace, "imagefolder", tmp_path / "some", origins=["딜러"])
    assert some.pictures == 1 < every
    assert export(workspace, "manifest", tmp_path / "m.csv", origins=["example.org"]).pictures == 6
    assert ",딜러" not in (tmp_path / "m.csv").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="no picture is of the origin 'nowhere'"):
        export(workspace, "imagefolder", tmp_path / "none", origins=["nowhere"])


@pytest.mark.parametrize("options", [{}, {"hide": ("plates",)},
                                     {"keep_metadata": True, "link": "symlink"}])  # fmt: skip
def test_an_original_that_storage_does_not_give_ends_the_export_and_is_named(
    curated: tuple[Workspace, list[str]], tmp_path: Path, options: dict[str, Any]
) -> None:
    workspace, names = curated
    path = workspace.image_path(names[3])
    whole = path.read_bytes()
    for damage, said in ((None, "can't be read"), (whole[:-1] + b"?", "is damaged")):
        path.unlink() if damage is None else path.write_bytes(damage)
        with pytest.raises(TransientError, match=f"{names[3]}.*{said}") as caught:
            export(workspace, "imagefolder", tmp_path / "out", **options)
        assert f"forget {names[3]}" in (caught.value.hint or "")
    path.write_bytes(whole)
    assert export(workspace, "imagefolder", tmp_path / "out", **options).pictures == 6


def test_an_original_that_cannot_be_decoded_is_named(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = curated
    blob = workspace.blobs.put_bytes(b"\xff\xd8no picture", "jpg")
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension="jpg", facts={})
    verdict = {"sha256": blob.sha256, "verdict": "keep", "reasons": [], "policy": "p"}
    workspace.catalog.upsert(schema.verdicts, [verdict | {"decided_at": now()}])
    place = {"split_set": "damage", "sha256": blob.sha256, "split": "train", "label": "whole"}
    workspace.catalog.upsert(schema.splits, [place | {"group": "g"}])
    with pytest.raises(UnreadableImageError, match=blob.sha256):
        export(workspace, "imagefolder", tmp_path / "out")
