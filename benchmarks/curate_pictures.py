"""Make the pictures of docs/curate.md: an example of each reason, and what each threshold does.

    python -m benchmarks.curate_pictures docs/images

Every car is rendered, every verdict and number is bodyshop's own: the script fills a workspace,
runs `curate`, and draws what came out.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

import curate
from benchmarks.curate_cars import car, framed, jpeg, towards
from benchmarks.curate_examples import judged_examples
from bodyshop_core.workspace import Workspace
from curate.measure.picture import measure_picture
from curate.policy import Policy
from curate.verdicts.screen import Facts, screen
from curate.verdicts.stage import screening_limits
from showroom.decoys import draw_decoy

TILE = (236, 158)
PAPER, INK, GOOD, BAD, SOFT = "#f6f8f9", "#1d2127", "#2f6f4f", "#b5482f", "#dfe2e6"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        examples = judged_examples(Workspace.open(Path(folder)))
        save(reasons_sheet(examples), chosen.out / "curate-reasons.jpg")
        save(thresholds_sheet(Workspace.open(Path(folder))), chosen.out / "curate-thresholds.jpg")


def save(sheet: Image.Image, path: Path) -> None:
    sheet.save(path, "JPEG", quality=82, optimize=True)


@dataclass(frozen=True)
class Step:
    """One picture of a threshold's row: what was measured and whether it passes."""

    image: Image.Image
    value: str
    passes: bool


