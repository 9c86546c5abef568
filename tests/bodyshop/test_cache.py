"""Converted networks that travel to a machine without TensorFlow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from no_tensorflow import run_without_tensorflow
from PIL import Image
from small_runs import lite0_recipe, save_run
from training_cases import draw

import bodyshop
import curate
from bodyshop.cli import main
from bodyshop.networks import bring_along, export_networks, import_networks
from bodyshop_core import atomic
from bodyshop_core.backbones import Scorer
from bodyshop_core.errors import BodyshopError, NothingFoundError
from bodyshop_core.inference.convert import cache_file
from bodyshop_core.workspace import Workspace

MAIN = "from bodyshop.cli import main; main()"

FEATURES = """
import json, sys
import numpy as np
from bodyshop_core.backbones import Scorer
print(json.dumps(Scorer("vgg16", sys.argv[1]).score(np.load(sys.argv[2])).features[0].tolist()))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on Lite0 with the default gate."""
    root = tmp_path_factory.mktemp("carried")
    gate = curate.load_gate(Workspace.open(root / "workspace")).as_dict()
    gate["threshold"] = 0.0  # drawings are no cars: let the classifier see them all the same
    return save_run(root / "run", lite0_recipe(), gate=gate)


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    folder = run.parent / "networks"
    found = export_networks(folder, runs=[run])
    assert [one.of for one in found.networks] == [
        "network of run small", "gate efficientnet-lite0"
    ]  # fmt: skip
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(draw("damaged", 11, 300)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def answers(text: str) -> list[tuple[str, float, float]]:
    return [(one["label"], one["probability"], one["p_car"]) for one in json.loads(text)]


def test_a_machine_without_tensorflow_predicts_with_imported_networks(
    run, exported, picture, tmp_path
) -> None:
    words = ("--json", "predict", str(picture), "--run", str(run))
    told = run_without_tensorflow(MAIN, "cache", "import", str(exported), folder=tmp_path)
    assert "Networks imported" in told
    here = bodyshop.Predictor.open(run).predict(picture)
    there = answers(run_without_tensorflow(MAIN, *words, folder=tmp_path))
    assert there == [(one.label, pytest.approx(one.probability), one.p_car) for one in here]


def test_a_run_that_brings_its_networks_along_needs_nothing_else(run, picture, tmp_path) -> None:
    carried = Path(shutil.copytree(run, tmp_path / "run"))
    bring_along(carried)
    words = ("--json", "predict", str(picture), "--run", str(carried))
    (there,) = answers(run_without_tensorflow(MAIN, *words, folder=tmp_path))
    (here,) = bodyshop.Predictor.open(run).predict(picture)
    assert there == (here.label, pytest.approx(here.probability), here.p_car)
    assert not list((tmp_path / "cache").rglob("*.tflite"))  # a run's files serve that run alone


def test_a_damaged_or_foreign_list_of_networks_is_refused(exported, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path / "cache"))
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))
    file = next(copy.glob("*.tflite"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BodyshopError, match=r"not the file that networks\.json lists"):
        import_networks(copy)
    (copy / "networks.json").write_text(json.dumps({"../x.tflite": {"sha256": "", "of": ""}}))
    with pytest.raises(BodyshopError, match="is no name of a network"):
        import_networks(copy)
    with pytest.raises(NothingFoundError, match=r"no networks\.json"):
        import_networks(tmp_path)
    with pytest.raises(NothingFoundError, match="no network has been converted yet"):
        export_networks(tmp_path / "out")
    assert np.sum([path.is_file() for path in (tmp_path / "cache").rglob("*")]) == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_network_that_keras_runs_goes_to_a_machine_without_tensorflow(
    tmp_path, monkeypatch, real_weights
) -> None:
    weights = tmp_path / "vgg16.h5"
    shutil.copyfile(real_weights / "vgg16_notop.weights.h5", weights)
    square = tmp_path / "square.npy"
    np.save(square, draw("damaged", 11, 224)[None, :224, :224])
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path / "here"))
    export_networks(tmp_path / "out", backbones=["vgg16"], weights=weights)
    run_without_tensorflow(MAIN, "cache", "import", str(tmp_path / "out"), folder=tmp_path)
    told = run_without_tensorflow(FEATURES, str(weights), str(square), folder=tmp_path)
    there = np.array(json.loads(told))
    scorer = Scorer("vgg16", weights)
    here = scorer.score(np.load(square)).features[0]
    assert scorer.file is None  # on Keras, which is faster where it is
    assert here @ there / np.linalg.norm(here) / np.linalg.norm(there) >= 0.9999


def test_a_conversion_in_progress_is_not_exported(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("BODYSHOP_CACHE", str(tmp_path))
    done = cache_file("a")
    done.parent.mkdir()
    done.write_bytes(b"whole")
    with atomic.replacing(cache_file("b")) as temporary:
        temporary.write_bytes(b"ha")
        found = export_networks(tmp_path / "out")
        temporary.write_bytes(b"half")
    assert [one.file.name for one in found.networks] == [done.name]
    assert list(json.loads((tmp_path / "out" / "networks.json").read_text())) == [done.name]


def test_without_a_folder_the_run_is_named(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["-w", str(tmp_path), "cache", "export"])
    assert ended.value.code == 2
    assert "name a folder" in capsys.readouterr().err
