from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from bodyshop_core.errors import MissingPartError, UsageError
from bodyshop_core.inference import litert, load_lite_model


def test_a_real_detector_runs_and_has_its_four_outputs(real_weights):
    network = load_lite_model(real_weights / "coco_ssd_mobilenet_v1.tflite", threads=2)
    assert network.input_shape[0] == 1 and network.input_dtype is np.uint8
    grey = np.full(network.input_shape, 127, np.uint8)
    boxes, classes, scores, count = network.run(grey)
    assert boxes.shape == (1, int(count[0]), 4) and classes.shape == scores.shape
    again = network.run(np.zeros(network.input_shape, np.uint8))
    assert not np.array_equal(again[2], scores)  # copies: a second run leaves the first alone


@pytest.mark.parametrize("content", [b"", b"TFL3", b"no model at all" * 100])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    file = tmp_path / "x.tflite"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.tflite is not a TensorFlow Lite model"):
        load_lite_model(file)
    with pytest.raises(UsageError, match="does not exist"):
        load_lite_model(tmp_path / "y.tflite")


def test_without_litert_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setattr(litert, "find_spec", lambda _name: None)  # nor TensorFlow
    file = tmp_path / "x.tflite"
    file.write_bytes(b"x")
    with pytest.raises(MissingPartError) as caught:
        load_lite_model(file)
    assert caught.value.hint == "pip install ai-edge-litert"


def test_running_a_network_imports_no_tensorflow(real_weights):
    script = (
        "import sys; from pathlib import Path; from bodyshop_core.inference import load_lite_model;"
        "load_lite_model(Path(sys.argv[1])); assert 'tensorflow' not in sys.modules"
    )
    file = real_weights / "coco_ssd_mobilenet_v1.tflite"
    subprocess.run([sys.executable, "-c", script, str(file)], check=True)


def test_where_there_is_no_litert_tensorflows_own_interpreter_gives_the_same_answers(real_weights):
    script = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "if sys.argv[2] == 'without': sys.modules['ai_edge_litert'] = None\n"
        "from bodyshop_core.inference import load_lite_model\n"
        "network = load_lite_model(Path(sys.argv[1]))\n"
        "found = network.run(np.full(network.input_shape, 127, np.uint8))\n"
        "print([each.round(5).tolist() for each in found], 'tensorflow' in sys.modules)\n"
    )
    file = real_weights / "coco_ssd_mobilenet_v1.tflite"
    told = [
        subprocess.run(
            [sys.executable, "-c", script, str(file), how],
            capture_output=True, text=True, check=True,
        )
        for how in ("with", "without")
    ]  # fmt: skip
    (here, imported), (there, imported_there) = (one.stdout.rsplit(maxsplit=1) for one in told)
    assert here == there
    assert (imported, imported_there) == ("False", "True")
    assert [one.stderr for one in told] == ["", ""]
