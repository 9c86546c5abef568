"""EfficientNet-Lite0 put together from its weights, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bodyshop_core.backbones import assembled
from bodyshop_core.backbones.lite import lite0_weights
from bodyshop_core.backbones.scorer import scorer_model
from bodyshop_core.backbones.torch_file import read_state_dict
from bodyshop_core.errors import BodyshopError
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
    assembled.assemble_lite0(file)
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
        assembled.assemble_lite0(tmp_path / "lite0.tflite")
    assert list(tmp_path.iterdir()) == []
