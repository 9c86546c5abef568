"""The predictor that a program keeps open, and what the command takes and prints."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_server import PictureServer, picture, redirects
from PIL import Image
from small_runs import lite0_recipe, save_run
from training_cases import Told, draw

import bodyshop
import curate
from bodyshop.cli import app, normalise
from bodyshop.prediction.batches import batches_as_they_come
from bodyshop.prediction.sources import PictureFile
from bodyshop_core.errors import BodyshopError, NothingFoundError, UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.workspace import Workspace

MAIN = "from bodyshop.cli import main; main()"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on Lite0 with the default gate."""
    root = tmp_path_factory.mktemp("predictor")
    gate = curate.load_gate(Workspace.open(root / "workspace")).as_dict()
    gate["threshold"] = 0.0  # drawings are no cars: let the classifier see them all the same
    return save_run(root / "run", lite0_recipe(), gate=gate)


@pytest.fixture(scope="module")
def predictor(run: Path) -> bodyshop.Predictor:
    return bodyshop.Predictor.open(run)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "카 1.png"
    Image.fromarray(draw("damaged", 11, 300)).save(path)
    return path


def answer(prediction: bodyshop.PicturePrediction) -> tuple[Any, ...]:
    return prediction.p_car, prediction.label, prediction.probability, prediction.error


def test_every_kind_of_picture_gives_the_same_answer(predictor, file):
    rgb = load_rgb(file)
    kinds = [file, str(file), file.read_bytes(), rgb, Image.open(io.BytesIO(file.read_bytes()))]
    found = predictor.predict(kinds)
    assert len({answer(one) for one in found}) == 1
    assert found[0].error is None and found[0].is_car and 0 < found[0].probability < 1
    assert [one.picture for one in found] == [
        str(file), str(file), "picture 2", "picture 3", "picture 4",
    ]  # fmt: skip
    for kind in kinds:
        (alone,) = predictor.predict(kind)
        assert answer(alone) == answer(found[0])
    batch = predictor.predict(np.stack([rgb, rgb]))
    assert [answer(one) for one in batch] == [answer(found[0])] * 2
    assert predictor.predict([]) == []


def test_pictures_are_shown_as_a_viewer_shows_them(predictor):
    upright = Image.fromarray(draw("damaged", 12, 300))
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the viewer turns it by 90 degrees clockwise
    upright.transpose(Image.Transpose.ROTATE_90).save(turned, "PNG", exif=exif)
    here, there = predictor.predict([upright, Image.open(turned)])
    assert answer(here) == answer(there)
    clear = upright.convert("RGBA")
    clear.putalpha(128)
    grey = upright.convert("L")
    assert all(one.error is None for one in predictor.predict([clear, grey]))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"", "is empty"),
        (b"\xff\xd8\xff nothing", "not a picture"),
        (Path("/nowhere/x.jpg"), "does not exist"),
        (Path("/"), "not a picture"),
        (np.zeros((4, 4), np.uint8), "no picture"),
        (np.zeros((4, 4, 3), np.float32), "no picture"),
        (np.zeros((0, 4, 3), np.uint8), "has no pixels"),
    ],
    ids=str,
)
def test_a_bad_picture_costs_itself_alone(predictor, file, bad, why):
    first, wrong, last = predictor.predict([file, bad, file])
    assert why in wrong.error
    assert (wrong.is_car, wrong.p_car, wrong.label, wrong.probability) == (None,) * 4
    assert answer(first) == answer(last) and first.error is None


def test_what_can_be_no_picture_at_all_is_a_mistake_of_the_caller(predictor, file):
    with pytest.raises(UsageError, match="a int is no picture"):
        predictor.predict([file, 7])


def test_a_picture_is_decoded_once(predictor, file, monkeypatch):
    opened = []
    real = Image.open

    def count(stream, *args, **options):
        opened.append(stream)
        return real(stream, *args, **options)

    monkeypatch.setattr(Image, "open", count)
    predictor.predict([file, file, file])
    assert len(opened) == 3


def test_threads_share_a_predictor(predictor, tmp_path):
    files = []
    for number in range(8):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(draw(("damaged", "whole")[number % 2], number, 200)).save(files[-1])
    expected = [answer(one) for one in predictor.predict(files)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(predictor.predict, files * 3))
    assert [answer(one) for (one,) in found] == expected * 3


