from __future__ import annotations

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest

from bodyshop_core.backbones import Scorer, build, fingerprint, get, imagenet_classes, names
from bodyshop_core.backbones.lite import lite0_weights
from bodyshop_core.backbones.torch_file import MAGIC, read_state_dict
from bodyshop_core.errors import BodyshopError, MissingPartError, UsageError
from bodyshop_core.imaging import fit_square


@pytest.fixture(scope="module")
def lite0():
    return Scorer("efficientnet-lite0")


def top(scores, row):
    return imagenet_classes()[int(scores.probabilities[row].argmax())]


def test_lite0_recognises_a_real_cat_and_a_real_espresso(lite0):
    data = pytest.importorskip("skimage.data")
    batch = np.stack([fit_square(picture, 224) for picture in (data.chelsea(), data.coffee())])
    scores = lite0.score(batch)
    assert top(scores, 0) in {"tabby", "Egyptian cat", "tiger cat"}
    assert top(scores, 1) == "espresso"
    assert scores.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert scores.features.shape == (2, get("efficientnet-lite0").feature_dim)


def test_every_weight_of_the_file_is_used():
    state = {k: v for k, v in read_state_dict(lite0_weights()).items() if "num_batches" not in k}
    model = build("efficientnet-lite0", include_top=True)
    assert sum(v.size for v in state.values()) == model.count_params()


@pytest.mark.parametrize("name", [name for name in names() if name != "vgg16"])
def test_backbones_are_flat_named_and_take_plain_rgb(name):
    import keras

    spec = get(name)
    model = build(name, weights="none", input_size=64)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
    assert model.output.shape[-1] == spec.feature_dim
    layer_names = [layer.name for layer in model.layers]
    assert spec.feature_layer in layer_names
    for block in spec.blocks:
        assert any(layer.startswith(block) for layer in layer_names), block


@pytest.mark.parametrize(("name", "file"), [("vgg16", "vgg16"), ("mobilenet_v2", "mobilenet_v2")])
def test_real_weights_without_top_give_the_features_of_keras_own_preprocessing(
    name, file, real_weights
):
    keras = pytest.importorskip("keras")
    data = pytest.importorskip("skimage.data")
    path = real_weights / f"{file}_notop.weights.h5"
    batch = fit_square(data.chelsea(), 224)[None]
    scorer = Scorer(name, path)
    assert not scorer.has_top
    plain = getattr(keras.applications, get(name).keras_name)(include_top=False, weights=None)
    plain.load_weights(path)
    module = getattr(keras.applications, name)
    expected = plain(module.preprocess_input(batch.astype("float32"))).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(scorer.score(batch).features, expected, rtol=1e-3, atol=1e-3)


def test_top_is_asked_of_weights_without_one(real_weights):
    with pytest.raises(MissingPartError, match="without its 1,000-class top"):
        build(
            "mobilenet_v2", weights=real_weights / "mobilenet_v2_notop.weights.h5", include_top=True
        )


def test_missing_weights_with_no_network_say_where_to_put_them(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", _no_network)
    with pytest.raises(MissingPartError) as caught:
        build("mobilenet")
    assert str(tmp_path) in str(caught.value) and "efficientnet-lite0 needs no" in str(caught.value)
    assert caught.value.exit_code == 5


def _no_network(*_args, **_kwargs):
    raise OSError("network is unreachable")


def test_wrong_weights_file_is_explained(tmp_path):
    with pytest.raises(UsageError, match="no weights file"):
        build("mobilenet", weights=tmp_path / "absent.h5")
    junk = tmp_path / "junk.h5"
    junk.write_bytes(b"junk")
    with pytest.raises(BodyshopError, match="not an HDF5"):
        build("mobilenet", weights=junk)


def test_unknown_backbone_lists_the_known_ones():
    with pytest.raises(UsageError, match="efficientnet-lite0"):
        get("alexnet")


def test_fingerprint_follows_the_weights():
    assert fingerprint("mobilenet", "none") == "mobilenet-random-p1"
    assert fingerprint("efficientnet-lite0").startswith("efficientnet-lite0-")


class Payload:
    def __reduce__(self):
        return print, ("code from a weights file was run",)


def test_pickled_code_in_a_weights_file_is_refused_and_not_run(tmp_path, capsys):
    stream = io.BytesIO()
    for part in (MAGIC, 1001, {}, Payload()):
        pickle.dump(part, stream)
    file = tmp_path / "evil.pth"
    file.write_bytes(stream.getvalue())
    with pytest.raises(BodyshopError, match="refused"):
        read_state_dict(file)
    assert capsys.readouterr().out == ""


def test_truncated_weights_file_is_explained(tmp_path):
    file = tmp_path / "half.pth"
    file.write_bytes(lite0_weights().read_bytes()[:200_000])
    with pytest.raises(BodyshopError, match="can't be read"):
        read_state_dict(file)


def test_tensorflow_starts_without_chatter():
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from bodyshop_core.backbones import Scorer; Scorer('mobilenet', 'none')",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ""
    assert "oneDNN" not in result.stderr and "cuda" not in result.stderr.lower()
