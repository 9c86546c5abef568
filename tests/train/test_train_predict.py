"""Prediction end to end: gate, classifier, detector, masks, and a run folder on another machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_cases import draw, fill_workspace

import curate
import train
from bodyshop.cli import app, normalise
from bodyshop.prediction import predict
from bodyshop_core.catalog import now, register_image, schema
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import load_rgb, read_header
from bodyshop_core.workspace import Workspace
from train.data.samples import load_samples
from train.models.run_folder import read_json, write_json

KEYS = [
    "picture",
    "is_car",
    "p_car",
    "label",
    "probability",
    "mask",
    "run",
    "error",
    "boxes",
    "where",
    "regions",
]


def photos(real_data: Path, label: str, count: int, *, kind: str = "validation") -> list[Path]:
    return sorted((real_data / "damage" / kind / label).iterdir())[:count]


@pytest.fixture(scope="module")
def real_run(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Path:
    """A run on real photos with the real gate, copied to where its workspace is not."""
    root = tmp_path_factory.mktemp("real")
    workspace = Workspace.open(root / "workspace")
    rows = []
    with workspace.catalog.begin() as connection:
        for label in ("damaged", "whole"):
            for place, file in enumerate(photos(real_data, label, 40, kind="training")):
                data = file.read_bytes()
                blob = workspace.blobs.put_bytes(data, "jpg")
                register_image(connection, blob, extension="jpg", facts=read_header(data))
                split = ("train", "train", "validation", "test")[place % 4]
                rows.append((blob.sha256, split, label))
    names = ("split_set", "sha256", "split", "label", "group")
    split_set = {"name": "first", "target": "damage", "seed": 7, "ratios": {}, "options": {}}
    workspace.catalog.upsert(schema.split_sets, [{**split_set, "audit": None, "created_at": now()}])
    workspace.catalog.upsert(
        schema.splits,
        [
            dict(zip(names, ("first", sha, split, label, sha), strict=True))
            for sha, split, label in rows
        ],
    )
    changes = {"data.degradation_views": 0}
    summary = train.train(
        workspace, "bottleneck", overrides=changes, gate=curate.load_gate(workspace).as_dict()
    )
    moved = Path(shutil.copytree(summary.folder, root / "another machine" / "달리기"))
    shutil.rmtree(workspace.root)
    return moved


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmenter of two classes that marks nearly anything, so that there is a mask to look at."""
    from train.data.mask_samples import MaskedSample, MaskedSamples
    from train.runs.plan import RunPlan
    from train.runs.segment_run import fit_segmenter, load_segment_recipe

    root = tmp_path_factory.mktemp("segmenter")
    workspace = fill_workspace(
        Workspace.open(root / "workspace"), {"damaged": (3, 2, 2), "whole": (2, 1, 1)}
    )
    samples = []
    for item in load_samples(workspace).items:
        masks = {}
        if item.label == "damaged":
            red = load_rgb(item.path)[..., 0] > 190
            for name in ("dent", "scratch"):
                masks[name] = (root / f"{item.sha256}-{name}.png",)
                Image.fromarray((red * 255).astype(np.uint8)).save(masks[name][0])
        samples.append(MaskedSample(item.sha256, item.path, item.split, masks))
    recipe = load_segment_recipe()
    stage = recipe.stages[0].model_copy(update={"epochs": 1})
    small = {"input_size": 96, "decoder": (8,) * 5, "level": 0.01, "stages": (stage,)}
    recipe = recipe.model_copy(update=small)
    folder = root / "run"
    folder.mkdir()
    masked = MaskedSamples(tuple(samples), ("dent", "scratch"), "first")
    fit_segmenter(RunPlan(recipe, masked, None, None, 7), folder, run="masks")
    return folder


