"""Importing what people have: odd files, links, split names."""

from __future__ import annotations

import os
import socket

import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from import_cases import encoded, labels, picture
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError
from collector import import_folder
from collector.folder_layout import Given, picture_paths, split_of
from collector.folder_walk import Skipped, open_regular, regular_files


def test_a_folder_of_phone_pictures_is_imported(workspace, tmp_path):
    folder = tmp_path / "phone" / "whole"
    folder.mkdir(parents=True)
    pillow_heif.from_pillow(Image.new("RGB", (64, 48), "green")).save(folder / "IMG_0001.HEIC")
    (folder / "IMG_0002.MOV").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(64))
    summary = import_folder(tmp_path / "phone", workspace)
    assert (summary.pictures, summary.unreadable) == (1, 0)
    assert summary.skipped_kinds == {".mov file": 1}
    assert any("IMG_0002.MOV" in note for note in summary.notes())
    with workspace.catalog.read() as connection:
        kind, width = connection.execute(
            select(schema.images.c.format, schema.images.c.width)
        ).one()
    assert (kind, width) == ("HEIF", 64)


def test_special_files_and_links_cost_themselves_alone(workspace, tmp_path):
    root = tmp_path / "set"
    good = picture(root / "whole" / "good.png")
    outside = picture(tmp_path / "secret.png", "blue")
    folder = good.parent
    (folder / "inside.png").symlink_to(good)
    (folder / "dangling.jpg").symlink_to(root / "nothing.jpg")
    (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
    (folder / "secret.jpg").symlink_to(outside)
    (folder / "passwd.jpg").symlink_to("/etc/passwd")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "up").symlink_to(root)
    os.mkfifo(folder / "pipe.jpg")
    listener = socket.socket(socket.AF_UNIX)
    here = os.open(folder, os.O_RDONLY)
    try:
        listener.bind(f"/proc/self/fd/{here}/socket.jpg")
        summary = import_folder(root, workspace)
    finally:
        os.close(here)
        listener.close()
    assert set(labels(workspace)) == {"whole/good.png", "whole/inside.png"}
    assert summary.skipped_kinds == {
        "broken link": 2,
        "link that leaves the folder": 3,
        "link to a folder around it": 1,
        "pipe, socket or device": 2,
    }


def test_linked_folders_inside_the_root_are_followed(workspace, tmp_path):
    root = tmp_path / "set"
    picture(root / "pool" / "a" / "1.png")
    (root / "damaged").symlink_to(root / "pool" / "a", target_is_directory=True)
    import_folder(root, workspace)
    assert set(labels(workspace)) == {"pool/a/1.png", "damaged/1.png"}


def test_folders_that_are_linked_with_one_another_are_read_once_by_links(workspace, tmp_path):
    root, count = tmp_path / "set", 12
    for index in range(count):
        picture(root / f"c{index}" / "1.png", (index, 0, 0))
    for here in range(count):
        for there in set(range(count)) - {here}:
            (root / f"c{here}" / f"to{there}").symlink_to(root / f"c{there}")
    skipped = Skipped()
    files = list(regular_files(root, skipped))
    assert {file.target.parent.name for file in files} == {f"c{n}" for n in range(count)}
    assert len(files) <= 2 * count
    assert set(skipped.counts) == {
        "link to a folder that was read through another link",
        "link to a folder around it",
    }


def test_a_file_that_becomes_a_link_or_another_file_is_not_opened(tmp_path):
    file = picture(tmp_path / "set" / "inner" / "a.png")
    outside = picture(tmp_path / "inner" / "a.png", "blue")
    (walked,) = regular_files(tmp_path / "set", Skipped())
    with open_regular(walked) as stream:
        assert stream.read() == file.read_bytes()
    file.unlink()
    file.symlink_to(outside)
    with pytest.raises(OSError):
        open_regular(walked)
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(outside.parent)
    with pytest.raises(OSError, match="not the regular file"):
        open_regular(walked)


def test_what_systems_leave_behind_is_passed_over(workspace, tmp_path):
    root = tmp_path / "set"
    picture(root / "whole" / "1.png")
    picture(root / "__MACOSX" / "whole" / "._1.png")
    (root / "whole" / "Thumbs.db").write_bytes(b"x")
    (root / ".DS_Store").write_bytes(b"x")
    summary = import_folder(root, workspace)
    assert (summary.files, summary.skipped, summary.labels) == (1, 0, {"whole": 1})


