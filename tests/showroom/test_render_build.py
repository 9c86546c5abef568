"""A built showroom: complete, repeatable, fair to both damage classes."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from bodyshop_core.errors import UsageError
from showroom import Truth, build_showroom, load_truth
from showroom.build import make
from showroom.lineup import BRANDS, queries
from showroom.plan import RenderJob, plan


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    root = tmp_path_factory.mktemp("built") / "가게"
    return root, build_showroom(root, size="tiny")


def test_every_file_of_the_truth_is_there_as_described(built: tuple[Path, Truth]) -> None:
    root, truth = built
    for picture in truth.pictures:
        data = (root / picture.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == picture.sha256
        with Image.open(root / picture.file) as image:
            assert image.size == (picture.width, picture.height)
        if picture.thumbnail:
            with Image.open(root / picture.thumbnail) as image:
                assert image.width < picture.width
        for mask in filter(None, (picture.mask, *picture.masks.values())):
            with Image.open(root / mask) as image:
                assert image.size == (picture.width, picture.height)
                assert set(np.unique(np.asarray(image))) == {0, 255}


def test_ids_and_bytes_are_unique(built: tuple[Path, Truth]) -> None:
    truth = built[1]
    assert len({p.id for p in truth.pictures}) == len(truth.pictures)
    assert len({p.sha256 for p in truth.pictures}) == len(truth.pictures)
    assert all(re.fullmatch(r"[a-z0-9-]+", p.id) for p in truth.pictures)


@pytest.mark.slow
@pytest.mark.skipif(
    os.name != "posix", reason="on Windows a worker outlives a build that is killed"
)
def test_a_build_that_is_killed_leaves_no_process_behind(tmp_path: Path) -> None:
    root = tmp_path / "showroom"
    code = f"from showroom import build_showroom; build_showroom({str(root)!r}, workers=2)"
    build = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 300
    while not [*root.glob("pictures/*.jpg")]:
        assert build.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    workers = psutil.Process(build.pid).children(recursive=True)
    assert len(workers) >= 2
    build.kill()
    build.wait()
    _, left = psutil.wait_procs(workers, timeout=60)
    for each in left:
        each.kill()
    assert not left


def test_a_build_that_is_killed_goes_on_with_what_was_not_finished(
    built: tuple[Path, Truth], tmp_path: Path
) -> None:
    root = tmp_path / "showroom"
    code = f"from showroom import build_showroom; build_showroom({str(root)!r}, size='tiny')"
    build = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 240
    while len(done := [*root.glob("finished/[!.]*.json")]) < 5:
        assert build.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    build.kill()
    build.wait()
    kept = {note.stem for note in root.glob("finished/[!.]*.json")}
    assert {note.stem for note in done} <= kept < {job.picture.id for job in plan(7, "tiny")}
    damaged, *whole = sorted(kept)
    (root / "pictures" / f"{damaged}.jpg").write_bytes(b"half")
    (root / "pictures" / ".tmp-nobody~0~left.jpg").write_bytes(b"half")
    os.utime(root / "pictures" / ".tmp-nobody~0~left.jpg", (0, 0))
    before = {name: (root / "pictures" / f"{name}.jpg").stat().st_mtime_ns for name in whole}
    assert build_showroom(root, size="tiny") == built[1]
    assert {n: (root / "pictures" / f"{n}.jpg").stat().st_mtime_ns for n in whole} == before
    assert not (root / "pictures" / ".tmp-nobody~0~left.jpg").exists()
    assert contents(root) == contents(built[0])


def contents(root: Path) -> dict[str, bytes]:
    """Return all files but those of a killed process, which Windows keeps for a day."""
    files = (file for file in root.rglob("*") if file.is_file())
    return {str(f.relative_to(root)): f.read_bytes() for f in files if f.name[0] != "."}


def test_a_tiny_showroom_has_a_bit_of_everything(built: tuple[Path, Truth]) -> None:
    truth = built[1]
    assert len(truth.pictures) <= 60
    assert {p.place for p in truth.pictures} == {"gallery", "spinner", "canvas", "search"}
    assert {p.slot for p in truth.pictures if p.place == "gallery"} == {
        "img",
        "srcset",
        "picture",
        "lazy",
        "css",
    }
    assert any(p.duplicate_of for p in truth.pictures)
    assert any(p.kind == "decoy" for p in truth.pictures)
    assert {p.damage for p in truth.pictures if p.kind == "car"} == {"damaged", "whole"}


def test_damaged_pictures_have_masks_and_whole_ones_none(built: tuple[Path, Truth]) -> None:
    for p in built[1].pictures:
        if p.damage == "damaged" and p.duplicate_of is None:
            assert p.mask
            assert tuple(sorted(p.masks)) == p.damage_classes
        else:
            assert p.mask is None


def test_a_second_build_takes_the_first_ones_files(built: tuple[Path, Truth]) -> None:
    root, truth = built
    before = {f: f.stat().st_mtime_ns for f in root.rglob("*") if f.is_file()}
    assert build_showroom(root, size="tiny") == truth == load_truth(root)
    assert before == {f: f.stat().st_mtime_ns for f in root.rglob("*") if f.is_file()}


def test_a_missing_file_is_rendered_again_with_the_same_bytes(built: tuple[Path, Truth]) -> None:
    root, truth = built
    victim = next(p for p in truth.pictures if p.damage == "damaged")
    (root / victim.file).unlink()
    job = next(j for j in plan(7, "tiny") if j.picture.id == victim.id)
    assert make(job, root) == victim
    assert hashlib.sha256((root / victim.file).read_bytes()).hexdigest() == victim.sha256


def test_two_workers_make_the_same_bytes_as_one(
    built: tuple[Path, Truth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = plan(7, "tiny")[:9]
    monkeypatch.setattr("showroom.build.plan", lambda seed, size: some)
    truth = build_showroom(tmp_path, size="tiny", workers=2)
    same = built[1].by_id()
    assert [p.id for p in truth.pictures] == [j.picture.id for j in some]
    assert all(p == same[p.id] for p in truth.pictures)


def test_near_duplicates_follow_their_original(built: tuple[Path, Truth]) -> None:
    pictures = built[1].by_id()
    for p in pictures.values():
        if p.duplicate_of is None:
            assert p.transform is None
            continue
        original = pictures[p.duplicate_of]
        assert p.sha256 != original.sha256
        assert (p.brand, p.model, p.damage, p.query) == (
            original.brand,
            original.model,
            original.damage,
            original.query,
        )
        assert p.transform


def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="huge"):
        build_showroom(tmp_path, size="huge")  # type: ignore[arg-type]


def test_the_plan_depends_on_the_seed_alone() -> None:
    assert plan(3, "demo") == plan(3, "demo")
    assert plan(3, "demo") != plan(4, "demo")


@pytest.fixture(scope="module")
def demo() -> list[RenderJob]:
    return plan(7, "demo")


def test_the_demo_has_the_promised_amounts(demo: list[RenderJob]) -> None:
    pictures = [j.picture for j in demo]
    assert 500 <= len(pictures) <= 600
    assert sum(p.kind == "decoy" for p in pictures) >= 70
    assert sum(p.duplicate_of is not None for p in pictures) >= 60
    assert sum(p.blurred for p in pictures) >= 20
    assert len({p.query for p in pictures if p.query}) == 12


def test_both_damage_classes_get_the_same_mix_of_everything_else(demo: list[RenderJob]) -> None:
    cars = [j for j in demo if j.picture.place == "search" and j.shot and j.copy is None]
    halves = {d: [j for j in cars if j.picture.damage == d] for d in ("damaged", "whole")}
    assert len(halves["damaged"]) == len(halves["whole"])

    def counts(half: str, what: str) -> Counter[object]:
        return Counter(getattr(j.picture, what) for j in halves[half])

    for what in ("framing", "brand", "model", "scene", "jpeg_quality", "blurred"):
        assert counts("damaged", what) == counts("whole", what), what
    sizes = {
        d: Counter((j.shot.width, j.shot.height) for j in half if j.shot)
        for d, half in halves.items()
    }
    assert sizes["damaged"] == sizes["whole"]
    for number in ("angle_deg", "elevation_deg", "distance", "exposure", "noise", "reach", "fill"):
        a, b = ([getattr(j.shot, number) for j in halves[d]] for d in ("damaged", "whole"))
        spread = np.std(a + b)
        assert abs(np.mean(a) - np.mean(b)) < 4 * spread * (2 / len(a)) ** 0.5, number


def test_framing_does_not_tell_the_damage_and_both_are_common(demo: list[RenderJob]) -> None:
    cars = [j.picture for j in demo if j.picture.place == "search" and j.picture.kind == "car"]
    share = sum(p.framing == "part" for p in cars) / len(cars)
    assert 0.4 < share < 0.6


def test_spinners_go_once_around(demo: list[RenderJob]) -> None:
    groups: dict[str, list[RenderJob]] = {}
    for job in demo:
        if job.picture.spin_group:
            groups.setdefault(job.picture.spin_group, []).append(job)
    assert len(groups) == 3
    for jobs in groups.values():
        frames = [j.picture.frame for j in jobs]
        assert frames == list(range(len(jobs)))
        angles = [j.picture.angle_deg for j in jobs]
        assert angles == pytest.approx([360 * k / len(jobs) for k in frames])
        assert len({j.picture.colour for j in jobs}) == 1


def test_queries_speak_the_brands_language() -> None:
    asked = {
        q for brand in BRANDS for model in brand.models for q in queries(brand, model).values()
    }
    assert "한빛 바람 파손" in asked
    assert "Norden Fjell damaged" in asked
    assert len(asked) == 12