def bodyshop(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict]:
    app(normalise(["--json", "--quiet", *words]), standalone_mode=False)
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_a_carried_folder_gates_and_classifies_without_its_workspace(
    real_run: Path,
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    cars = [*photos(real_data, "damaged", 10), *photos(real_data, "whole", 10)]
    other = sorted((real_data / "not_car").iterdir())[0]
    (tmp_path / "half.jpg").write_bytes(cars[0].read_bytes()[:900])
    words = [str(path) for path in (*cars, other, tmp_path / "half.jpg")]
    found = bodyshop(capsys, "predict", *words, "--run", str(real_run))
    assert [list(row) for row in found] == [KEYS] * 22
    answers = [row["label"] == Path(row["picture"]).parent.name for row in found[:20]]
    assert np.mean(answers) > 0.7
    assert np.mean([row["is_car"] for row in found[:20]]) > 0.8
    assert (found[20]["is_car"], found[20]["label"]) == (False, None)
    assert "can't be decoded" in found[21]["error"]
    assert found[21]["label"] is None
    assert {row["run"] for row in found} == {"달리기"}
    assert not list(tmp_path.glob("predicted*"))
    text = "".join(file.read_text(encoding="utf-8") for file in real_run.glob("*.json"))
    assert str(real_run.parent.parent) not in text


@pytest.mark.slow
def test_masks_and_annotated_pictures_are_written(
    real_run: Path, real_data: Path, segmenter: Path, tmp_path: Path
) -> None:
    files = [*photos(real_data, "damaged", 4), *photos(real_data, "whole", 4)]
    out = tmp_path / "out"
    found = predict(real_run, files, segmenter=segmenter, out=out, annotate=True)
    assert "damaged" in {one.label for one in found}
    for one in found:
        if one.label != "damaged":
            assert one.mask is None
            continue
        assert one.mask is not None
        mask = np.asarray(Image.open(one.mask))
        assert mask.shape == load_rgb(Path(one.picture)).shape[:2]
        assert set(np.unique(mask)) <= {0, 255}
        each = sorted(out.glob(f"{Path(one.mask).stem}-*.png"))
        assert {file.stem.rsplit("-", 1)[1] for file in each} <= {"dent", "scratch"}
        union = np.max([np.asarray(Image.open(file)) for file in each], axis=0)
        assert (union == mask).all()
        assert one.regions
        assert {region.label for region in one.regions} <= {"dent", "scratch"}
    for place, one in enumerate(found):
        with Image.open(out / f"{place:05d}-{Path(one.picture).stem}.jpg") as drawn:
            plain = load_rgb(Path(one.picture))
            assert drawn.size == plain.shape[1::-1]
            assert np.abs(np.asarray(drawn).astype(int) - plain).max() > 60
    with pytest.raises(UsageError, match="need a folder"):
        predict(real_run, files, segmenter=segmenter)


@pytest.mark.slow
def test_each_car_that_the_detector_finds_is_classified(
    real_run: Path,
    real_data: Path,
    real_weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    detector = real_weights / "coco_ssd_mobilenet_v1.tflite"
    left, right = (load_rgb(path) for path in photos(real_data, "whole", 2))
    wide = np.full((400, 1300, 3), 128, np.uint8)
    for start, rgb in ((0, left), (700, right)):
        small = np.asarray(Image.fromarray(rgb).resize((600, 400)))
        wide[:, start : start + 600] = small
    Image.fromarray(wide).save("street.png")
    Image.fromarray(np.full((200, 300, 3), 128, np.uint8)).save("nothing.png")
    found = bodyshop(
        capsys,
        "predict",
        "street.png",
        "nothing.png",
        "--run",
        str(real_run),
        "--detector",
        str(detector),
        "--annotate",
        "--out",
        "seen",
    )
    street, nothing = found
    assert street["is_car"]
    assert len(street["boxes"]) >= 2
    sizes = [(box["right"] - box["left"]) * (box["bottom"] - box["top"]) for box in street["boxes"]]
    assert sizes == sorted(sizes, reverse=True)
    centres = [(box["left"] + box["right"]) / 2 for box in street["boxes"]]
    assert min(centres) < 0.5 < max(centres)
    run = train.load_run(real_run)
    from bodyshop_core.imaging import crop_to

    for box in street["boxes"]:
        assert box["object"] in {"car", "truck", "bus"}
        place = [box[side] for side in ("left", "top", "right", "bottom")]
        answer = run.classify([crop_to(wide, place)])[0]
        assert answer.label == box["label"]
        assert answer.probability == pytest.approx(box["probability"], abs=0.05)
    assert (street["label"], street["p_car"]) == (
        street["boxes"][0]["label"],
        street["boxes"][0]["score"],
    )
    assert (nothing["is_car"], nothing["label"], nothing["boxes"]) == (False, None, [])
    assert sorted(path.name for path in Path("seen").iterdir()) == [
        "00000-street.jpg",
        "00001-nothing.jpg",
    ]


def test_what_predict_prints_has_stable_keys(
    carried: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(carried / "run.json", read_json(carried / "run.json") | {"gate": None})
    for number, label in enumerate(("damaged", "whole")):
        Image.fromarray(draw(label, 8000 + number)).save(tmp_path / f"{label}.png")
    found = bodyshop(capsys, "predict", str(tmp_path), "--run", str(carried))
    here = [row for row in found if row["picture"] in {str(p) for p in tmp_path.glob("*.png")}]
    assert [list(row) for row in here] == [KEYS] * 2
    assert [row["label"] for row in here] == ["damaged", "whole"]
    assert {(row["is_car"], row["mask"], row["boxes"]) for row in here} == {(None, None, None)}


def test_a_run_that_learned_from_cut_outs_asks_for_the_detector(
    carried: Path, tmp_path: Path
) -> None:
    record = read_json(carried / "run.json")
    record["recipe"]["data"]["crop"] = "car"
    record["gate"] = None
    write_json(carried / "run.json", record)
    picture = tmp_path / "one.png"
    Image.new("RGB", (64, 64)).save(picture)
    with pytest.raises(UsageError, match="trained on cropped cars") as caught:
        predict(carried, [picture])
    assert "--detector" in str(caught.value.hint)


def test_a_classifier_is_no_segmenter(carried: Path, tmp_path: Path) -> None:
    write_json(carried / "run.json", read_json(carried / "run.json") | {"gate": None})
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    with pytest.raises(BodyshopError, match="holds a classifier"):
        predict(carried, [tmp_path / "one.png"], segmenter=carried, out=tmp_path)
