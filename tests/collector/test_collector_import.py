from __future__ import annotations

import struct
import unicodedata
import zlib

import pytest
from PIL import Image
from sqlalchemy import select

from bodyshop_core.catalog import effective_labels, schema
from bodyshop_core.errors import NothingFoundError, UsageError
from collector import import_folder


def picture(path, colour="red", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), colour).save(path, **options)
    return path


def rows(workspace, *columns):
    with workspace.catalog.read() as connection:
        return connection.execute(select(*columns)).all()


def bomb() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 25_000, 20_000, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def test_class_folders_are_labels_and_split_folders_are_only_recorded(workspace, tmp_path):
    given = tmp_path / "set"
    for split, label, colour in [
        ("training", "damaged", "red"),
        ("training", "whole", "blue"),
        ("validation", "whole", "green"),
        ("test", "damaged", "white"),
    ]:
        picture(given / split / label / f"{colour}.png", colour)
    import_folder(given, workspace)
    splits = sorted(split for (split,) in rows(workspace, schema.sightings.c.given_split))
    assert splits == ["test", "train", "train", "validation"]
    values = sorted(
        str(label.value) for label in effective_labels(workspace.catalog, "damage").values()
    )
    assert values == ["damaged", "damaged", "whole", "whole"]


def test_hangul_names_are_composed_whatever_the_disk_made_of_them(workspace, tmp_path):
    folder = unicodedata.normalize("NFD", "파손")
    picture(tmp_path / "set" / folder / "차.png")
    import_folder(tmp_path / "set", workspace)
    (label,) = effective_labels(workspace.catalog, "damage").values()
    assert label.value == unicodedata.normalize("NFC", "파손")


def test_same_bytes_under_two_names_are_one_picture_with_two_sightings(workspace, tmp_path):
    first = picture(tmp_path / "set" / "whole" / "a.png")
    (first.parent / "b.png").write_bytes(first.read_bytes())
    import_folder(tmp_path / "set", workspace)
    assert len(rows(workspace, schema.images.c.sha256)) == 1
    assert len(rows(workspace, schema.sightings.c.key)) == 2


def test_undecodable_pictures_are_imported_without_format_and_other_files_skipped(
    workspace, tmp_path
):
    folder = tmp_path / "set" / "whole"
    good = picture(folder / "good.jpg")
    (folder / "half.jpg").write_bytes(good.read_bytes()[:-200])
    (folder / "empty.jpg").touch()
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "notes.txt").write_text("no picture")
    summary = import_folder(tmp_path / "set", workspace).as_dict()
    names = {file.rsplit("/", 1)[-1] for (file,) in rows(workspace, schema.sightings.c.file)}
    assert names == {"good.jpg", "half.jpg", "empty.jpg", "bomb.png"}
    decodable = [kind for (kind,) in rows(workspace, schema.images.c.format) if kind]
    assert decodable == ["JPEG"]
    assert summary["unreadable"] == 3 and summary["skipped"] == 1


def test_importing_again_changes_nothing(workspace, tmp_path):
    picture(tmp_path / "set" / "whole" / "a.png")
    import_folder(tmp_path / "set", workspace)
    before = rows(workspace, schema.sightings.c.key, schema.sightings.c.sha256)
    import_folder(tmp_path / "set", workspace)
    assert rows(workspace, schema.sightings.c.key, schema.sightings.c.sha256) == before


def test_empty_folder_is_a_failure(workspace, tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(NothingFoundError):
        import_folder(tmp_path / "set", workspace)


def origins(workspace):
    return sorted(origin for (origin,) in rows(workspace, schema.sightings.c.origin))


def test_the_folder_names_the_origin_unless_a_source_is_given(workspace, tmp_path):
    decomposed = unicodedata.normalize("NFD", "딜러")
    picture(tmp_path / decomposed / "whole" / "a.png")
    picture(tmp_path / "other" / "whole" / "b.png", "blue")
    import_folder(tmp_path / decomposed, workspace)
    import_folder(tmp_path / "other", workspace, source="  insurance photos ")
    assert origins(workspace) == ["insurance photos", "딜러"]


def test_importing_again_corrects_an_origin_only_when_a_source_is_named(workspace, tmp_path):
    picture(tmp_path / "set" / "whole" / "a.png")
    import_folder(tmp_path / "set", workspace, source="dealer")
    picture(tmp_path / "set" / "whole" / "new.png", "blue")
    import_folder(tmp_path / "set", workspace)
    assert origins(workspace) == ["dealer", "set"]
    import_folder(tmp_path / "set", workspace, source="yard")
    assert origins(workspace) == ["yard", "yard"]


@pytest.mark.parametrize("name", ["source", "licence", "author"])
def test_a_blank_source_licence_or_author_is_refused(workspace, tmp_path, name):
    picture(tmp_path / "set" / "whole" / "a.png")
    with pytest.raises(UsageError, match="blank"):
        import_folder(tmp_path / "set", workspace, **{name: "  "})


def test_licence_and_author_of_own_pictures_are_stated_by_any_import_and_kept_by_later_ones(
    workspace, tmp_path
):
    picture(tmp_path / "set" / "whole" / "a.png")
    stated = (schema.sightings.c.origin, schema.sightings.c.licence, schema.sightings.c.author)
    import_folder(tmp_path / "set", workspace, source="dealer")
    assert rows(workspace, *stated) == [("dealer", None, None)]
    import_folder(tmp_path / "set", workspace, licence=" CC BY 4.0 ", author="김민지")
    import_folder(tmp_path / "set", workspace)
    assert rows(workspace, *stated) == [("dealer", "CC BY 4.0", "김민지")]
    import_folder(tmp_path / "set", workspace, licence="CC0")
    assert rows(workspace, *stated) == [("dealer", "CC0", "김민지")]
