"""Full disks, kills, broken and odd pictures: nothing half written, nothing lost."""

from __future__ import annotations

import io
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from shots import Fill, Shot, fill_workspace, jpeg, mask, picture, pixels, png, size_of, tree

from augment import augment
from augment.failures import FailureCode
from augment.loading import load_source
from augment.policy import AugmentPolicy, load_policy, parse_policy
from augment.rendering import render_shard, variant_entries
from bodyshop.forget import forget
from bodyshop_core import atomic
from bodyshop_core.catalog.variants import current_variants
from bodyshop_core.engine import read_rows
from bodyshop_core.errors import BodyshopError, TransientError, UsageError
from bodyshop_core.locking import locked
from bodyshop_core.workspace import Workspace

RUN = (
    "import sys; from bodyshop_core.workspace import Workspace; from augment import augment\n"
    "augment(Workspace.open(sys.argv[1]), 'car-damage', copies=2, workers=2)"
)


def start(workspace: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(workspace)], cwd=workspace.parent)


def pictures_of(root: Path) -> dict[str, str]:
    return {name: digest for name, digest in tree(root / "variants").items() if "/" in name}


def kill_loop(tmp_path: Path, *, kills: int, pictures: int, seed: int) -> None:
    shots = [Shot(jpeg(picture(n)), mask=png(mask())) for n in range(pictures)]
    calm, stormy = tmp_path / "calm", tmp_path / "stormy"
    for root in (calm, stormy):
        fill_workspace(Workspace.open(root), shots)
    assert start(calm).wait() == 0
    rng = random.Random(seed)
    landed = 0
    for _ in range(kills):
        process = start(stormy)
        # Kill once files appear, so that it lands amid the work and not in the imports.
        before = len(list(stormy.glob("variants/*/??/*.jpg")))
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            if len(list(stormy.glob("variants/*/??/*.jpg"))) > before + rng.randrange(12):
                break
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        landed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(stormy).wait() == 0
    assert landed, "no kill landed while the command was at work"
    assert not [name for name in tree(stormy) if atomic.TEMPORARY in name]
    ours, theirs = pictures_of(stormy), pictures_of(calm)
    manifests = {name for name in theirs if "/manifest" in name}
    assert ours == theirs
    assert manifests
    rows = current_variants(Workspace.open(stormy).catalog, "main")
    assert len(rows) == 2 * pictures


def test_killed_and_run_again_gives_the_same_set(tmp_path: Path) -> None:
    kill_loop(tmp_path, kills=1, pictures=48, seed=3)


@pytest.mark.slow
def test_killed_many_times_gives_the_same_set(tmp_path: Path) -> None:
    kill_loop(tmp_path, kills=5, pictures=160, seed=11)


def test_what_is_lost_between_a_kill_and_the_next_run_is_made_again(
    workspace: Workspace, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(5)])
    with monkeypatch.context() as killed:
        # As if killed after the shard was written and before the catalog knew of it.
        killed.setattr("augment.variant_set.VariantSet.record", _no_more)
        with pytest.raises(KeyboardInterrupt):
            augment(workspace, "car-damage", copies=2, workers=1)
    (folder,) = workspace.variants.iterdir()
    before = tree(folder)
    assert [name for name in before if name.startswith(".shards/")]
    first, second, *_ = sorted(folder.glob("??/*.jpg"))
    first.unlink()
    second.write_bytes(b"")
    summary = augment(workspace, "car-damage", copies=2, workers=1)
    assert (summary.variants, summary.failed) == (10, {})
    after = tree(folder)
    assert {name: after[name] for name in before if "/." not in name and name[2] == "/"} == {
        name: digest for name, digest in before.items() if name[2] == "/"
    }


def _no_more(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("harm", ["gone", "empty", "cut"])
def test_a_mask_lost_to_a_power_cut_is_made_again(
    workspace: Workspace, fill: Fill, harm: str
) -> None:
    fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(3)])
    folder = Path(augment(workspace, "light", copies=1, workers=0).folder)
    before = tree(folder)
    victim = sorted(folder.glob("??/*.png"))[1]
    if harm == "gone":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[: 0 if harm == "empty" else -1])
    assert augment(workspace, "light", copies=1, workers=0).made == 1
    assert {name: digest for name, digest in tree(folder).items() if name[2] == "/"} == {
        name: digest for name, digest in before.items() if name[2] == "/"
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1.5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(
    workspace: Workspace, fill: Fill, small_disk: Path
) -> None:
    fill([Shot(jpeg(picture(n, size=(320, 240)))) for n in range(40)])
    workspace.variants.symlink_to(small_disk, target_is_directory=True)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_200_000))
    with pytest.raises(BodyshopError, match="the disk is full") as caught:
        augment(workspace, "light", copies=2, workers=2)
    assert "continues where it stopped" in str(caught.value.hint)
    assert not [name for name in tree(small_disk) if atomic.TEMPORARY in name]
    for path in small_disk.glob("*/??/*.jpg"):
        with Image.open(path) as image:
            image.load()
    ballast.unlink()
    summary = augment(workspace, "light", copies=2, workers=2)
    assert (summary.variants, summary.failed) == (80, {})