def test_prediction_imports_no_tensorflow_once_converted(run, predictor, file):
    script = (
        "import sys, bodyshop\n"
        f"(one,) = bodyshop.Predictor.open({str(run)!r}).predict({str(file)!r})\n"
        "print(one.label, sorted({'tensorflow', 'keras', 'sklearn', 'selenium', 'sqlalchemy.orm',"
        " 'matplotlib', 'albumentations'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    (one,) = predictor.predict(file)
    assert done.stdout == f"{one.label} []\n"
    assert done.stderr == ""


def test_a_network_that_cannot_be_converted_stays_on_keras_and_says_so(run, file, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise BodyshopError("the network can't be converted for LiteRT: no such layer")

    monkeypatch.setattr("train.models.lite.frozen_backbone", refuse)
    told = Told()
    slow = bodyshop.Predictor.open(run, progress=told)
    assert any("stays on TensorFlow" in each and "no such layer" in each for each in told.messages)
    (one,), (other,) = slow.predict(file), bodyshop.Predictor.open(run).predict(file)
    assert one.label == other.label
    assert abs(one.probability - other.probability) <= 1e-3


def command(*words: str) -> Any:
    return app(normalise(["--quiet", *words]), standalone_mode=False)


def test_json_lines_are_printed_one_per_picture(run, file, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    command("predict", str(file), str(broken), "--run", str(run), "--json-lines")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["picture"] for row in rows] == [str(file), str(broken)]
    assert rows[0]["label"] and rows[1]["error"]


def test_a_list_on_stdin_is_answered_entry_by_entry(run, file):
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "predict", "-", "--run", str(run), "--json-lines", "--quiet"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    with process:
        assert process.stdin is not None and process.stdout is not None
        for entry in (str(file), "/nowhere.jpg", str(file)):
            process.stdin.write(f"\n{entry}\n")
            process.stdin.flush()
            row = json.loads(process.stdout.readline())  # before the next one is written
            assert row["picture"] == entry
            assert (row["error"] is None) == (entry == str(file))
        process.stdin.close()
    assert process.returncode == 0


@pytest.mark.parametrize("form", ["--json-lines", "--json"])
def test_a_listed_name_of_any_bytes_costs_at_most_itself(
    run, file, monkeypatch, capsysbinary, form
):
    latin = file.with_name(os.fsdecode(b"caf\xe9.png"))
    shutil.copy(file, latin)
    names = [os.fsencode(file), b"nul\0.jpg", b"caf\xe9.jpg", os.fsencode(latin), b"x" * 5000]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n".join(names))))
    words = ["predict", "-", "--run", str(run), form]
    app(normalise(words), standalone_mode=False)
    printed = capsysbinary.readouterr().out.decode("utf-8")
    found = json.loads(printed) if form == "--json" else map(json.loads, printed.splitlines())
    rows = list(found)
    assert [os.fsencode(row["picture"]) for row in rows] == names
    assert [row["error"] is None for row in rows] == [True, False, False, True, False]


def test_a_table_takes_a_name_of_any_bytes(run, monkeypatch, capsysbinary):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9.jpg\n")))
    code = app(normalise(["predict", "-", "--run", str(run)]), standalone_mode=False)
    assert code == 1
    assert rb"caf\udce9.jpg" in capsysbinary.readouterr().out


def test_a_list_that_can_not_be_read_to_its_end_is_an_error():
    def lines():
        yield b"a.jpg\n"
        raise OSError("the disk is gone")

    batches = batches_as_they_come(lines(), lambda address: PictureFile(address, None))
    assert [each.name for each in next(batches)] == ["a.jpg"]
    with pytest.raises(BodyshopError, match="ended early: the disk is gone"):
        next(batches)


def test_an_empty_list_is_nothing_found(run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    with pytest.raises(NothingFoundError, match="list on stdin is empty"):
        command("predict", "-", "--run", str(run))
    with pytest.raises(UsageError, match="stands for the whole list"):
        command("predict", "-", "a.jpg", "--run", str(run))


def test_a_quoted_wildcard_gets_a_hint(run, tmp_path):
    with pytest.raises(NothingFoundError) as caught:
        command("predict", str(tmp_path / "*.jpg"), "--run", str(run))
    assert "without quotes" in str(caught.value.hint)


@pytest.fixture
def server():
    running = PictureServer()
    yield running
    running.close()


def test_addresses_are_downloaded_through_the_guard(run, server, capsys):
    server.add("/car.jpg", picture(3))
    server.answers |= {"/moved.jpg": redirects("/car.jpg"), "/loop.jpg": redirects("/loop.jpg")}
    server.add("/page.jpg", b"<html>" * 10)
    names = ("car", "moved", "loop", "page", "absent")
    urls = [server.url(f"/{name}.jpg") for name in names]
    words = ["predict", *urls, "--run", str(run), "--json-lines", "--out", "unused"]
    command(*words, "--allow-host", "127.0.0.1")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["picture"] for row in rows] == urls
    assert rows[0]["label"] and rows[0]["probability"] == rows[1]["probability"]
    assert ["redirects" in rows[2]["error"], "not_a_picture" in rows[3]["error"]] == [True] * 2
    assert "http_404" in rows[4]["error"]


def test_an_address_in_a_private_network_is_refused(run, server, capsys):
    server.add("/car.jpg", picture(3))
    words = ("predict", server.url("/car.jpg"), "--run", str(run), "--json-lines")
    assert command(*words) == 1
    row = json.loads(capsys.readouterr().out)
    assert "forbidden_address" in row["error"]
    assert server.asked == []
