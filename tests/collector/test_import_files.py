"""Importing what people have: odd files, links, archives, tables, and corrected imports."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import subprocess
import tarfile
import zipfile
from contextlib import contextmanager

import pillow_heif
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import effective_labels, schema
from bodyshop_core.errors import ConfigError, NothingFoundError, UsageError
from bodyshop_core.progress import Silent
from collector import import_folder
from collector.crawl.interrupt import SoftInterrupt
from collector.folder_layout import Given, picture_paths, split_of
from collector.folder_walk import Skipped, open_regular, regular_files
from collector.import_reading import read_all
from collector.import_sources import open_source
from collector.import_statements import NamePattern


def encoded(colour="red", kind="PNG"):
    stream = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(stream, kind)
    return stream.getvalue()


def picture(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(colour))
    return path


def labels(workspace, field="damage"):
    """File name -> its label, from the sightings that still stand."""
    effective = effective_labels(workspace.catalog, field)
    table = schema.sightings
    with workspace.catalog.read() as connection:
        rows = connection.execute(
            select(table.c.file, table.c.sha256).where(table.c.superseded_at.is_(None))
        ).all()
    return {
        file: (effective[sha256].value or effective[sha256].conflict)
        if sha256 in effective
        else None
        for file, sha256 in rows
    }


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
    assert set(skipped.counts) == {"link to a folder that was read through another link"}


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
        ({"set.zip": b"PK"}, "import the archives"),
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


def test_models_named_like_splits_keep_their_name(workspace, tmp_path):
    root = tmp_path / "cars"
    for index, name in enumerate(["Ferrari/Testarossa", "Plymouth/Valiant", "Ferrari/F40"]):
        picture(root / name / "1.png", (index, 0, 0))
    summary = import_folder(root, workspace, field="model")
    assert summary.given_splits == {}
    assert set(summary.labels) == {"Ferrari Testarossa", "Plymouth Valiant", "Ferrari F40"}


def test_a_file_moved_to_another_class_carries_the_new_label_only(workspace, tmp_path):
    root = tmp_path / "set"
    moved = picture(root / "whole" / "a.png")
    picture(root / "whole" / "b.png", "blue")
    import_folder(root, workspace)
    (root / "damaged").mkdir()
    moved.rename(root / "damaged" / "a.png")
    summary = import_folder(root, workspace)
    assert (summary.superseded, summary.conflicts) == (1, 0)
    assert labels(workspace) == {"damaged/a.png": "damaged", "whole/b.png": "whole"}
    assert import_folder(root, workspace).superseded == 0


def test_an_edited_file_replaces_what_it_was(workspace, tmp_path):
    root = tmp_path / "set"
    file = picture(root / "whole" / "a.png")
    import_folder(root, workspace)
    picture(file, "blue")
    assert import_folder(root, workspace).superseded == 1
    assert labels(workspace) == {"whole/a.png": "whole"}
    assert len(effective_labels(workspace.catalog, "damage")) == 1


def test_another_label_for_the_same_root_replaces_the_first(workspace, tmp_path):
    picture(tmp_path / "set" / "a.png")
    import_folder(tmp_path / "set", workspace, label="whole")
    import_folder(tmp_path / "set", workspace, label="Kia", field="brand")
    import_folder(tmp_path / "set", workspace, label="damaged")
    assert labels(workspace) == {"a.png": "damaged"}
    assert labels(workspace, "brand") == {"a.png": "Kia"}


class Stopping(Silent):
    """Stops an import after its first batch, as a second Ctrl-C or a kill does."""

    @contextmanager
    def task(self, name, total=None):
        def tick(n=1, note=""):
            raise KeyboardInterrupt

        yield tick


def test_an_interrupted_import_does_not_leave_two_labels(workspace, tmp_path):
    picture(tmp_path / "set" / "a.png")
    import_folder(tmp_path / "set", workspace, label="whole")
    with pytest.raises(KeyboardInterrupt):
        import_folder(tmp_path / "set", workspace, label="damaged", progress=Stopping())
    assert labels(workspace) == {"a.png": "damaged"}
    assert import_folder(tmp_path / "set", workspace, label="damaged").conflicts == 0


def test_two_roots_that_disagree_are_a_conflict_which_the_summary_names(workspace, tmp_path):
    picture(tmp_path / "one" / "whole" / "a.png")
    picture(tmp_path / "two" / "damaged" / "a.png")
    import_folder(tmp_path / "one", workspace)
    summary = import_folder(tmp_path / "two", workspace)
    assert summary.conflicts == 1
    assert any("damaged and whole" in note for note in summary.notes())
    (tmp_path / "two" / "damaged").rename(tmp_path / "two" / "whole")
    assert import_folder(tmp_path / "two", workspace).conflicts == 0
    assert labels(workspace) == {"whole/a.png": "whole"}


def test_files_that_are_gone_keep_their_pictures_and_are_counted(workspace, tmp_path):
    root = tmp_path / "set"
    picture(root / "whole" / "a.png")
    gone = picture(root / "whole" / "b.png", "blue")
    import_folder(root, workspace)
    gone.unlink()
    summary = import_folder(root, workspace)
    assert summary.gone == 1
    assert labels(workspace) == {"whole/a.png": "whole", "whole/b.png": "whole"}


def archived(path):
    files = {
        "cars/train/damaged/a.png": encoded("red"),
        "cars/test/whole/b.png": encoded("blue"),
        "cars/__MACOSX/._a.png": b"x",
        "cars/readme.txt": b"hello",
        "../../evil.png": encoded("green"),
    }
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
            archive.writestr("zeros.png", bytes(20_000_000), zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
            link = tarfile.TarInfo("passwd.png")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)


@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz"])
def test_archives_are_read_without_unpacking(workspace, tmp_path, name):
    archived(tmp_path / name)
    before = set(tmp_path.iterdir())
    summary = import_folder(tmp_path / name, workspace)
    assert summary.given_splits == {"train": 1, "test": 1}
    assert set(tmp_path.iterdir()) == before
    assert summary.skipped == 2
    found = labels(workspace)
    assert set(found) == {"cars/train/damaged/a.png", "cars/test/whole/b.png", "evil.png"}


@pytest.mark.parametrize("name", ["set.zip", "set.tar"])
def test_a_damaged_archive_is_an_error_that_names_it(workspace, tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no archive at all")
    with pytest.raises(UsageError, match=re.escape(name)):
        import_folder(tmp_path / name, workspace)


def write_table(path, rows):
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter="\t" if path.suffix == ".tsv" else ";")
            writer.writeheader()
            writer.writerows(rows)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_labels_come_from_a_table(workspace, tmp_path, suffix):
    root = tmp_path / "set"
    for index, name in enumerate("abc"):
        picture(root / "images" / f"{name}.png", (index, 0, 0))
    table = tmp_path / f"labels{suffix}"
    write_table(
        table,
        [
            {"Filename": "a.png", "damage": "damaged", "make": "Kia", "split": "val"},
            {"Filename": "images/b.png", "damage": "whole", "make": "Kia", "split": "training"},
            {"Filename": "missing.png", "damage": "whole", "make": "", "split": ""},
        ],
    )
    summary = import_folder(root, workspace, labels=table)
    assert labels(workspace) == {
        "images/a.png": "damaged", "images/b.png": "whole", "images/c.png": None,
    }  # fmt: skip
    assert labels(workspace, "brand")["images/a.png"] == "Kia"
    assert summary.given_splits == {"validation": 1, "train": 1}
    assert summary.unlabelled == 1
    assert any("3 rows, 2 of them name 2 files" in note for note in summary.notes())


def labelled(workspace, tmp_path, files, rows):
    """File -> its label by a table of file,damage rows, and the notes."""
    for index, name in enumerate(files):
        picture(tmp_path / "set" / name, (index, 0, 0))
    write_table(tmp_path / "t.csv", [{"file": name, "damage": said} for name, said in rows])
    notes = import_folder(tmp_path / "set", workspace, labels=tmp_path / "t.csv").notes()
    return {name: said for name, said in labels(workspace).items() if said}, notes


@pytest.mark.parametrize(
    ("files", "rows", "expected"),
    [
        (["train/1.png", "test/1.png"], {"train/1.png": "d"}, {"train/1.png": "d"}),
        (["test/1.png"], {"train/1.png": "d"}, {}),
        (["1.png"], {"train/1.png": "d"}, {}),
        (["train/1.png", "test/1.png"], {"1.png": "d"}, {}),
        (["1.png", "test/1.png"], {"1.png": "d"}, {"1.png": "d"}),
        (["test/1.png"], {"1.png": "d"}, {"test/1.png": "d"}),
        (["test/1.png"], {"1.png": "d", "train/1.png": "w"}, {}),
        (["test/1.png"], {"1.png": "d", "test/1.png": "w"}, {"test/1.png": "w"}),
        (["a/test/1.png"], {"1.png": "d", "test/1.png": "w"}, {"a/test/1.png": "w"}),
        (["a/x/1.png", "b/x/1.png"], {"x/1.png": "d", "b/x/1.png": "w"}, {"b/x/1.png": "w"}),
        (["a/1.png"], {"set/a/1.png": "d"}, {"a/1.png": "d"}),
        (["a/1.png"], {".\\a\\1.png": "d"}, {"a/1.png": "d"}),
    ],
)  # fmt: skip
def test_a_row_labels_the_one_file_that_it_can_mean(workspace, tmp_path, files, rows, expected):
    found, _ = labelled(workspace, tmp_path, files, rows.items())
    assert found == expected


def test_rows_that_fit_several_files_are_named(workspace, tmp_path):
    _, notes = labelled(workspace, tmp_path, ["train/1.png", "test/1.png"], [("1.png", "d")])
    assert any("1 rows, 0 of them name 0 files" in note for note in notes)
    assert any("1.png: test/1.png, train/1.png" in note for note in notes)


def test_a_table_or_pattern_without_the_field_leaves_the_labels_of_folders(workspace, tmp_path):
    picture(tmp_path / "set" / "whole" / "val_1.png")
    write_table(tmp_path / "t.csv", [{"file": "val_1.png", "make": "Kia", "split": "test"}])
    for options in ({"label_from": "(?P<split>[a-z]+)_.*"}, {"labels": tmp_path / "t.csv"}):
        summary = import_folder(tmp_path / "set", workspace, **options)
        assert summary.labels == {"whole": 1}
        assert summary.given_splits
    assert labels(workspace, "brand") == {"whole/val_1.png": "Kia"}


def test_metadata_csv_of_hugging_face_is_read_unasked(workspace, tmp_path):
    root = tmp_path / "set"
    for split in ("train", "test"):
        picture(root / split / "1.png", "red" if split == "train" else "blue")
        (root / split / "metadata.csv").write_text(f"file_name,label\n1.png,{split}ed\n")
    import_folder(root, workspace)
    assert labels(workspace) == {"train/1.png": "trained", "test/1.png": "tested"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", b""),
        ("metadata.csv", b"file_name,label\n\xff\xfe.png,x\n"),
        ("metadata.csv", b"a,b\n1,2\n"),
        ("metadata.jsonl", b"[" * 100_000),
        ("metadata.jsonl", b"1\n"),
        ("metadata.parquet", b"PAR1 no parquet"),
        ("metadata.parquet", b""),
        ("metadata.csv", b"file_name,label\nelsewhere.png,x\n"),
    ],
)
def test_a_table_that_nobody_named_costs_itself_alone(workspace, tmp_path, name, content):
    picture(tmp_path / "set" / "whole" / "1.png")
    (tmp_path / "set" / "whole" / name).write_bytes(content)
    summary = import_folder(tmp_path / "set", workspace)
    assert summary.labels == {"whole": 1}
    noted = [
        note for note in summary.notes() if note.startswith(f"not read as a table: whole/{name}")
    ]
    assert len(noted) == (b"elsewhere" not in content)


def test_a_table_that_nobody_named_is_read_up_to_a_size(workspace, tmp_path, monkeypatch):
    picture(tmp_path / "set" / "whole" / "1.png")
    (tmp_path / "set" / "whole" / "metadata.csv").write_text("file_name,label\n1.png,x\n")
    monkeypatch.setattr("collector.import_sources.MAX_TABLE_BYTES", 10)
    summary = import_folder(tmp_path / "set", workspace)
    assert summary.labels == {"whole": 1}
    assert any("larger than 10 bytes" in note for note in summary.notes())


def tarred(path, files):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("write", [tarred, zipped])
def test_metadata_csv_in_an_archive_is_read(workspace, tmp_path, write):
    table = b"file_name,label,split\n1.png,dented,val\n"
    files = {"cars/1.png": encoded(), "cars/metadata.csv": table, "x/metadata.csv": b""}
    path = write(tmp_path / ("set.zip" if write is zipped else "set.tar.gz"), files)
    summary = import_folder(path, workspace)
    assert (summary.labels, summary.given_splits) == ({"dented": 1}, {"validation": 1})
    assert any("x/metadata.csv" in note for note in summary.notes())


@pytest.mark.parametrize("write", [tarred, zipped])
def test_an_archive_unpacks_to_a_limit_in_all(workspace, tmp_path, monkeypatch, write):
    monkeypatch.setattr("collector.import_archives.TOTAL_BYTES", 1_000_000)
    files = {"whole/a.png": encoded()}
    files |= {f"whole/{n}.png": encoded("blue") + bytes(900_000) for n in range(20)}
    path = write(tmp_path / ("set.zip" if write is zipped else "set.tar.gz"), files)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr("collector.import_archives.TOTAL_RATIO", 10)
    summary = import_folder(path, workspace)
    assert summary.labels == {"whole": 2}
    assert any("beyond what an archive" in note for note in summary.notes())


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_the_pictures_before_the_damage_of_a_tar_archive_are_kept(workspace, tmp_path, suffix):
    noise = {f"whole/{n}.png": encoded((n, 0, 0)) + os.urandom(9000) for n in range(4)}
    path = tarred(tmp_path / f"set{suffix}", noise)
    path.write_bytes(path.read_bytes()[:25_000])
    summary = import_folder(path, workspace)
    assert 1 <= summary.labels["whole"] < 4
    assert any("rest of the archive" in note for note in summary.notes())


def test_a_tar_header_that_is_none_is_not_taken_for_the_end(workspace, tmp_path):
    path = tarred(tmp_path / "set.tar", {f"whole/{n}.png": encoded((n, 0, 0)) for n in range(2)})
    data = path.read_bytes()
    second = data.index(b"whole/1.png")
    path.write_bytes(data[:second] + b"?" * 512 + data[second + 512 :])
    summary = import_folder(path, workspace)
    assert summary.labels == {"whole": 1}
    assert any("rest of the archive" in note for note in summary.notes())


def test_a_damaged_table_in_a_zip_archive_costs_itself_alone(workspace, tmp_path):
    table = b"file_name,label\n1.png," + os.urandom(40).hex().encode() + b"\n"
    path = zipped(tmp_path / "set.zip", {"whole/1.png": encoded(), "whole/metadata.csv": table})
    data = bytearray(path.read_bytes())
    at = data.index(b"whole/metadata.csv") + len("whole/metadata.csv")
    data[at : at + 30] = b"\xff" * 30
    path.write_bytes(data)
    summary = import_folder(path, workspace)
    assert summary.labels == {"whole": 1}
    assert any("whole/metadata.csv: damaged" in note for note in summary.notes())


def test_large_files_are_not_read_ahead(workspace, tmp_path, monkeypatch):
    for index in range(6):
        picture(tmp_path / "set" / f"{index}.png", (index, 0, 0))
    source = open_source(tmp_path / "set", Skipped())
    places = picture_paths(source.names(), Given("damage"))
    pulled = []
    entries = source.entries
    source.entries = lambda: (pulled.append(entry) or entry for entry in entries())
    monkeypatch.setattr("collector.import_reading.READ_AHEAD_BYTES", 1)
    read = read_all(places, source, workspace, Skipped(), SoftInterrupt())
    assert [len(pulled) for _ in read] == [1, 2, 3, 4, 5, 6]


def test_a_sparse_file_in_a_tar_archive_is_not_expanded(workspace, tmp_path):
    (tmp_path / "whole").mkdir()
    picture(tmp_path / "whole" / "a.png")
    with (tmp_path / "whole" / "b.png").open("wb") as file:
        file.truncate(400_000_000)
    tar = ["tar", "--sparse", "-C", str(tmp_path), "-cf", str(tmp_path / "set.tar"), "whole"]
    subprocess.run(tar, check=True)
    summary = import_folder(tmp_path / "set.tar", workspace)
    assert summary.labels == {"whole": 1}
    assert summary.skipped_kinds == {"sparse file in an archive": 1}


def test_only_the_head_of_what_is_no_picture_is_read(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "film.mkv").write_bytes(bytes(1_000_000))
    archive = zipped(tmp_path / "set.zip", {"film.mkv": bytes(1_000_000)})
    packed = tarred(tmp_path / "set.tar.gz", {"film.mkv": bytes(1_000_000)})
    for path in (tmp_path / "set", archive, packed):
        assert [len(load()) for _, _, load in open_source(path, Skipped()).entries()] == [64]


def test_coco_names_the_class_of_a_picture_with_one_category(workspace, tmp_path):
    root = tmp_path / "set"
    for index, name in enumerate(["a.png", "b.png"]):
        picture(root / name, (index, 0, 0))
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}],
        "annotations": [
            {"image_id": 1, "category_id": 1}, {"image_id": 1, "category_id": 1},
            {"image_id": 2, "category_id": 1}, {"image_id": 2, "category_id": 2},
        ],
    }  # fmt: skip
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    import_folder(root, workspace, labels=tmp_path / "coco.json")
    assert labels(workspace) == {"a.png": "dent", "b.png": None}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "a,b\n1,2\n", "names the picture's file"),
        ("x.csv", "file,b\n1,2\n", "holds a label"),
        ("x.csv", "", "no rows"),
        ("x.json", "{", "can't be read"),
        ("x.json", "[1]", "COCO"),
        ("x.parquet", "no parquet", "can't be read"),
        ("x.jsonl", "1\n", "can't be read"),
    ],
)
def test_a_table_that_says_nothing_is_an_error(workspace, tmp_path, name, content, said):
    picture(tmp_path / "set" / "a.png")
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=said):
        import_folder(tmp_path / "set", workspace, labels=tmp_path / name)


def test_a_table_that_was_not_read_is_mentioned(workspace, tmp_path):
    picture(tmp_path / "set" / "a.png")
    (tmp_path / "set" / "labels.csv").write_text("file,label\na.png,whole\n")
    summary = import_folder(tmp_path / "set", workspace)
    assert any("labels.csv" in note and "--labels" in note for note in summary.notes())


def test_labels_come_from_file_names(workspace, tmp_path):
    for index, name in enumerate(["damaged_1.png", "whole_2.png", "3.png"]):
        picture(tmp_path / "set" / name, (index, 0, 0))
    import_folder(tmp_path / "set", workspace, label_from="(?P<damage>[a-z]+)_.*")
    assert labels(workspace) == {"damaged_1.png": "damaged", "whole_2.png": "whole", "3.png": None}


@pytest.mark.parametrize("pattern", ["(", "no group", "(?P<colour>.)"])
def test_a_pattern_without_known_groups_is_an_error(pattern):
    with pytest.raises(UsageError, match="label-from"):
        NamePattern(pattern, "damage")
