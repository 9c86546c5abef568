"""Only what a licence allows leaves, with its author named and plates and faces unreadable."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from export_photos import files_of
from filling import photo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import select, update

from bodyshop.export import export, read_kinds, read_licences
from bodyshop.export.hiding import CELLS, hide, propose
from bodyshop.export.licences import Credit, attribution, licence_code, permitted
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.workspace import Workspace
from collector import import_folder


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "by-sa"),
        ("http://creativecommons.org/licenses/by/2.0/deed.en", "by"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "pdm"),
        ("CC BY 4.0", "by"), ("cc-by-sa-3.0", "by-sa"), ("CC BY-NC-ND 2.0 DE", "by-nc-nd"),
        ("by-sa", "by-sa"), ("CC0", "cc0"), ("CC0 1.0", "cc0"), ("Public Domain", "pdm"),
        ("Creative Commons Attribution-ShareAlike 4.0 International", "by-sa"),
        ("not CC BY", None), ("standby", None), ("All rights reserved", None), ("", None),
        ("https://evil.example/?creativecommons.org/licenses/by/4.0/", None),
        ("by-nd-sa", None), ("cc by or by-nc", None), ("MIT", None),
        ("https://creativecommons.org/licenses/by/4.0", "by"),
        ("https://creativecommons.org/licenses/by-sa/3.0/de/deed.en?ref=openverse", "by-sa"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode.zh-hans#s1", "by"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.ko/", "cc0"),
        ("https://creativecommons.org/licenses/by/4.0/ NonCommercial use only", None),
        ("https://creativecommons.org/licenses/by/2.0/ all rights reserved", None),
        ("https://creativecommons.org/licenses/by/4.0/nonsense", None),
        ("attribution", None), ("Attribution 4.0 International", None), ("zero", None),
        ("PD", None), ("pdm", "pdm"), ("CC Zero", "cc0"), ("CC BY 4.0 NonCommercial", None),
        ("CC BY 4.0 restricted", None), ("CC BY 3.0 IGO", "by"),
        ("Creative Commons Attribution 4.0 International License", "by"),
        ("Creative Commons Public Domain Mark 1.0", "pdm"), ("CC0 1.0 Universal", "cc0"),
    ],
)  # fmt: skip
def test_licences_are_read_only_where_nothing_is_left_to_guess(text: str, code: str | None) -> None:
    assert licence_code(text) == code


@given(st.text(alphabet=st.sampled_from("cby-0 sand4.zero/pm:htcreaivo"), max_size=30))
def test_any_text_is_a_known_code_or_none_and_codes_stay(text: str) -> None:
    code = licence_code(text)
    assert code is None or licence_code(code) == code


def state_licence(workspace: Workspace, sha256: str, licence: str | None, **facts: str) -> None:
    with workspace.catalog.begin() as connection:
        table = schema.sightings
        change = update(table).where(table.c.sha256 == sha256)
        connection.execute(change.values(licence=licence, **facts))


def test_a_picture_leaves_only_if_all_that_is_stated_allows_it(
    curated: tuple[Workspace, list[str]],
) -> None:
    workspace, names = curated
    state_licence(workspace, names[0], "CC BY 4.0", author="Kim")
    state_licence(workspace, names[1], "by-nc")
    state_licence(workspace, names[3], "cc0")
    row = {"key": "again", "sha256": names[3], "source": "pages", "licence": "CC BY-NC 2.0"}
    row |= {"fetched_at": now(), "tool_version": "0"}
    workspace.catalog.upsert(schema.sightings, [row])
    state_licence(workspace, names[4], "Our own contract")
    state_licence(workspace, names[5], "CC BY 4.0")
    with workspace.catalog.begin() as connection:
        table = schema.images
        change = update(table).where(table.c.sha256 == names[5])
        connection.execute(change.values(copyright="(c) X. All rights reserved."))
    found = permitted(workspace, names, read_licences("cc0, CC BY 4.0,our own contract"))
    assert found.credits.keys() == {names[0], names[4]}
    assert found.credits[names[0]].author == "Kim"
    assert found.refused == {
        names[1]: "licence by-nc", names[2]: "no licence was found",
        names[3]: "licence CC BY-NC 2.0", names[5]: "its own metadata reserve all rights",
        names[6]: "no licence was found",
    }  # fmt: skip


def test_an_export_by_licence_holds_the_rest_back_and_names_authors(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    facts = {
        "author": "Kim\nlicence: cc0",
        "page_title": "자동차 \x1b[31m",
        "page_url": "https://h/p",
    }
    state_licence(workspace, names[0], "CC BY 4.0", **facts)
    summary = export(workspace, "imagefolder", tmp_path / "out", licences=("by",))
    assert summary.pictures == 1 and summary.refused == {"no licence was found": 5}
    assert files_of(tmp_path / "out") == {
        f"train/파손/{names[0]}.jpg", "classes.json", "ATTRIBUTION.txt",
    }  # fmt: skip
    text = (tmp_path / "out" / "ATTRIBUTION.txt").read_text("utf-8").splitlines()
    assert text[text.index(names[0]) + 1 :][:4] == [
        "  title: 자동차 [31m",
        "  author: Kim licence: cc0",
        "  source: https://h/p",
        "  licence: CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
    ]
    export(workspace, "imagefolder", tmp_path / "out")
    assert "ATTRIBUTION.txt" not in files_of(tmp_path / "out")
    with pytest.raises(NothingFoundError, match="no picture may be passed on under cc0") as none:
        export(workspace, "imagefolder", tmp_path / "none", licences=("cc0",))
    assert "import DIR --licence" in str(none.value.hint)
    summary = export(workspace, "manifest", tmp_path / "m.csv", licences=("by",))
    assert summary.pictures == 1 and summary.refused == {"no licence was found": 6}


def test_own_photos_leave_under_the_licence_that_their_import_stated(tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / "mine" / ("whole", "damaged")[number]
        folder.mkdir(parents=True)
        (folder / f"{number}.jpg").write_bytes(photo(number))
    workspace = Workspace.open(tmp_path / "workspace")
    import_folder(tmp_path / "mine", workspace)
    summary = export(workspace, "manifest", tmp_path / "set.csv", licences=("by",))
    assert summary.pictures == 0 and summary.refused == {"no licence was found": 2}
    import_folder(tmp_path / "mine", workspace, licence="CC BY 4.0", author="김민지")
    assert export(workspace, "manifest", tmp_path / "set.csv", licences=("by",)).pictures == 2
    with workspace.catalog.read() as connection:
        names = list(connection.execute(select(schema.images.c.sha256)).scalars())
    credits = permitted(workspace, names, {"by"}).credits
    assert {credit.author for credit in credits.values()} == {"김민지"}


def test_what_is_written_beside_the_pictures_says_whether_metadata_were_kept(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    state_licence(workspace, names[0], "CC BY 4.0")
    for kept, said in ((True, "The pictures are as they were found."),
                       (False, "Metadata such as EXIF were removed.")):  # fmt: skip
        out = tmp_path / str(kept)
        export(workspace, "croissant", out, licences=("by",), keep_metadata=kept)
        assert (out / "ATTRIBUTION.txt").read_text("utf-8").splitlines()[1] == said
        done = json.loads((out / "croissant.json").read_text("utf-8"))
        assert (
            f"EXIF and other metadata were {'kept' if kept else 'removed'}."
            in (done["rai:dataPreprocessingProtocol"])
        )
    export(workspace, "hf", tmp_path / "hf", licences=("by",), keep_metadata=True)
    assert "EXIF data, such as places, were kept." in (tmp_path / "hf/README.md").read_text("utf-8")


def test_an_attribution_of_nothing_known_says_so() -> None:
    text = attribution({"0" * 64: Credit("", "", "", "cc0")}, changed="Nothing.")
    assert "author: not stated" in text and "publicdomain/zero/1.0" in text


def draw_plate(workspace: Workspace, sha256: str, box: tuple[int, int, int, int]) -> None:
    key = f"plate-{sha256}"[:64]
    workspace.catalog.upsert(
        schema.annotations,
        [{"key": key, "sha256": sha256, "project": "p", "annotator": "me", "kind": "mask",
          "label": "License-Plate", "file": None, "state": "current", "updated_at": now()}],
    )  # fmt: skip
    region = {"key": f"{box}{key}"[:64], "sha256": sha256, "mask": key, "number": 0}
    region |= {"label": "License-Plate", "annotator": "me", "kind": "rectangle", "box": list(box)}
    workspace.catalog.upsert(schema.regions, [region | {"geometry": {"rings": []}, "area": 1}])


def test_what_people_drew_is_unreadable_and_recorded_and_the_rest_stays(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    for name in names[1:3]:  # one is rotated by EXIF, one is a PNG
        draw_plate(workspace, name, (8, 8, 10, 6))
    folder = tmp_path / "out"
    summary = export(workspace, "imagefolder", folder, hide=("plates",))
    assert summary.blurred == summary.as_dict()["blurred"] == {"plates": 2}
    for name, file in (
        (names[1], f"train/파손/{names[1]}.jpg"),
        (names[2], f"train/whole/{names[2]}.png"),
    ):
        before, after = load_rgb(workspace.image_path(name)), load_rgb(folder / file)
        mask = np.asarray(Image.open(folder / "hidden" / f"{name}.png")) > 127
        assert before.shape == after.shape and mask.shape == before.shape[:2]
        assert mask[8:14, 8:18].all() and mask.mean() < 0.3
        assert np.abs(before.astype(int) - after)[~mask].mean() < 6  # JPEG, once more
        assert np.abs(before.astype(int) - after)[mask].mean() > 1
    lines = [json.loads(line) for line in (folder / "hidden.jsonl").read_text().splitlines()]
    assert {line["sha256"] for line in lines} == set(names[1:3])
    assert lines[0]["regions"][0]["by"] == "person"
    assert export(workspace, "imagefolder", folder, hide=("plates",)).written == 0
    draw_plate(workspace, names[1], (20, 20, 6, 6))
    assert export(workspace, "imagefolder", folder, hide=("plates",)).written > 0
    assert export(workspace, "imagefolder", folder).written > 0  # nothing hidden is left over
    assert not (folder / "hidden.jsonl").exists()


def test_a_person_that_a_detector_found_is_hidden_with_the_faces(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    row = {"sha256": names[2], "detector": "d", "label": "person", "score": 0.9}
    workspace.catalog.upsert(schema.detections, [row | {"box": [0.25, 0.25, 0.5, 0.75]}])
    for kinds, expected in (("plates", {"plates": 0}), ("faces", {"faces": 1})):
        done = export(workspace, "webdataset", tmp_path / kinds, hide=(kinds,))
        assert done.blurred == expected


def test_nothing_readable_is_left_of_a_region() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (60, 120, 3), dtype=np.uint8)
    done = hide(noise, [(10, 10, 80, 30), (110, 50, 40, 40)])
    inside = done[10:40, 10:90].astype(float)
    assert inside.std() < noise.std() / 4  # CELLS means of some two hundred pixels each
    assert np.array_equal(done[:10], noise[:10]) and not np.array_equal(done, noise)
    assert CELLS[0] * CELLS[1] <= 12


def test_the_shipped_cascade_finds_a_face_and_none_in_noise() -> None:
    from skimage.data import astronaut

    rgb = np.asarray(astronaut())
    boxes = propose(rgb, "faces")
    assert any(170 < left < 250 and 50 < top < 120 for left, top, _, _ in boxes)
    grey = np.full((200, 300, 3), 128, np.uint8)
    assert propose(grey, "faces") == propose(grey, "plates") == []


def test_metadata_that_could_show_a_face_is_not_kept(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, _ = curated
    with pytest.raises(UsageError, match="thumbnail"):
        export(workspace, "imagefolder", tmp_path / "x", hide=("faces",), keep_metadata=True)
    with pytest.raises(UsageError, match="holds no pictures"):
        export(workspace, "manifest", tmp_path / "x.csv", hide=("faces",))
    with pytest.raises(UsageError, match="'cars' can't be hidden"):
        read_kinds("plates,cars")
    assert read_kinds("Faces, plates") == ("plates", "faces")


def test_a_croissant_has_a_data_card_with_sources_permissions_and_faults(
    curated: tuple[Workspace, list[str]], tmp_path: Path
) -> None:
    workspace, names = curated
    state_licence(workspace, names[1], "<b>own</b>")
    size = {"feature": "size", "leak": True, "balanced_accuracy": 0.8}
    audit = {"leak": True, "features": [size], "baseline": {"feature": "size", "accuracy": 0.8}}
    with workspace.catalog.begin() as connection:
        connection.execute(update(schema.split_sets).values(audit=audit))
    summary = export(workspace, "croissant", tmp_path / "out")
    page = (tmp_path / "out" / "datacard.html").read_text("utf-8")
    for text in ("size (0.80)", "No licence was found for 4 of 6", "robots: allowed", "파손",
                 "Number plates and faces were not hidden", summary.snapshot[:12]):  # fmt: skip
        assert text in page
    assert "<b>own" not in page and "&lt;b&gt;own" in page
    document = json.loads((tmp_path / "out" / "croissant.json").read_text("utf-8"))
    assert document["version"].endswith(summary.snapshot[:12])
    assert any("size (0.80)" in fault for fault in document["rai:dataLimitations"])
    assert document["rai:dataCollectionType"] == ["Web Scraping"]
