"""Networks that only look, on LiteRT."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

from bodyshop_core.backbones import Scorer, build, fingerprint, get
from bodyshop_core.backbones.lite import lite0_weights
from bodyshop_core.backbones.scorer import scorer_model
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import fit_square, load_rgb
from bodyshop_core.inference.convert import cached_network, convert
from bodyshop_core.inference.network import FrozenNetwork


def noise(count, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def tiny(scale=1.0):
    import keras

    inputs = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.GlorotUniform(3))(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(x) * scale
    top = keras.layers.Dense(3, "softmax", kernel_initializer=keras.initializers.GlorotUniform(4))
    return keras.Model(inputs, {"features": pooled, "probabilities": top(pooled / 255)})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_converted_backbone_sees_in_real_photos_what_keras_sees(real_data):
    files = sorted((real_data / "damage" / "validation").glob("*/*"))[::6]
    squares = np.stack([fit_square(load_rgb(file, at_least=448), 224) for file in files])
    assert len(squares) >= 30
    expected = scorer_model("efficientnet-lite0", None, lite0_weights()).predict(
        squares.astype(np.float32), verbose=0
    )
    found = Scorer("efficientnet-lite0").score(squares)
    assert np.abs(found.probabilities - expected["probabilities"]).max() <= 1e-3
    a, b = found.features, expected["features"]
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosine.min() >= 0.9999


def test_a_network_is_converted_once_and_then_opened_without_keras(cache):
    built = []

    def build():
        built.append(1)
        return tiny()

    first = cached_network("a", build)
    second = cached_network("a", build)
    assert len(built) == 1 and second.outputs == ("features", "probabilities")
    pictures = noise(3, 32)
    for name, value in first.run(pictures).items():
        np.testing.assert_array_equal(second.run(pictures)[name], value)
    cached_network("b", build)
    assert len(built) == 2


def test_a_top_that_comes_later_is_used(cache, tmp_path, monkeypatch, real_weights):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", _no_network)
    with_top, without_top = (tmp_path / "models" / name for name in get("mobilenet_v2").cache_files)
    without_top.parent.mkdir()
    without_top.symlink_to(real_weights / "mobilenet_v2_notop.weights.h5")
    assert not Scorer("mobilenet_v2").has_top
    before = fingerprint("mobilenet_v2")
    _add_random_top(without_top, with_top)
    assert fingerprint("mobilenet_v2") == before
    assert Scorer("mobilenet_v2").score(noise(1, 224)).probabilities.shape == (1, 1000)
    with_top.unlink()
    assert not Scorer("mobilenet_v2").has_top


def _no_network(*_args, **_kwargs):
    raise OSError("network is unreachable")


def _add_random_top(source, file):
    import keras

    plain = build("mobilenet_v2", weights=source)
    full = keras.applications.MobileNetV2(weights=None)
    for layer in full.layers[:-2]:
        if layer.weights:
            layer.set_weights(plain.get_layer(layer.name).get_weights())
    full.save(file)  # in the HDF5 format of the published files


@pytest.mark.parametrize("kind", ["no folder can be made", "a file is there"])
def test_without_a_writable_cache_a_network_lives_in_a_temporary_folder(
    tmp_path, monkeypatch, kind
):
    (tmp_path / "file").touch()
    where = "/proc/nope" if kind == "no folder can be made" else tmp_path / "file"
    monkeypatch.setenv("BODYSHOP_CACHE", str(where))
    network = cached_network("a", tiny, threads=2)
    gc.collect()
    folder = network.file.parent
    pictures = noise(4, 32)  # in threads, each of which opens the file
    assert network.run(pictures)["features"].shape == (4, 4)
    del network
    gc.collect()
    assert not folder.exists()


def test_a_conversion_that_differs_from_keras_is_refused_and_leaves_no_file(cache, monkeypatch):
    file = cache / "n.tflite"
    real = FrozenNetwork.run
    monkeypatch.setattr(
        FrozenNetwork,
        "run",
        lambda self, pictures: {k: v[..., ::-1] for k, v in real(self, pictures).items()},
    )
    with pytest.raises(BodyshopError, match="differs from Keras in"):
        convert(tiny(), file)
    assert list(cache.iterdir()) == []


def test_a_network_that_answers_nan_is_refused(cache):
    with pytest.raises(BodyshopError, match="differs from Keras"):
        convert(tiny(scale=float("nan")), cache / "n.tflite")


def test_threads_share_a_network_and_get_their_own_answers(cache):
    network = cached_network("a", tiny, threads=2)
    pictures = noise(12, 32)
    expected = network.run(pictures)
    one_by_one = [network.run(picture[None]) for picture in pictures]
    answers = {}

    def ask(number):
        answers[number] = network.run(pictures[number : number + 1])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(12):
        for name in network.outputs:
            np.testing.assert_array_equal(answers[number][name][0], expected[name][number])
            np.testing.assert_array_equal(one_by_one[number][name][0], expected[name][number])
    assert network.run(pictures[:0])["features"].shape == (0, 4)


def test_a_damaged_file_is_named(tmp_path):
    file = tmp_path / "half.tflite"
    file.write_bytes(b"TFL3" * 100)
    with pytest.raises(UsageError, match=r"half\.tflite is not a TensorFlow Lite model"):
        FrozenNetwork(file)
    with pytest.raises(UsageError, match="does not exist"):
        FrozenNetwork(tmp_path / "absent.tflite")


def test_a_network_of_another_kind_is_refused(real_weights):
    with pytest.raises(UsageError, match="is no network that bodyshop converted"):
        FrozenNetwork(real_weights / "coco_ssd_mobilenet_v1.tflite")


def test_looking_imports_no_tensorflow_once_converted():
    Scorer("efficientnet-lite0")
    script = (
        "import sys, numpy as np\n"
        "from bodyshop_core.backbones import Scorer\n"
        "scores = Scorer('efficientnet-lite0').score(np.zeros((1, 224, 224, 3), np.uint8))\n"
        "print(scores.features.shape, sorted({'tensorflow', 'keras'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "(1, 1280) []\n"
    assert done.stderr == ""
