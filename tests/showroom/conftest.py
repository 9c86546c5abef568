"""A small showroom with drawn stand-ins for cars, served, and a real browser to see it with."""

from __future__ import annotations

import hashlib
import io
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from bodyshop.showroom import Brand, Model, Picture, Site, Truth, serve
from bodyshop.showroom.truth import VERSION

BRANDS = (
    Brand("Norden", "norden", "Built for weather", (Model("Fjell", "fjell", "suv"),)),
    Brand("Corvo", "corvo", "By hand, by night", (Model("Strada", "strada", "coupe"),)),
    Brand("한빛", "hanbit", "바람처럼 가볍게", (Model("바람", "baram", "hatch"),)),
)
SLOTS = ("img", "srcset", "picture", "lazy", "css", "img", "img", "css")
FRAMES = 12


def draw_picture(root: Path, picture_id: str, size: tuple[int, int], **fields: Any) -> Picture:
    """Draw a stand-in for a car under `root` and return its truth."""
    width, height = size
    rng = random.Random(picture_id)
    picture = Image.new("RGB", size, tuple(rng.randrange(150, 230) for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    paint = tuple(rng.randrange(30, 150) for _ in range(3))
    draw.rectangle((width * 0.2, height * 0.4, width * 0.8, height * 0.7), fill=paint)
    draw.text((20, 20), picture_id, fill=(0, 0, 0), font_size=24)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    data = out.getvalue()
    file = f"pictures/{picture_id}.jpg"
    (root / file).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    known = {"kind": "car", "framing": "full", "damage": "whole", "colour": "teal"}
    return Picture(
        picture_id,
        file,
        digest,
        width,
        height,
        **{**known, **fields},  # type: ignore[arg-type]
    )


def draw_showroom(root: Path) -> Truth:
    """Draw a showroom with every slot, a config, a bare and a canvas spinner, and searches."""
    (root / "pictures").mkdir(parents=True)
    pictures = []
    for number, brand in enumerate(BRANDS):
        model = brand.models[0]
        names = {"brand": brand.name, "model": model.name}
        for i, slot in enumerate(SLOTS):
            pictures.append(
                draw_picture(
                    root, f"{model.slug}-g{i}", (720, 480),
                    place="gallery", slot=slot, angle_deg=45.0 * i, **names,
                )
            )  # fmt: skip
        place = "canvas" if brand.slug == "hanbit" else "spinner"
        for i in range(FRAMES):
            pictures.append(
                draw_picture(
                    root, f"{model.slug}-s{i:02d}", (400, 266), place=place, frame=i,
                    n_frames=FRAMES, spin_group=f"{model.slug}-spin",
                    angle_deg=i * 360 / FRAMES, **names,
                )
            )  # fmt: skip
        for damage, query in (
            ("whole", f"{brand.name} {model.name}"),
            ("damaged", f"{brand.name} {model.name} damaged"),
        ):
            for i in range(64 if number == 0 else 14):
                pictures.append(
                    draw_picture(
                        root, f"{model.slug}-{damage}-{i:02d}", (480 + i, 320), place="search",
                        query=query, **{**names, "damage": damage},
                    )
                )  # fmt: skip
    truth = Truth(VERSION, 7, "drawn", BRANDS, tuple(pictures))
    truth.save(root)
    return truth


@pytest.fixture(scope="session")
def drawn_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a drawn showroom."""
    root = tmp_path_factory.mktemp("drawn") / "showroom"
    draw_showroom(root)
    return root


@pytest.fixture(scope="session")
def running_site(drawn_root: Path) -> Iterator[Site]:
    with serve(drawn_root) as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Site:
    """The drawn showroom, served; its log is empty."""
    running_site.log.clear()
    return running_site


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium that lives for the session."""
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--window-size=1280,900",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Any, site: Site) -> Any:
    """The session's browser, without cookies and messages."""
    chromium.get(site.base_url + "/robots.txt")
    chromium.delete_all_cookies()
    chromium.get_log("browser")
    return chromium
