"""The network of a finished run on LiteRT: the same predictions, without TensorFlow."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_runs import lite0_recipe, save_run
from training_cases import draw

from bodyshop_core.backbones.frozen import has_weights
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import fit_square
from train import load_run
from train.models.inference import predict
from train.models.lite import lite_forward
from train.models.weight_arrays import WEIGHTS_ENTRY, read_arrays


@pytest.fixture(scope="module")
def head_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_run(tmp_path_factory.mktemp("lite") / "run", lite0_recipe())


def squares(side: int, count: int = 6) -> np.ndarray:
    pictures = [
        draw(label, number) for number in range(count // 2) for label in ("damaged", "whole")
    ]
    return np.stack([fit_square(picture, side) for picture in pictures])


def rewrite(folder: Path, change) -> None:
    """Change the weights inside a run's model file by a function of the opened HDF5 file."""
    file = folder / "model.keras"
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    stream = io.BytesIO(entries[WEIGHTS_ENTRY])
    with h5py.File(stream, "r+") as stored:
        change(stored)
    entries[WEIGHTS_ENTRY] = stream.getvalue()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


@pytest.fixture(scope="module")
def deep_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    head = {
        "feature_blocks": ("b6_", "b9_"),
        "std_pooling": True,
        "layers": [{"dense": 6, "activation": "relu"}],
    }
    recipe = lite0_recipe(head=head, stages=[{"name": "head"}])
    return save_run(tmp_path_factory.mktemp("deep") / "run", recipe)


@pytest.fixture
def two_layers(deep_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(deep_run, tmp_path / "run"))


@pytest.fixture
def own_run(head_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(head_run, tmp_path / "run"))


def test_a_run_that_learned_its_head_uses_the_backbone_converted_for_all(head_run):
    run = load_run(head_run)
    pictures = [draw("damaged", 1), draw("whole", 2), draw("damaged", 3)]
    by_keras = run.raw_probabilities(pictures)
    assert by_keras.std() > 0.05
    lite = load_run(head_run)
    assert lite.use_litert()
    assert np.abs(lite.raw_probabilities(pictures) - by_keras).max() <= 1e-3
    assert "model" not in lite.__dict__
    again = load_run(head_run)
    assert again.use_litert(convert=False)


@pytest.mark.parametrize(("activation", "last"), [("relu", "sigmoid"), ("swish", "softmax")])
def test_every_kind_of_dense_head_gives_what_keras_gives(tmp_path, activation, last):
    head = {
        "feature_blocks": ("b6_", "b9_"),
        "std_pooling": True,
        "layers": [{"dense": 6, "activation": activation}, {"dropout": 0.5}],
        "activation": last,
    }
    stage = {"name": "head"}
    folder = save_run(tmp_path / "run", lite0_recipe(head=head, stages=[stage]))
    run = load_run(folder)
    forward = lite_forward(folder, run.record, convert=False)
    assert forward is not None, "the backbone is converted for all heads"
    rows = squares(224, 2)
    np.testing.assert_allclose(forward(rows), predict(run.model, rows), atol=1e-3)


def test_a_changed_backbone_is_not_taken_for_the_pretrained_one(own_run):
    def change(stored):
        stored["layers/conv2d_5/vars/0"][0, 0, 0, 0] += 1

    rewrite(own_run, change)
    run = load_run(own_run)
    assert not run.use_litert(convert=False)


def test_any_other_network_is_converted_as_a_whole_once(carried, tmp_path, monkeypatch):
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path / "cache"))
    run = load_run(carried)
    pictures = [draw("damaged", 5), draw("whole", 6)]
    expected = run.raw_probabilities(pictures)
    lite = load_run(carried)
    assert not lite.use_litert(convert=False)
    assert lite.use_litert()
    assert np.abs(lite.raw_probabilities(pictures) - expected).max() <= 1e-3
    moved = load_run(shutil.copytree(carried, tmp_path / "elsewhere"))
    assert moved.use_litert(convert=False), "known by its content, not by its place"


def test_weights_that_are_no_numbers_are_refused_as_with_keras(own_run):
    def change(stored):
        stored["layers/dense/vars/1"][0] = np.nan

    rewrite(own_run, change)
    run = load_run(own_run)
    assert not run.use_litert(convert=False)
    with pytest.raises(BodyshopError, match="NaN or infinite"):
        run.use_litert()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda stored: stored.__setitem__("x", h5py.SoftLink("/layers")), "is a link"),
        (lambda stored: stored.__setitem__("x", h5py.ExternalLink("/etc/hosts", "/")), "is a link"),
        (
            lambda stored: stored.create_dataset("x", shape=(1 << 40,), chunks=(1 << 10,)),
            "is larger than",
        ),
        (
            lambda stored: stored.create_dataset("x", (4,), "u1", external=[("/etc/hosts", 0, 4)]),
            "refers to another file",
        ),
    ],
)
def test_a_weights_file_that_points_elsewhere_or_declares_too_much_is_refused(own_run, change, why):
    rewrite(own_run, change)
    with pytest.raises(BodyshopError, match=why):
        read_arrays(own_run / "model.keras")


def test_a_truncated_model_file_is_named(own_run):
    data = (own_run / "model.keras").read_bytes()
    (own_run / "model.keras").write_bytes(data[: len(data) // 2])
    with pytest.raises(BodyshopError, match=r"model\.keras can't be read"):
        load_run(own_run).use_litert()


def reshaped(place: str, shape: tuple[int, ...], dtype: str = "f4"):
    def change(stored):
        del stored[place]
        stored.create_dataset(place, shape, dtype)

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (reshaped("layers/dense/vars/0", (7, 6)), "takes 7 features, but the backbone"),
        (reshaped("layers/dense/vars/0", (7,)), "dense layer 1 .* kernel of shape"),
        (reshaped("layers/dense/vars/1", (5,)), "dense layer 1 .* bias of shape"),
        (reshaped("layers/dense/vars/1", (6,), "S3"), "dense layer 1 .* bias of shape"),
        (reshaped("layers/dense_1/vars/0", (4, 2)), "dense layer 2 .* takes 4 values, .* gives 6"),
    ],
)
def test_dense_layers_that_do_not_follow_each_other_are_refused_by_name(two_layers, change, why):
    record = load_run(two_layers).record
    rewrite(two_layers, change)
    with pytest.raises(BodyshopError, match=why) as caught:
        lite_forward(two_layers, record, convert=False)
    assert str(two_layers / "model.keras") in caught.value.message


def test_damage_inside_the_compressed_weights_is_named(own_run):
    file = own_run / "model.keras"
    with zipfile.ZipFile(file) as archive:
        content = archive.read(WEIGHTS_ENTRY)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(WEIGHTS_ENTRY, content)
    data = bytearray(file.read_bytes())
    begin = data.index(WEIGHTS_ENTRY.encode()) + len(WEIGHTS_ENTRY)
    data[begin : begin + 8] = b"\xff" * 8  # no block of deflate begins so
    file.write_bytes(data)
    with pytest.raises(BodyshopError, match=r"model\.keras can't be read"):
        read_arrays(file)


def test_a_file_that_is_no_weights_file_is_named(tmp_path):
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"no HDF5 at all")
    with pytest.raises(UsageError, match=r"weights\.h5 can't be read as HDF5"):
        has_weights("mobilenet", [], weights)