def test_after_a_full_disk_only_what_it_cost_is_made_again(
    workspace: Workspace, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill([Shot(jpeg(picture(n))) for n in range(6)])
    monkeypatch.setattr("augment.offline.SHARD_SIZE", 2)
    with monkeypatch.context() as killed:
        killed.setattr("augment.variant_set.VariantSet.record", _no_more)
        with pytest.raises(KeyboardInterrupt):
            augment(workspace, "light", copies=2, workers=1)
    (folder,) = workspace.variants.iterdir()
    victim, *others = sorted((folder / ".shards").glob("*.parquet"))
    assert len(others) == 2
    table = pq.read_table(victim)
    full = pa.array([FailureCode.DISK_FULL.with_message("no space")] * len(table), pa.string())
    pq.write_table(table.set_column(table.column_names.index("error"), "error", full), victim)
    kept = [
        e["file"] for shard in others for row in read_rows([shard]) for e in variant_entries(row)
    ]
    before = {file: (folder / file).stat().st_mtime_ns for file in kept}
    summary = augment(workspace, "light", copies=2, workers=1)
    assert (summary.made, summary.failed) == (12, {})
    assert {file: (folder / file).stat().st_mtime_ns for file in kept} == before


def test_a_disk_that_is_full_when_the_manifest_is_written_is_said(
    workspace: Workspace, fill: Fill, small_disk: Path
) -> None:
    names = fill([Shot(jpeg(picture(n, size=(32, 24)))) for n in range(30)])
    workspace.variants.symlink_to(small_disk, target_is_directory=True)
    augment(workspace, "light", copies=2, workers=0)
    (manifest,) = small_disk.glob("*/manifest-*.jsonl")
    whole = manifest.read_bytes()
    ballast = small_disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    with pytest.raises(BodyshopError, match="the disk is full"):
        augment(workspace, "light", copies=2, workers=0)
    assert manifest.read_bytes() == whole
    ballast.unlink()
    assert augment(workspace, "light", copies=2, workers=0).variants == 2 * len(names)


def test_a_picture_erased_while_it_is_rendered_leaves_no_variant(
    workspace: Workspace, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, *kept = fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(3)])

    def erasing(items: list[dict], *, policy: AugmentPolicy) -> list[dict]:
        rows = render_shard(items, policy=policy)
        assert list(workspace.variants.rglob(f"{gone}*"))
        forget(workspace, gone)
        for source in (item for item in items if item["sha256"] == gone):
            # The command that erased has looked for files already when the last one is written.
            source["derived"].put(f"{source['folder']}/{gone[:2]}/{gone}-2.jpg", b"late")
        return rows

    monkeypatch.setattr("augment.offline.render_shard", erasing)
    assert augment(workspace, "light", copies=2, workers=0).made == 4
    assert not list(workspace.variants.rglob(f"{gone}*"))
    made_from = {variant.sha256 for variant in current_variants(workspace.catalog, "main")}
    assert made_from == set(kept)


def test_a_picture_that_does_not_decode_fails_alone(workspace: Workspace, fill: Fill) -> None:
    whole = jpeg(picture(1))
    fill([Shot(whole), Shot(jpeg(picture(2))[:300]), Shot(b"\xff\xd8\xffnot a picture")])
    summary = augment(workspace, "light", copies=2, workers=0)
    assert (summary.variants, summary.failed) == (2, {"unreadable": 4})


def test_a_mask_that_is_there_and_cannot_be_read_is_named_and_nothing_is_written_off(
    workspace: Workspace, fill: Fill
) -> None:
    fill([Shot(jpeg(picture(1)), mask=png(mask())), Shot(jpeg(picture(2)))])
    (file,) = [path for path in workspace.masks.rglob("*") if path.is_file()]
    whole = file.read_bytes()
    file.unlink()
    file.symlink_to(file)  # a loop: no user can read it
    with pytest.raises(TransientError, match=f"{file.name} can't be read"):
        augment(workspace, "grayscale", copies=1, workers=0)
    file.unlink()
    file.write_bytes(whole)
    summary = augment(workspace, "grayscale", copies=1, workers=0)
    assert (summary.made, summary.failed) == (2, {})


def test_a_mask_of_another_shape_is_refused_and_one_of_another_size_fits(
    workspace: Workspace, fill: Fill
) -> None:
    fill(
        [
            Shot(jpeg(picture(1)), mask=png(mask((64, 96), box=(10, 10, 30, 30)))),  # on its side
            Shot(jpeg(picture(2)), mask=png(mask((192, 128), box=(60, 40, 120, 80)))),  # twice
            Shot(jpeg(picture(3)), mask=b"no picture at all"),
        ]
    )
    summary = augment(workspace, "grayscale", copies=1, workers=0)
    assert (summary.variants, summary.failed) == (1, {"mask_unusable": 2})
    (variant,) = current_variants(workspace.catalog, "main")
    drawn = pixels(workspace.root / variant.masks["scratch"])
    assert drawn.shape == (64, 96)
    assert set(np.unique(drawn)) == {0, 255}


