"""EfficientNet-Lite0 put together from its weights, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bodyshop_core.backbones import assembled, build, fingerprint, in_float32
from bodyshop_core.backbones.lite import lite0_weights
from bodyshop_core.backbones.scorer import scorer_model
from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.inference.convert import _photographs
from bodyshop_core.inference.network import FrozenNetwork

WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # importing either raises
import numpy as np
from bodyshop_core.backbones import Scorer

scorer = Scorer("efficientnet-lite0")
scores = scorer.score(np.full((1, 224, 224, 3), 127, np.uint8))
print(scorer.has_top, scores.features.shape, round(float(scores.probabilities.sum()), 4))
"""


def test_the_gates_network_opens_on_a_machine_without_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path))
    answer = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split("\n")[0] == "True (1, 1280) 1.0"
    assert len(list((tmp_path / "networks").glob("*.tflite"))) == 1


def test_the_assembled_network_does_what_keras_does(tmp_path):
    file = tmp_path / "lite0.tflite"
    assembled.FLOAT_LITE0.write(file)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    found = FrozenNetwork(file).run(pictures)
    expected = scorer_model("efficientnet-lite0", None, lite0_weights()).predict(
        pictures.astype(np.float32), verbose=0
    )
    for name, wanted in expected.items():
        np.testing.assert_allclose(found[name], wanted, rtol=1e-3, atol=1e-4)


def test_other_weights_are_refused(tmp_path, monkeypatch):
    other = read_state_dict(lite0_weights())
    changed = other["_conv_stem.weight"].copy()
    changed[0, 0, 0, 0] += 0.01
    monkeypatch.setattr(
        assembled, "read_state_dict", lambda _: {**other, "_conv_stem.weight": changed}
    )
    with pytest.raises(BodyshopError, match="not those that this version was made for"):
        assembled.FLOAT_LITE0.write(tmp_path / "lite0.tflite")
    assert list(tmp_path.iterdir()) == []


IN_8_BITS = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None  # importing either raises
import numpy as np
from bodyshop_core.backbones import Scorer

pictures = np.load(sys.argv[1])
rounded, whole = Scorer("efficientnet-lite0", "int8"), Scorer("efficientnet-lite0")
a, b = rounded.score(pictures).features, whole.score(pictures).features
cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
print(rounded.has_top, rounded.file != whole.file, bool(0.9 < cosines.min() < 0.9999))
"""


def test_the_network_in_8_bits_opens_without_tensorflow_and_sees_nearly_the_same(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path))
    np.save(tmp_path / "pictures.npy", _photographs(224))
    answer = subprocess.run(
        [sys.executable, "-c", IN_8_BITS, str(tmp_path / "pictures.npy")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout == "True True True\n"


def test_features_in_8_bits_have_a_fingerprint_of_their_own():
    whole, rounded = (fingerprint("efficientnet-lite0", each) for each in (None, "int8"))
    assert whole != rounded
    assert in_float32(rounded) == in_float32(whole) == whole


def test_8_bits_are_refused_where_there_are_none():
    with pytest.raises(UsageError, match="no vgg16 in 8 bits"):
        fingerprint("vgg16", "int8")
    with pytest.raises(UsageError, match="nothing can be trained on it"):
        build("efficientnet-lite0", weights="int8")
