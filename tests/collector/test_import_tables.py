"""Labels from tables, metadata files and file names."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_cases import labelled, labels, picture, write_table

from bodyshop_core.errors import ConfigError, UsageError
from collector import import_folder
from collector.import_statements import LabelTable, NamePattern


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


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_whole_number_is_written_as_one(workspace, tmp_path, suffix):
    """With pandas, one row without a class makes 3.0 of the others."""
    for index, name in enumerate("abc"):
        picture(tmp_path / "set" / f"{name}.png", (index, 0, 0))
    rows = [{"file": "a.png", "class": 3.0}, {"file": "b.png", "class": float("nan")},
            {"file": "c.png", "class": 0.5}]  # fmt: skip
    write_table(tmp_path / f"labels{suffix}", rows)
    import_folder(tmp_path / "set", workspace, labels=tmp_path / f"labels{suffix}")
    assert labels(workspace) == {"a.png": "3", "b.png": None, "c.png": "0.5"}


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


def test_a_table_in_one_folder_leaves_the_labels_of_other_folders(workspace, tmp_path):
    for name in ("new/a.png", "new/b.png", "whole/c.png", "newer/d.png"):
        picture(tmp_path / name, (len(name), 0, ord(name[-5])))
    write_table(tmp_path / "new" / "metadata.csv", [{"file_name": "a.png", "damage": "damaged"}])
    import_folder(tmp_path, workspace)
    assert labels(workspace) == {
        "new/a.png": "damaged", "new/b.png": None, "whole/c.png": "whole", "newer/d.png": "newer",
    }  # fmt: skip


def test_two_rows_that_say_two_things_of_one_file_are_named(workspace, tmp_path):
    root = tmp_path / "set"
    picture(root / "a.png", (1, 0, 0))
    picture(root / "b.png", (2, 0, 0))
    rows = [("a.png", "damaged"), ("./a.png", "whole"), ("b.png", "whole"), ("b.png", "whole")]
    table = tmp_path / "labels.csv"
    write_table(table, [{"file": name, "damage": value} for name, value in rows])
    summary = import_folder(root, workspace, labels=table)
    assert labels(workspace) == {"a.png": "whole", "b.png": "whole"}
    (said,) = [note for note in summary.notes() if "two rows" in note]
    assert said.startswith("1 files") and "a.png: damaged, then whole" in said


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
        ("x.json", "[1]", "not an object"),
        ("x.json", "{}", "COCO"),
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
    (tmp_path / "set" / "README.txt").write_text("no picture")
    summary = import_folder(tmp_path / "set", workspace, label_from="(?P<damage>[a-z]+)_.*")
    assert "--label-from fits 2 of 3 names (not 3.png)" in summary.notes()
    assert labels(workspace) == {"damaged_1.png": "damaged", "whole_2.png": "whole", "3.png": None}


@pytest.mark.parametrize("pattern", ["(", "no group", "(?P<colour>.)"])
def test_a_pattern_without_known_groups_is_an_error(pattern):
    with pytest.raises(UsageError, match="label-from"):
        NamePattern(pattern, "damage")


@pytest.mark.parametrize(
    ("files", "rows", "expected"),
    [
        (["images/p0.jpg"], ["P0.JPG"], {"images/p0.jpg": "P0.JPG"}),
        (["a/p0.jpg", "a/p1.jpg"], ["p0", "P1"], {"a/p0.jpg": "p0", "a/p1.jpg": "P1"}),
        (["a/p0.jpg"], [r"C:\me\set\a\p0.jpg"], {"a/p0.jpg": "C:/me/set/a/p0.jpg"}),
        (["p0.jpg"], ["/mnt/other/Set/p0.jpg"], {"p0.jpg": "/mnt/other/Set/p0.jpg"}),
        (["images/p0.jpg"], ["/mnt/other/images/p0.jpg"], {}),  # does not pass the root's name
        (["train/1.jpg"], ["test/1"], {}),
        (["train/1.jpg", "test/1.jpg"], ["1"], {}),
        (["a/1.jpg", "a/1.png"], ["a/1"], {}),  # two files
        (["a/1.jpg"], ["a/1.png"], {}),  # another file's suffix
        (["a/1.jpg"], ["A/1.jpg", "a/1"], {}),  # two rows
        (["train/1.jpg"], ["1.JPG", "test/1.jpg"], {}),  # the longer one means another place
        (["a/1.jpg"], ["a/1.jpg", "A/1.JPG"], {"a/1.jpg": "a/1.jpg"}),
        (["v1.2/a.b.jpg"], ["V1.2/a.b"], {"v1.2/a.b.jpg": "V1.2/a.b"}),
    ],
)  # fmt: skip
def test_rows_match_other_case_no_suffix_and_paths_of_other_machines(files, rows, expected):
    table = LabelTable([(row, {"damage": str(number)}) for number, row in enumerate(rows)])
    table.bind(files, "/data/set")
    said = {name: table(name) for name in files if table(name)}
    numbers = [row.replace("\\", "/").lstrip("/") for row in rows]
    assert said == {
        name: {"damage": str(numbers.index(row.lstrip("/")))} for name, row in expected.items()
    }


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["a", "A", "b", "1", "1.jpg", "1.PNG"]), min_size=1, max_size=3),
        max_size=6,
    ),
    st.lists(
        st.lists(st.sampled_from(["a", "b", "1.jpg", "1.png", "b.jpg"]), min_size=1, max_size=3),
        max_size=6,
    ),
)
def test_no_file_is_given_a_row_that_another_file_fits_as_well(rows, files):
    names = sorted({"/".join(parts) for parts in files})
    table = LabelTable([("/".join(parts), {"damage": "x"}) for parts in rows])
    table.bind(names, "/data/set")
    means = list(table.loose.items())
    assert len({row for _, row in means}) == len(means)
    for name, row in means:
        assert row in table.used and row not in table.ambiguous
        stem, bare = (re.sub(r"[.](jpg|png)$", "", each.casefold()) for each in (name, row))
        assert f"/data/set/{stem}".endswith(f"/{bare}") or bare.endswith(f"set/{stem}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.csv", "\ufefffile,label\na.png,dent\n".encode()),
        ("utf16.csv", "file\tlabel\na.png\tdent\n".encode("utf-16")),
        ("excel.csv", b"sep=;\r\nfile;label\r\na.png;dent\r\n"),
        ("bars.csv", b"file|label\na.png|dent\n"),
        ("list.json", b'[{"file": "a.png", "label": ["dent"]}]'),
        ("number.jsonl", b'{"image_id": "a", "label": "dent"}\n'),
        ("hub.csv", b"id,image_file_name,label\n7,a.png,dent\n"),
        ("kaggle.csv", b"id,class\na,dent\n"),
        ("words.csv", b"Image Path,Class-Name\na.png,dent\n"),
        ("gaps.jsonl", b'{"file_name": "b.png"}\n{"file_name": "a.png", "label": "dent"}\n'),
        ("more.csv", b"file,label\nb.png\na.png,dent,and,more\n"),
    ],
)
def test_tables_as_programs_write_them(workspace, tmp_path, name, content):
    picture(tmp_path / "set" / "a.png")
    (tmp_path / name).write_bytes(content)
    import_folder(tmp_path / "set", workspace, labels=tmp_path / name)
    assert labels(workspace) == {"a.png": "dent"}


def test_each_split_of_a_coco_set_has_a_table_of_its_own(workspace, tmp_path):
    root, tables = tmp_path / "set", []
    for split, name in (("train", "dent"), ("valid", "scratch")):
        picture(root / split / f"{name}.png", "red" if split == "train" else "blue")
        coco = {
            "images": [{"id": 0, "file_name": f"{name}.png"}],
            "annotations": [{"image_id": 0, "category_id": 1}],
            "categories": [{"id": 1, "name": name}],
        }
        tables.append(root / split / "_annotations.coco.json")
        tables[-1].write_text(json.dumps(coco))
    notes = import_folder(root, workspace, labels=tables[0]).notes()
    assert "not read: valid/_annotations.coco.json; if it holds labels: --labels FILE" in notes
    summary = import_folder(root, workspace, labels=tables)
    assert summary.labels == {"dent": 1, "scratch": 1}
    assert not any("not read" in note for note in summary.notes())


def test_a_table_in_another_code_page_says_how_to_save_it(workspace, tmp_path):
    picture(tmp_path / "set" / "a.png")
    (tmp_path / "x.csv").write_bytes("file;label\na.png;beschädigt\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="save it again as 'CSV UTF-8'"):
        import_folder(tmp_path / "set", workspace, labels=tmp_path / "x.csv")


def test_rows_that_say_nothing_are_named(workspace, tmp_path):
    for index, name in enumerate("abc"):
        picture(tmp_path / "set" / f"{name}.png", (index, 0, 0))
    coco = {
        "images": [{"id": n, "file_name": f"{name}.png"} for n, name in enumerate("abx")],
        "annotations": [
            {"image_id": 0, "category_id": 1},
            {"image_id": 0, "category_id": 2},
            {"image_id": 1, "category_id": 2},
        ],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "scratch"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    notes = import_folder(tmp_path / "set", workspace, labels=tmp_path / "coco.json").notes()
    assert labels(workspace) == {"a.png": None, "b.png": "scratch", "c.png": None}
    assert any("1 rows" in note and "several values" in note and "a.png" in note for note in notes)
    assert any("name no file that is there (x.png)" in note for note in notes)
    coco["annotations"].append({"image_id": 2, "category_id": 9})
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    with pytest.raises(ConfigError, match="category 9"):
        import_folder(tmp_path / "set", workspace, labels=tmp_path / "coco.json")


def test_metadata_that_names_absent_files_is_no_skipped_file_but_is_told(workspace, tmp_path):
    root = tmp_path / "set"
    picture(root / "train" / "1.png")
    write_table(
        root / "train" / "metadata.csv",
        [{"file_name": "1.png", "label": "x"}, {"file_name": "gone.png", "label": "y"}],
    )
    summary = import_folder(root, workspace)
    assert summary.skipped == 0
    assert any("name no file that is there (train/gone.png)" in note for note in summary.notes())
