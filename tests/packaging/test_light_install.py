"""The wheel without extras: it looks and curates, and names what else a command needs."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from showroom.render import render
from showroom.shade import Paint
from showroom.shot import Shot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CHECKOUT = Path(__file__).resolve().parents[2]
PICTURES = 16
HEAVY = ("albumentations", "keras", "label_studio_sdk", "selenium", "tensorflow")


@dataclass
class LightInstall:
    """An environment of its own with the wheel and nothing more."""

    bin: Path
    folder: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment["LABEL_STUDIO_URL"] = "http://127.0.0.1:9"
        environment["LABEL_STUDIO_API_KEY"] = "none"
        environment["BODYSHOP_CACHE"] = str(self.folder / "cache")
        return subprocess.run(
            [self.bin / "bodyshop", *arguments],
            cwd=self.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> LightInstall:
    folder = tmp_path_factory.mktemp("light")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    subprocess.run([*build, folder, CHECKOUT], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, wheel], check=True)
    pictures = folder / "photos"
    for number in range(PICTURES):
        label = ("damaged", "whole")[number % 2]
        (pictures / label).mkdir(parents=True, exist_ok=True)
        damage = ("scratch", "dent") if label == "damaged" else ()
        paint = Paint((250 - 15 * number, 15 * number, 60), 0.3)
        shot = Shot(
            "hatch", paint, "plaza", number, 30 * number, 8, 640, 480, number, damage=damage
        )
        Image.fromarray(render(shot).rgb).save(pictures / label / f"{number}.png")
    return LightInstall(folder / "venv" / "bin", folder)


def test_nothing_heavy_is_installed(light: LightInstall) -> None:
    code = f"from importlib.util import find_spec; print([n for n in {HEAVY} if find_spec(n)])"
    found = subprocess.run(
        [light.bin / "python", "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_a_photo_is_looked_at(light: LightInstall) -> None:
    answer = light.run("predict", "photos/whole/1.png", "--json")
    assert answer.returncode == 0, answer.stderr
    (row,) = json.loads(answer.stdout)
    assert row["run"] == "shipped" and row["is_car"] and row["label"] == "whole"


@pytest.fixture(scope="module")
def curated(light: LightInstall) -> LightInstall:
    for command in (["import", "photos"], ["curate"]):
        done = light.run(*command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    return light


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A site without a robots.txt on loopback."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_folder_is_curated_and_exported(curated: LightInstall) -> None:
    for command in (["status"], ["export", "manifest", "set.csv"]):
        assert curated.run(*command).returncode == 0
    assert len((curated.folder / "set.csv").read_text().splitlines()) == 1 + PICTURES
    assert list((curated.folder / "workspace" / "reports").rglob("*.html"))


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["train", "gate2-bottleneck"], "train"),
        (["curate", "--gate", "vgg16"], "train"),
        (["augment"], "train"),
        (["label", "push"], "label"),
        (["desk", "--no-browser"], "desk"),
        (["collect", "brands.yaml"], "collect"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_command_that_needs_an_extra_says_so(
    curated: LightInstall, site: str, command: list[str], extra: str
) -> None:
    (curated.folder / "brands.yaml").write_text(
        f"contact: test@example.org\nallow_hosts: ['{site}']\n"
        f"brands: [{{name: B, models: [{{name: M, pages: [{{url: 'http://{site}/'}}]}}]}}]\n"
    )
    done = curated.run(*command)
    assert done.returncode == 5, (done.returncode, done.stdout, done.stderr)
    assert f"pip install 'bodyshop[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_names_each_extra(light: LightInstall) -> None:
    found = json.loads(light.run("doctor", "--json").stdout)
    assert {f"extra {name}" for name in ("collect", "desk", "label", "train")} <= {
        each["part"] for each in found["checks"]
    }
