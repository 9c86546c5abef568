"""README's commands run on the showroom, and the pictures of the docs come out of what they wrote.

With BODYSHOP_DOC_PICTURES=FOLDER the pictures are written there (`make docs-pictures`).
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from code_blocks import REPOSITORY, blocks, commands
from desk_browser import chromium, opened, press, until
from doc_pictures import MADE_BY, asked_for, save_picture
from PIL import Image, ImageStat
from selenium.webdriver import Chrome, Keys

from bodyshop.desk.serving import serve_desk
from bodyshop_core.catalog import Reason
from bodyshop_core.workspace import Workspace
from showroom import Site, build_showroom, serve
from showroom.plan import plan
from showroom.render import render

HOUR = 3600
"""The first test that uses the fixture waits for it: rendering, crawling and training. With thirty
programs on two cores the rendering of the demo's size alone took more than 20 minutes."""

# A lazy image that another box clips is never loaded by itself, so that nothing waits for laziness.
IN_VIEW = """
const shown = [...document.images].filter(image => {
  const box = image.getBoundingClientRect();
  return image.offsetParent && box.bottom > 0 && box.top < innerHeight;
});
for (const image of shown) image.loading = "eager";
return document.readyState === "complete" && shown.every(image => image.complete);
"""
# One script each, since an element that is handed out can be replaced before it is used.
OPEN_FIRST = (
    "const tile = document.querySelector('.tile-open'); tile?.click(); return Boolean(tile);"
)
SIZE_SHOWN = "return document.querySelector('.preview-size').textContent;"


@dataclass
class Used:
    """A folder in which the commands of README's section on use were run, one after the other."""

    folder: Path
    site: Site
    done: dict[str, subprocess.CompletedProcess[str]]


def commands_of_use(readme: str) -> list[list[str]]:
    (block, *_) = (
        block for block in blocks("bash")
        if block.page.name == readme and "bodyshop collect brands.yaml" in block.text
    )  # fmt: skip
    return commands(block)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("use")
    size = "demo" if asked_for() else "tiny"  # what the docs show is worth the minutes
    truth = build_showroom(folder / "showroom", size=size)
    car = next(each for each in truth.pictures if each.place == "search" and each.kind == "car")
    shutil.copy(folder / "showroom" / car.file, folder / "photo.jpg")
    done = {}
    with serve(folder / "showroom") as site:
        # The showroom's brands in the place of the reader's own, which are on no server.
        (folder / "brands.yaml").write_text(site.brands_yaml(), encoding="utf-8")
        for words in commands_of_use("README.md"):
            done[words[0]] = subprocess.run(
                [sys.executable, "-c", "from bodyshop.cli import main; main()", *words],
                cwd=folder, capture_output=True, text=True, check=False,
            )  # fmt: skip
        yield Used(folder, site, done)


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


def photographed(browser: Chrome, width: int, height: int) -> Image.Image:
    """Wait for the pictures of the page, and take one of it."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    until(browser, lambda: browser.execute_script(IN_VIEW))
    image = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    assert image.size == (width, height)
    assert max(ImageStat.Stat(image).stddev) > 5, "an empty page"
    return image


def test_both_readmes_use_it_by_the_same_commands():
    assert commands_of_use("README.md") == commands_of_use("README.ko.md")


@pytest.mark.slow
@pytest.mark.timeout(HOUR)
def test_the_commands_of_use_run_on_the_showroom(used: Used):
    assert [*used.done] == ["collect", "curate", "augment", "train", "predict"]
    for name, done in used.done.items():
        assert done.returncode == 0, (name, done.stdout[-2000:], done.stderr[-2000:])
        assert "Traceback" not in done.stderr
    workspace = Workspace.open(used.folder / "workspace", create=False)
    assert (workspace.reports / "curate" / "index.html").is_file()
    assert list(workspace.runs.glob("train-*/report.html"))
    assert "photo.jpg" in used.done["predict"].stdout


@pytest.mark.long
@pytest.mark.timeout(HOUR)
def test_pictures_of_the_desk_and_of_the_report(used: Used, browser: Chrome):
    workspace = Workspace.open(used.folder / "workspace", create=False)
    with serve_desk(workspace, by="me", read_only=True) as desk:
        browser.set_window_size(1280, 800)
        opened(browser, desk.address)
        press(browser, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
        save_picture(photographed(browser, 1280, 657), "desk.png")
    report = workspace.reports / "curate"
    browser.get((report / "index.html").as_uri())
    save_picture(photographed(browser, 1200, 1356).resize((800, 904)), "report.png")
    save_picture(photographed(browser, 1000, 1210), "curate-report.jpg")
    browser.get((report / "clusters-1.html").as_uri())
    save_picture(photographed(browser, 860, 760), "curate-clusters.jpg")


@pytest.mark.long
@pytest.mark.timeout(HOUR)
def test_pictures_of_the_showrooms_pages(used: Used, browser: Chrome):
    browser.get(f"{used.site.base_url}/robots.txt")
    browser.add_cookie({"name": "consent", "value": "reject"})
    browser.get(f"{used.site.base_url}/corvo/strada/")
    save_picture(photographed(browser, 1265, 757), "showroom-model.jpg")
    query = next(each for each in used.site.truth.queries() if each.endswith("파손"))
    browser.get(f"{used.site.search_url}/search?q={query}")
    until(browser, lambda: browser.execute_script(OPEN_FIRST))
    until(browser, lambda: browser.execute_script(SIZE_SHOWN))
    save_picture(photographed(browser, 1265, 757), "showroom-search.jpg")


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_picture_of_what_the_showroom_renders():
    jobs = [job for job in plan(7, "demo") if job.shot and not job.copy]
    cars = {job.picture.model: job for job in reversed(jobs) if job.picture.place == "gallery"}
    frames = [job for job in jobs if job.picture.place == "spinner"][:24:3]
    damaged = [
        job for job in jobs
        if job.picture.place == "search" and job.picture.damage == "damaged"
        and job.picture.framing == "full"
    ][:30:10]  # fmt: skip
    rows = [[*cars.values()][:3], [*cars.values()][3:], frames, damaged]
    assert [len(row) for row in rows] == [3, 3, 8, 3]
    sheet, top = Image.new("RGB", (1260, 956), "white"), 0
    for row in rows:
        wide = 1260 // len(row)
        tall = round((wide - 4) / 1.5)
        for place, job in enumerate(row):
            shot = replace(job.shot, width=wide - 4, height=tall)
            sheet.paste(Image.fromarray(render(shot).rgb), (place * wide, top))
        top += tall + 4
    save_picture(sheet.crop((0, 0, 1256, min(top, 956) - 4)), "showroom.jpg")


def test_every_picture_of_the_docs_has_a_command_that_makes_it():
    there = {path.name for path in (REPOSITORY / "docs" / "images").iterdir()}
    assert there == MADE_BY.keys()
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    command = re.search(r"^docs-pictures:.*\n(?:\t.*\n)+", makefile, re.MULTILINE)[0]
    for name, maker in MADE_BY.items():
        assert name in (REPOSITORY / maker).read_text(encoding="utf-8"), (name, maker)
        module = maker.removesuffix(".py").replace("/", ".")
        assert maker in command or f"-m {module}" in command, maker


def test_the_picture_of_the_reasons_has_an_example_of_each():
    maker = (REPOSITORY / "benchmarks" / "curate_examples.py").read_text(encoding="utf-8")
    assert [each.value for each in Reason if f'"{each.value}"' not in maker] == []
