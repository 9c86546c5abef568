"""Data sets of Hugging Face's library, as `save_to_disk` and the hub write them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from import_cases import labels
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError, UsageError
from collector import import_folder
from collector.folder_walk import Skipped
from collector.import_datasets import DAMAGED, is_dataset
from collector.import_sources import open_source

CLASSES = ("whole", "damaged")
FEATURES = {
    "image": {"_type": "Image"},
    "label": {"_type": "ClassLabel", "names": list(CLASSES)},
}


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def table(shades, *, label=True, features=FEATURES, path_only=()) -> pa.Table:
    """Rows as the library stores them: every second one is damaged."""
    images = [
        {"bytes": None if shade in path_only else png(shade), "path": f"/etc/{shade}.png"}
        for shade in shades
    ]
    columns = {"image": pa.array(images, pa.struct({"bytes": pa.binary(), "path": pa.string()}))}
    if label:
        columns["label"] = pa.array([shade % 2 for shade in shades], pa.int64())
    said = {"huggingface": json.dumps({"info": {"features": features}})} if features else {}
    return pa.table(columns).replace_schema_metadata(said)


def save_to_disk(rows: pa.Table, folder: Path) -> None:
    folder.mkdir(parents=True)
    with pa.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), rows.schema) as stream:
        stream.write_table(rows, max_chunksize=2)
    (folder / "state.json").write_text("{}")
    (folder / "dataset_info.json").write_text("{}")


def test_a_saved_set_with_splits_has_its_labels_and_splits(workspace, tmp_path):
    root = tmp_path / "cars"
    save_to_disk(table(range(5)), root / "train")
    save_to_disk(table(range(5, 8)), root / "test")
    (root / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    summary = import_folder(root, workspace)
    assert summary.pictures == 8
    assert summary.labels == {"whole": 4, "damaged": 4}
    assert summary.given_splits == {"train": 5, "test": 3}
    assert summary.skipped == 0
    again = import_folder(root, workspace)
    assert (again.pictures, again.superseded) == (0, 0)


def test_a_saved_set_without_splits_and_labels(workspace, tmp_path):
    save_to_disk(table(range(3), label=False), tmp_path / "set")
    summary = import_folder(tmp_path / "set", workspace)
    assert (summary.pictures, summary.unlabelled, summary.given_splits) == (3, 3, {})


def test_parquet_of_the_hub_one_file_or_a_folder(workspace, tmp_path):
    folder = tmp_path / "repository" / "data"
    folder.mkdir(parents=True)
    for name, shades in (("train-00000-of-00002", (0, 1)), ("train-00001-of-00002", (2, 3)),
                         ("validation-00000-of-00001", (4, 5))):  # fmt: skip
        pq.write_table(table(shades), folder / f"{name}.parquet")
    summary = import_folder(folder.parent, workspace)
    assert summary.pictures == 6
    assert summary.given_splits == {"train": 4, "validation": 2}
    assert len(labels(workspace)) == 6  # the names of two shards don't collide
    one = import_folder(folder / "validation-00000-of-00001.parquet", workspace)
    assert (one.pictures, one.duplicates, one.labels) == (0, 2, {"whole": 1, "damaged": 1})


def test_the_column_of_the_field_has_the_class(workspace, tmp_path):
    rows = table(range(2)).append_column("brand", pa.array(["Kia", "Audi/VW"]))
    pq.write_table(rows, tmp_path / "set.parquet")
    import_folder(tmp_path / "set.parquet", workspace, field="brand")
    assert sorted(labels(workspace, "brand").values()) == ["Audi/VW", "Kia"]


def test_a_class_that_is_called_like_a_split_is_a_class_only(workspace, tmp_path):
    kinds = ["train", "test", "val", "train_damaged", "valid/car", "set"]
    rows = table(range(6), label=False).append_column("label", pa.array(kinds))
    pq.write_table(rows, tmp_path / "vehicles.parquet")
    summary = import_folder(tmp_path / "vehicles.parquet", workspace)
    assert summary.labels == dict.fromkeys(kinds, 1)
    assert summary.given_splits == {}


def test_the_names_of_rows_do_not_depend_on_how_the_path_was_typed(
    workspace, tmp_path, monkeypatch
):
    folder = tmp_path / "set" / "data"
    folder.mkdir(parents=True)
    pq.write_table(table(range(3)), folder / "train.parquet")
    monkeypatch.chdir(folder)
    (tmp_path / "link.parquet").symlink_to(folder / "train.parquet")
    for files in (
        (folder, Path(), Path("../data")),
        (folder / "train.parquet", Path("train.parquet"), tmp_path / "link.parquet"),
    ):
        for typed in files:
            summary = import_folder(typed, workspace)
            assert (summary.files, summary.superseded, summary.gone) == (3, 0, 0)
    with workspace.catalog.read() as connection:
        names = connection.execute(select(schema.sightings.c.file)).scalars()
        assert sorted(names) == sorted(2 * [f"train.parquet/{row:08d}" for row in range(3)])


@pytest.mark.parametrize(
    ("values", "expected", "told"),
    [
        ([3.0, None, 0.0], {"3": 1, "0": 1}, None),
        ([0.5, float("nan"), 1.0], {"1": 1}, "1 rows of set.parquet name no class: 'label' is 0.5"),
        ([[1, 2], [1], [3]], {}, "3 rows of set.parquet name no class: 'label' is [1, 2], [1]"),
    ],
)
def test_labels_that_are_no_text(workspace, tmp_path, values, expected, told):
    rows = table(range(3), label=False, features=None).append_column("label", pa.array(values))
    pq.write_table(rows, tmp_path / "set.parquet")
    summary = import_folder(tmp_path / "set.parquet", workspace)
    assert (summary.files, summary.labels) == (3, expected)
    assert [note for note in summary.notes() if told is None or told not in note] == []
    assert len(summary.notes()) == (told is not None)


def test_numbers_of_named_classes(workspace, tmp_path):
    values = pa.array([1.0, -1.0, 2.0, None])  # -1 stands for none, 2 has no name
    rows = table(range(4), label=False).append_column("label", values)
    pq.write_table(rows, tmp_path / "set.parquet")
    summary = import_folder(tmp_path / "set.parquet", workspace)
    assert (summary.labels, summary.unlabelled) == ({"damaged": 1}, 3)
    assert [note for note in summary.notes() if "1 rows" in note and "is 2 there" in note]


def test_pictures_that_are_only_a_path_are_never_opened_but_named(workspace, tmp_path):
    save_to_disk(table(range(4), path_only=(1, 2)), tmp_path / "set")
    summary = import_folder(tmp_path / "set", workspace)
    assert summary.pictures == 2
    assert summary.skipped_kinds == {"picture of a data set that is only a path": 2}


@pytest.mark.parametrize("features", [None, [], {"label": "text"}, {"label": {"names": 3}}])
def test_strange_metadata_says_nothing(workspace, tmp_path, features):
    rows = table(range(2), features=features)
    pq.write_table(rows, tmp_path / "set.parquet")
    assert import_folder(tmp_path / "set.parquet", workspace).labels == {"0": 1, "1": 1}


@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.9])
@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_damaged_file_is_named(workspace, tmp_path, cut, suffix):
    whole, file = tmp_path / f"whole{suffix}", tmp_path / f"set{suffix}"
    if suffix == ".parquet":
        pq.write_table(table(range(4)), whole)
    else:
        rows = table(range(4))
        with pa.ipc.new_stream(str(whole), rows.schema) as stream:
            stream.write_table(rows)
    data = whole.read_bytes()
    file.write_bytes(data[: int(len(data) * cut) if cut < 1 else cut])
    with pytest.raises(UsageError, match=f"set{suffix}"):
        import_folder(file, workspace)


def test_a_damaged_page_of_pictures_costs_the_rest_of_its_file_alone(workspace, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name, shades in (("a", range(40, 80)), ("b", range(4))):
        pq.write_table(
            table(shades), folder / f"{name}.parquet", compression="zstd", row_group_size=32,
            use_dictionary=False,
        )  # fmt: skip
    file = folder / "a.parquet"
    column = pq.ParquetFile(file).metadata.row_group(1).column(0)
    assert column.path_in_schema == "image.bytes"
    data = bytearray(file.read_bytes())
    end = column.data_page_offset + column.total_compressed_size
    data[end - 60 : end] = b"\xff" * 60
    file.write_bytes(data)
    summary = import_folder(folder, workspace)
    assert (summary.pictures, summary.skipped_kinds) == (36, {DAMAGED: 8})
    assert any(
        f"{file} can't be read from row 32 on" in note and "download it again" in note
        for note in summary.notes()
    )
    (folder / "b.parquet").unlink()
    column = pq.ParquetFile(file).metadata.row_group(0).column(0)
    end = column.data_page_offset + column.total_compressed_size
    data[end - 60 : end] = b"\xff" * 60
    file.write_bytes(data)
    with pytest.raises(NothingFoundError, match="can't be read from row 0 on"):
        import_folder(folder, workspace)


def test_a_folder_of_pictures_with_a_table_is_no_data_set(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1))
    pq.write_table(pa.table({"file_name": ["a.png"], "damage": ["whole"]}), tmp_path / "m.parquet")
    assert not is_dataset(tmp_path)


def test_a_linked_file_outside_of_the_folder_is_not_read(tmp_path):
    outside = tmp_path / "outside.parquet"
    pq.write_table(table(range(2)), outside)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "data.parquet").symlink_to(outside)
    assert not is_dataset(folder)


def test_a_list_of_addresses_says_how_it_is_downloaded(tmp_path):
    (tmp_path / "urls.txt").write_text("https://example.org/a.jpg\n")
    with pytest.raises(UsageError) as caught:
        open_source(tmp_path / "urls.txt", Skipped())
    assert "bodyshop collect" in str(caught.value.hint)