def odd_pictures() -> dict[str, bytes]:
    wide = np.linspace(0, 65535, 96 * 64).reshape(64, 96).astype(np.uint16)
    palette, cmyk = io.BytesIO(), io.BytesIO()
    picture(6).convert("P").save(palette, "GIF")
    picture(7).convert("CMYK").save(cmyk, "JPEG")
    return {
        "one pixel": png(Image.new("RGB", (1, 1), (200, 30, 30))),
        "one row": png(Image.new("RGB", (50, 1), (20, 130, 30))),
        "grey": png(picture(3, mode="L")),
        "alpha": png(picture(4, mode="RGBA")),
        "sixteen bits": png(Image.fromarray(wide)),
        "palette": palette.getvalue(),
        "cmyk": cmyk.getvalue(),
    }


@pytest.mark.parametrize("policy", ["light", "car-damage", "imagedatagenerator", "weather"])
def test_odd_pictures_give_rgb_variants_of_their_size(
    workspace: Workspace, fill: Fill, policy: str
) -> None:
    odd = odd_pictures()
    names = dict(zip(fill([Shot(data) for data in odd.values()]), odd, strict=True))
    summary = augment(workspace, policy, copies=2, workers=0)
    variants = current_variants(workspace.catalog, "main")
    assert {pixels(workspace.root / variant.file).shape[2:] for variant in variants} == {(3,)}
    found = {
        (names[variant.sha256], size_of(workspace.root / variant.file)) for variant in variants
    }
    failed = set(odd) - {name for name, _ in found}
    assert failed <= {"one pixel", "one row"}, summary.failed
    for name, size in found:
        whole = size_of(odd[name])
        # `light` cuts up to 8 % off each border; the others keep the size.
        smallest = tuple(0.8 * side for side in whole) if policy == "light" else whole
        assert smallest <= size <= whole


def test_exif_rotation_is_applied_so_that_masks_fit_what_a_person_saw(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source, drawn = tmp_path / "a.jpg", tmp_path / "a.png"
    source.write_bytes(jpeg(picture(1, size=(400, 200)), exif=exif))
    drawn.write_bytes(png(mask((200, 400), box=(0, 0, 100, 100))))
    for longest, size in ((None, (400, 200, 3)), (100, (100, 50, 3))):
        loaded = load_source(source, [("scratch", str(drawn))], longest_side=longest)
        assert loaded.rgb.shape == size
        assert loaded.masks[0].shape == size[:2]
        assert loaded.masks[0][0, 0] == 255


def test_masks_of_one_class_are_joined(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(png(picture(1)))
    files = []
    for number, box in enumerate([(0, 0, 10, 10), (20, 20, 30, 30)]):
        path = tmp_path / f"m{number}.png"
        path.write_bytes(png(mask(box=box)))
        files.append(("scratch", str(path)))
    loaded = load_source(source, [*files, ("dent", files[0][1])])
    assert loaded.labels == ("scratch", "dent")
    assert [int((m > 0).sum()) for m in loaded.masks] == [200, 100]


def test_a_transform_that_cannot_work_on_a_picture_is_recorded(
    workspace: Workspace, fill: Fill
) -> None:
    crop = "name: crop\ntransforms:\n  - RandomCrop: {height: 64, width: 64, p: 1.0}\n"
    fill([Shot(jpeg(picture(1))), Shot(jpeg(picture(2, size=(40, 40))))])
    summary = augment(workspace, parse_policy(crop), copies=1, workers=0)
    assert (summary.variants, summary.failed) == (1, {"transform": 1})


def test_two_commands_never_make_one_set_at_a_time(workspace: Workspace, fill: Fill) -> None:
    fill([Shot(jpeg(picture(1)))])
    folder = workspace.variants / load_policy("light").folder_name
    message = f"another bodyshop command is making the variants of {folder.name}"
    with locked(folder / ".lock"), pytest.raises(UsageError, match=message):
        augment(workspace, "light", copies=1, workers=0)
    assert augment(workspace, "light", copies=1, workers=0).made == 1


def test_a_policy_that_makes_nothing_at_all_is_an_error_and_not_an_empty_set(
    workspace: Workspace, fill: Fill
) -> None:
    crop = "name: crop\ntransforms:\n  - RandomCrop: {height: 500, width: 500, p: 1.0}\n"
    fill([Shot(jpeg(picture(n))) for n in range(2)])
    with pytest.raises(BodyshopError, match=r"no variant.*transform: .*[Cc]rop") as caught:
        augment(workspace, parse_policy(crop), copies=1, workers=0)
    assert "--preview" in str(caught.value.hint)


def test_a_picture_is_decoded_once_for_all_its_copies(
    workspace: Workspace, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill([Shot(jpeg(picture(n)), mask=png(mask())) for n in range(3)])
    loaded = []

    def counting(source, *arguments, **options):
        loaded.append(source)
        return load_source(source, *arguments, **options)

    monkeypatch.setattr("augment.rendering.load_source", counting)
    assert augment(workspace, "light", copies=7, workers=0).made == 21
    assert len(loaded) == len(set(loaded)) == 3