def thresholds_sheet(workspace: Workspace) -> Image.Image:
    """Draw one row per setting, from what passes to what does not."""
    rows = [*single_picture_rows(), *gate_rows(workspace), radius_row()]
    wide, tall, left = 152, 102, 14
    height = tall + 62
    sheet = Image.new("RGB", (left + 6 * (wide + 10), 12 + len(rows) * height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (setting, steps) in enumerate(rows):
        top = 12 + place * height
        draw.text((left, top), setting, INK, font=font(15))
        for number, step in enumerate(steps):
            x, y = left + number * (wide + 10), top + 22
            colour = GOOD if step.passes else BAD
            draw.rectangle((x, y, x + wide, y + tall), "#ffffff", colour, 2)
            shown = step.image.copy()
            shown.thumbnail((wide - 8, tall - 8))
            sheet.paste(shown, (x + (wide - shown.width) // 2, y + (tall - shown.height) // 2))
            draw.text((x, y + tall + 3), step.value, colour, font=font(12))
    return sheet


def single_picture_rows() -> Iterator[tuple[str, list[Step]]]:
    """Yield the rows of what one picture is measured for."""
    base = car(2)
    size, quality = Policy().size, Policy().quality
    short = [base.resize((round(1.5 * side), side)) for side in (200, 140, 110, 96, 88, 60)]
    yield row(
        f"size.min_short_side: {size.min_short_side} pixels", short, "size.min_short_side", _short
    )
    yield row(
        f"size.min_area: {size.min_area:,} pixels",
        [base.resize((wide, 100)) for wide in (220, 180, 150, 128, 115, 104)],
        "size.min_area",
        lambda measured: f"{measured['width'] * measured['height']:,}",
    )
    strip = car(2).resize((1200, 800))
    strips = [strip.crop((0, 400, 1200, 400 + round(1200 / a))) for a in (3, 4, 4.8, 5.2, 6, 8)]
    yield row(
        f"size.max_aspect: {size.max_aspect:g} to 1",
        strips,
        "size.max_aspect",
        lambda measured: f"{measured['width'] / measured['height']:.1f} to 1",
    )
    blurred = [base.filter(ImageFilter.GaussianBlur(r)) for r in (0, 1, 2, 3, 5, 9)]
    limit = screening_limits(Policy(), curate.open_gate(Workspace.open(tempfile.mkdtemp())))
    yield row(
        f"quality.min_sharpness: {limit.min_sharpness:g}",
        blurred,
        "quality.min_sharpness",
        lambda measured: f"{measured['sharpness']:.2f}",
    )
    yield row(
        f"quality.min_brightness: {quality.min_brightness:g}",
        [ImageEnhance.Brightness(base).enhance(f) for f in (1, 0.6, 0.35, 0.2, 0.12, 0.06)],
        "quality.min_brightness",
        _number("brightness"),
    )
    yield row(
        f"quality.max_brightness: {quality.max_brightness:g}",
        [towards(base, 255, share) for share in (0, 0.5, 0.8, 0.93, 0.97, 0.99)],
        "quality.max_brightness",
        _number("brightness", 3),
    )
    yield row(
        f"quality.max_dark_fraction: {quality.max_dark_fraction:g}",
        [framed(base, 0, share) for share in (1, 0.7, 0.4, 0.28, 0.2, 0.14)],
        "quality.max_dark_fraction",
        _number("dark_fraction", 3),
    )
    yield row(
        f"quality.max_bright_fraction: {quality.max_bright_fraction:g}",
        [framed(base, 255, share) for share in (1, 0.7, 0.4, 0.2, 0.13, 0.1)],
        "quality.max_bright_fraction",
        _number("bright_fraction", 3),
    )
    yield row(
        f"quality.min_contrast: {quality.min_contrast:g}",
        [towards(base, 128, share) for share in (0, 0.5, 0.75, 0.85, 0.92, 0.97)],
        "quality.min_contrast",
        _number("contrast", 3),
    )


def row(
    title: str,
    images: Sequence[Image.Image],
    setting: str,
    value: Callable[[dict[str, Any]], str],
) -> tuple[str, list[Step]]:
    """Measure pictures and judge them by one setting."""
    limits = screening_limits(Policy(), curate.open_gate(Workspace.open(tempfile.mkdtemp())))
    steps = []
    for image in images:
        measured = measure_picture(jpeg(image, 95))
        found = screen(Facts("0" * 64, measured=measured), alone(setting), limits)
        named = {details.get("setting") for details in found.values()}
        steps.append(Step(image, value(measured), setting not in named))
    return title, steps


def alone(setting: str) -> Policy:
    """Return the default policy with the other exposure limits off: the first one found is told."""
    off = {
        "min_brightness": 0,
        "max_brightness": 1,
        "max_dark_fraction": 1,
        "max_bright_fraction": 1,
        "min_contrast": 0,
    }
    off.pop(setting.removeprefix("quality."), None)
    return Policy.model_validate({"quality": off})


def gate_rows(workspace: Workspace) -> Iterator[tuple[str, list[Step]]]:
    """Yield p_car from sure to sure not, and the framings."""
    gate = curate.open_gate(workspace)
    images = [car(3), car(4, closeup=True), car(5, damaged=True, closeup=True)]
    images += [
        Image.fromarray(draw_decoy(kind, 640, 426, 3)) for kind in ("house", "bottle", "balloons")
    ]
    answers = gate.judge([jpeg(image) for image in images])
    order = sorted(range(len(images)), key=lambda number: -answers[number].p_car)
    yield (
        f"gate.threshold: {gate.rule.threshold:g} (of the shipped probe)",
        [Step(images[n], f"p_car {answers[n].p_car:.3f}", answers[n].is_car) for n in order],
    )
    cars = [car(6), car(8), car(9), *(car(seed, closeup=True) for seed in (10, 11, 4))]
    told = [answer.framing or "" for answer in gate.judge([jpeg(image) for image in cars])]
    yield (
        "gate.framing: all are kept by default; red here is what framing: [full] would leave out",
        [
            Step(image, framing, framing == "full")
            for image, framing in zip(cars, told, strict=True)
        ],
    )


def radius_row() -> tuple[str, list[Step]]:
    """Return changes of one picture by how many of the 64 bits they change."""
    base = car(2)
    changes = [
        Image.open(io.BytesIO(jpeg(base.resize((320, 213)), 40))),
        ImageEnhance.Brightness(base).enhance(1.3),
        base.crop((13, 9, 627, 417)),
        base.rotate(1.5, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)),
        base.crop((45, 30, 595, 396)),
        car(3),
    ]
    mine = int(measure_picture(jpeg(base))["phash"], 16)
    limit = Policy().duplicates.radius
    steps = []
    for image in changes:
        apart = (int(measure_picture(jpeg(image))["phash"], 16) ^ mine).bit_count()
        steps.append(Step(image.convert("RGB"), f"{apart} bits apart", apart > limit))
    return (
        f"duplicates.radius: {limit} bits from the picture in the first row (red: looked at as a "
        "duplicate; crops beyond it are found another way)",
        steps,
    )


def reasons_sheet(examples: Sequence[tuple[str, Image.Image | None, str]]) -> Image.Image:
    """Draw the examples with the sentences that the report says about them."""
    wide, tall = TILE
    columns, cell = 4, (wide + 16, tall + 66)
    rows = -(-len(examples) // columns)
    sheet = Image.new("RGB", (columns * cell[0] + 16, rows * cell[1] + 12), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (name, image, words) in enumerate(examples):
        x, y = 16 + place % columns * cell[0], 12 + place // columns * cell[1]
        colour = GOOD if name == "kept" else BAD
        draw.rectangle((x, y, x + wide, y + tall), SOFT)
        if image is None:
            draw.text((x + wide // 2, y + tall // 2), "(no picture)", "#667", font(13), anchor="mm")
        else:
            shown = image.convert("RGB")
            shown.thumbnail(TILE)
            sheet.paste(shown, (x + (wide - shown.width) // 2, y + (tall - shown.height) // 2))
        draw.text((x, y + tall + 5), name, GOOD if name == "kept" else INK, font=font(15))
        for number, line in enumerate(wrapped(words, wide, font(12))[:2]):
            draw.text((x, y + tall + 24 + 15 * number), line, colour, font=font(12))
    return sheet


def wrapped(words: str, width: int, face: ImageFont.FreeTypeFont) -> list[str]:
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if face.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)  # type: ignore[return-value]


def _short(measured: dict[str, Any]) -> str:
    return f"{measured['width']} x {measured['height']}"


def _number(name: str, digits: int = 2) -> Callable[[dict[str, Any]], str]:
    return lambda measured: f"{measured[name]:.{digits}f}"


if __name__ == "__main__":
    main()