def test_a_file_that_may_not_be_read_costs_itself_alone(workspace, tmp_path):
    if os.geteuid() != 0:
        locked = picture(tmp_path / "set" / "whole" / "locked.png")
        locked.chmod(0)
        picture(tmp_path / "set" / "whole" / "open.png", "blue")
        summary = import_folder(tmp_path / "set", workspace)
        assert (summary.files, summary.skipped_kinds) == (1, {"no permission or read error": 1})
    else:  # root may read everything: the file goes away between listing and reading
        from collector.import_sources import FolderSource

        file = picture(tmp_path / "set" / "whole" / "gone.png")
        skipped = Skipped()
        source = FolderSource(tmp_path / "set", skipped)
        file.unlink()
        assert [load() for _, _, load in source.entries()] == [None]
        assert skipped.counts == {"no permission or read error": 1}


def test_file_names_that_are_no_text_are_imported(workspace, tmp_path):
    folder = tmp_path / "set" / "whole"
    picture(folder / "a.png")
    with open(os.fsencode(folder) + b"/b\xff.png", "wb") as file:  # noqa: PTH123 - a name in bytes
        file.write(encoded("blue"))
    assert import_folder(tmp_path / "set", workspace).files == 2
    assert set(labels(workspace)) == {"whole/a.png", "whole/b\\xff.png"}


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        ({}, "class folders"),
        ({"clip.mp4": b"x"}, "frames"),
        ({"offer.pdf": b"%PDF-"}, "pdfimages"),
        ({"logo.svg": b"<svg/>"}, "save them as PNG"),
        ({"set.zip": b"PK"}, "import the archives"),
        ({"set.rar": b"Rar!"}, "unpack the archives in it, such as set.rar"),
    ],
)
def test_the_advice_fits_what_is_in_a_folder_without_pictures(workspace, tmp_path, content, advice):
    (tmp_path / "set").mkdir()
    for name, data in content.items():
        (tmp_path / "set" / name).write_bytes(data)
    with pytest.raises(NothingFoundError, match=advice):
        import_folder(tmp_path / "set", workspace)


@pytest.mark.parametrize(
    ("name", "split", "rest"),
    [
        ("train", "train", ""), ("Training", "train", ""), ("train2017", "train", ""),
        ("trainset", "train", ""), ("train-images", "train", ""), ("1.Training", "train", ""),
        ("VAL", "validation", ""), ("valid", "validation", ""), ("val_set", "validation", ""),
        ("test", "test", ""), ("Testing", "test", ""), ("testData", "test", ""),
        ("train_damaged", "train", "damaged"), ("test whole", "test", "whole"),
        ("Testarossa", None, "Testarossa"), ("Valkyrie", None, "Valkyrie"),
        ("Valiant", None, "Valiant"), ("Trainer", None, "Trainer"), ("Trax", None, "Trax"),
        ("Valencia test", None, "Valencia test"), ("2017", None, "2017"), ("파손", None, "파손"),
    ],
)  # fmt: skip
def test_split_names_are_whole_words(name, split, rest):
    assert split_of(name) == (split, rest)


@given(st.text(min_size=1, max_size=20))
def test_any_folder_name_is_a_split_or_a_class(name):
    split, rest = split_of(name)
    assert (split is None and rest == name) or split in {"train", "validation", "test"}


@pytest.mark.parametrize(
    "folder", ["images", "JPEGImages", "Photos", "DCIM/100APPLE", "DCIM/101_PANA", "my/image_data"]
)
def test_folders_that_hold_pictures_of_any_class_are_no_class(folder):
    (place,) = picture_paths([f"{folder}/1.png"], Given("damage"))
    assert place.labels == ()
    both = [f"{folder}/whole/1.png", f"{folder}/dented/2.png"]
    said = [dict(place.labels)["damage"] for place in picture_paths(both, Given("damage"))]
    assert said == ["whole", "dented"]


@pytest.mark.parametrize("name", ["124SPORT", "imago", "dataphone", "image 1a"])
def test_folders_that_only_look_like_it_are_classes(name):
    (place,) = picture_paths([f"{name}/1.png"], Given("model", brand="Fiat"))
    assert dict(place.labels)["model"] == f"Fiat {name}"


def test_models_named_like_splits_keep_their_name(workspace, tmp_path):
    root = tmp_path / "cars"
    for index, name in enumerate(["Ferrari/Testarossa", "Plymouth/Valiant", "Ferrari/F40"]):
        picture(root / name / "1.png", (index, 0, 0))
    summary = import_folder(root, workspace, field="model")
    assert summary.given_splits == {}
    assert set(summary.labels) == {"Ferrari Testarossa", "Plymouth Valiant", "Ferrari F40"}
