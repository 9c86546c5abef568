"""Archives: read without unpacking, within limits, as far as they are whole."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import zipfile

import pyarrow as pa
import pytest
from import_cases import archived, encoded, labels, picture, tarred, zipped

from bodyshop_core.errors import NothingFoundError, UsageError
from collector import import_folder
from collector.crawl.interrupt import SoftInterrupt
from collector.folder_layout import Given, picture_paths
from collector.folder_walk import Skipped
from collector.import_reading import read_all
from collector.import_sources import open_source


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


def zstandard(data, path):
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as stream:
        stream.write(data)
    return path


def test_a_tar_archive_compressed_by_zstandard_is_read_as_far_as_it_goes(workspace, tmp_path):
    files = {f"whole/{n}.png": encoded((n, 0, 0)) + os.urandom(300_000) for n in range(8)}
    plain = gzip.decompress(tarred(tmp_path / "set.tar.gz", files).read_bytes())
    path = zstandard(plain, tmp_path / "set.tar.zst")
    assert import_folder(path, workspace).labels == {"whole": 8}
    whole, skipped = path.read_bytes(), b"\x50\x2a\x4d\x18\x04\x00\x00\x00pzst"
    path.with_name("pzstd.tar.zst").write_bytes(skipped + whole)
    assert import_folder(path.with_name("pzstd.tar.zst"), workspace).labels == {"whole": 8}
    path.write_bytes(whole[:1_300_000])
    summary = import_folder(path, workspace)
    assert 1 <= summary.files < 8
    assert any("rest of the archive" in note for note in summary.notes())


@pytest.mark.parametrize("write", [tarred, zipped])
def test_an_archive_is_known_by_its_content(workspace, tmp_path, write):
    path = write(tmp_path / "set.download", {"whole/a.png": encoded()})
    assert import_folder(path, workspace).labels == {"whole": 1}


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("set.7z", b"7z\xbc\xaf\x27\x1c", "unpack it"),
        ("set.zip", b"Rar!\x1a\x07\x01", "unpack it"),
        ("a.jpg", b"\xff\xd8\xff", "the folder that it is in"),
        ("urls", b"# of today\nhttps://example.org/a.jpg\n", "urls.txt --contact"),
        ("urls.csv", b"url,label\nhttps://example.org/a.jpg,whole\n", "one per line"),
        ("labels.csv", b"file,label\na.jpg,whole\n", "--labels"),
        ("notes.doc", b"hello", "archives end in"),
    ],
)
def test_the_advice_fits_what_can_not_be_imported(tmp_path, name, content, advice):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        open_source(tmp_path / name, Skipped())
    assert advice in str(caught.value.hint)


def test_the_password_of_an_encrypted_archive_is_asked_for_elsewhere(workspace, tmp_path):
    path = zipped(tmp_path / "set.zip", {"whole/a.png": encoded()})
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(NothingFoundError, match=r"1 skipped: encrypted \(whole/a.png\)") as caught:
        import_folder(path, workspace)
    assert "password" in str(caught.value.hint)


def test_archives_that_another_program_opens_are_named(workspace, tmp_path):
    for name in ("set.7z", "set.tar.gz"):
        (tmp_path / "set" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"x")
    (tmp_path / "set" / "a.png").write_bytes(encoded())
    notes = import_folder(tmp_path / "set", workspace).notes()
    assert "archives in it are not opened: import set.tar.gz by itself" in notes
    assert "set.7z is an archive that only another program opens: unpack it first" in notes


@pytest.mark.parametrize("name", ["set.zip", "set.tar"])
def test_a_damaged_archive_is_an_error_that_names_it(workspace, tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no archive at all")
    with pytest.raises(UsageError, match=re.escape(name)):
        import_folder(tmp_path / name, workspace)


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


def test_names_that_programs_of_macos_and_windows_write_are_read_as_meant(workspace, tmp_path):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("파손/1.png", encoded("red"))
        archive.writestr("Kratzer/2.png", encoded("blue"))
    data = path.read_bytes()
    utf8 = 0x800.to_bytes(2, "little")
    assert data.count(utf8, 0) >= 2
    data = data.replace(b"Kratzer/2.png", b"Kratzer\\2.png")
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # UTF-8, but not said so
        at = data.find(signature)
        data = data[: at + flags] + b"\0\0" + data[at + flags + 2 :]
    path.write_bytes(data)
    import_folder(path, workspace)
    assert labels(workspace) == {"파손/1.png": "파손", "Kratzer/2.png": "Kratzer"}


def test_archives_in_archives_are_named_with_what_to_do(workspace, tmp_path):
    inner = zipped(tmp_path / "inner.zip", {"a.png": encoded()}).read_bytes()
    path = zipped(tmp_path / "set.zip", {"whole/1.png": encoded(), "more/inner.zip": inner})
    notes = import_folder(path, workspace).notes()
    assert "archives in it are not opened: import more/inner.zip by itself" in notes


def test_unreadable_pictures_are_named_by_their_type(workspace, tmp_path):
    root = tmp_path / "set"
    picture(root / "whole" / "1.png")
    (root / "whole" / "a.heic").write_bytes(b"no picture")
    (root / "whole" / "b.psd").write_bytes(b"8BPS no picture")
    summary = import_folder(root, workspace)
    notes = " ".join(summary.notes())
    assert summary.unreadable == 2
    assert "1 unreadable: heic (whole/a.heic)" in notes
    assert "1 unreadable: psd (whole/b.psd)" in notes
