"""Make the pictures of docs/curate.md: an example of each reason, and what each threshold does.

    python -m benchmarks.curate_pictures docs/images

Every car is rendered, every verdict and number is bodyshop's own: the script fills a workspace,
runs `curate`, and draws what came out.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

import curate
from benchmarks.curate_cars import car, framed, jpeg, png, towards
from bodyshop_core.catalog import Reason, add_labels, now, register_image, schema
from bodyshop_core.errors import UnreadableImageError
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.workspace import Workspace
from curate.measure.picture import measure_picture
from curate.measure.stage import VERSION
from curate.policy import Policy
from curate.verdicts.screen import Facts, screen
from curate.verdicts.stage import screening_limits
from curate.verdicts.wording import sentence
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


def add(
    workspace: Workspace, data: bytes, label: str | None = None, *, pages: Sequence[str] = ("",)
) -> str:
    """Register a picture as an import would, seen on one or more pages."""
    blob = workspace.blobs.put_bytes(data, sniff(data) or "jpg")
    try:
        facts = read_header(data)
    except UnreadableImageError:
        facts = {}
    empty = {column.name: None for column in schema.sightings.columns}
    rows = [
        {
            **empty,
            "key": hashlib.sha256(f"{blob.sha256} {page}".encode()).hexdigest(),
            "sha256": blob.sha256,
            "source": "import",
            "page_url": page or None,
            "fetched_at": now(),
            "tool_version": "docs",
        }
        for page in pages
    ]
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=sniff(data) or "jpg", facts=facts)
        workspace.catalog.upsert(schema.sightings, rows, connection=connection)
        if label:
            add_labels(
                workspace.catalog,
                [(blob.sha256, "damage", label, "import", "")],
                connection=connection,
            )
    return blob.sha256


def judged_examples(workspace: Workspace) -> list[tuple[str, Image.Image | None, str]]:
    """Return (reason, picture, the report's sentence) for each reason, and a kept picture."""
    kept = {}
    for number in range(12):
        label = ("damaged", "whole")[number % 2]
        page = f"https://cars.example/{number}"
        image = car(number, damaged=number % 2 == 0)
        kept[add(workspace, jpeg(image), label, pages=[page])] = (image, page)
    first, second = (image for image, _ in list(kept.values())[:2])
    whole = jpeg(car(20))
    dark = ImageEnhance.Brightness(car(21)).enhance(0.05)
    soft = car(22).filter(ImageFilter.GaussianBlur(9))
    balloons = Image.fromarray(draw_decoy("balloons", 640, 426, 3))
    torn = car(23)
    conflict = car(24)
    unwanted = car(25)
    killer = car(26)
    shown: dict[str, tuple[str, Image.Image | None]] = {
        "unreadable": (add(workspace, whole[: len(whole) // 3]), None),
        "worker_died": (add(workspace, jpeg(killer)), None),
        "too_small": (add(workspace, jpeg(torn.resize((110, 74)))), torn.resize((110, 74))),
        "not_a_car": (add(workspace, jpeg(balloons)), balloons),
        "blurry": (add(workspace, jpeg(soft)), soft),
        "bad_exposure": (add(workspace, jpeg(dark)), dark),
        "exact_duplicate": (add(workspace, png(Image.open(io.BytesIO(jpeg(first))))), first),
        "near_duplicate": (
            add(workspace, jpeg(second.resize((480, 320)), 50), "whole"),
            second.resize((480, 320)),
        ),
        "label_conflict": (add(workspace, jpeg(conflict), "damaged"), conflict),
        "human_reject": (add(workspace, jpeg(unwanted), "whole"), unwanted),
    }
    add(workspace, jpeg(conflict), "whole")
    # No picture kills a worker of this version, so what the engine then records is put in.
    row = {column.name: None for column in schema.measurements.columns}
    died = {**row, "sha256": shown["worker_died"][0], "version": VERSION, "error": "worker_died"}
    workspace.catalog.upsert(schema.measurements, [died])
    decision = {
        "sha256": shown["human_reject"][0],
        "decision": "reject",
        "framing": None,
        "note": "",
        "by": "docs",
        "at": now(),
    }
    workspace.catalog.upsert(schema.decisions, [decision])
    curate.curate(workspace, target="damage")
    bridge = car(27)
    shown["split_bridge"] = (
        add(workspace, jpeg(bridge), "whole", pages=torn_pages(workspace)),
        bridge,
    )
    curate.curate(workspace, target="damage")
    with workspace.catalog.read() as connection:
        verdicts = {row.sha256: row for row in connection.execute(schema.verdicts.select())}
    with tempfile.TemporaryDirectory() as folder:
        others = judged_others(Workspace.open(Path(folder)))
    examples: list[tuple[str, Image.Image | None, str]] = []
    for reason in Reason:
        if reason.value in others:
            examples.append(others[reason.value])
            continue
        sha256, picture = shown[reason.value]
        found = verdicts[sha256]
        if found.reasons[:1] != [reason.value]:
            raise SystemExit(f"the example of {reason.value} came out as {found.reasons}")
        examples.append(
            (reason.value, picture, sentence(reason.value, found.details[reason.value]))
        )
    good = next(image for sha, (image, _) in kept.items() if verdicts[sha].verdict == "keep")
    return [*examples, ("kept", good, "nothing speaks against it")]


def judged_others(workspace: Workspace) -> dict[str, tuple[str, Image.Image | None, str]]:
    """Return the examples, by reason, that would change what is said about the other ones."""
    whole = jpeg(car(28))
    zeroed = whole[: len(whole) // 2] + bytes(len(whole) // 2 - 2) + whole[-2:]
    edited, page = car(29), "https://cars.example/many"
    pictures = {
        "damaged_data": (add(workspace, zeroed), Image.open(io.BytesIO(zeroed))),
        "superseded": (add(workspace, jpeg(edited)), edited),
    }
    on_page = {add(workspace, jpeg(image), pages=[page]): image for image in (car(30), car(31))}
    change = schema.sightings.update().where(schema.sightings.c.sha256 == pictures["superseded"][0])
    with workspace.catalog.begin() as connection:
        connection.execute(change.values(superseded_at=now()))
    curate.curate(workspace, policy=Policy.model_validate({"limits": {"per_page": 1}}))
    with workspace.catalog.read() as connection:
        verdicts = {row.sha256: row for row in connection.execute(schema.verdicts.select())}
    (left_out,) = (sha256 for sha256 in on_page if verdicts[sha256].verdict == "reject")
    pictures["over_quota"] = (left_out, on_page[left_out])
    found: dict[str, tuple[str, Image.Image | None, str]] = {}
    for name, (sha256, picture) in pictures.items():
        if verdicts[sha256].reasons[:1] != [name]:
            raise SystemExit(f"the example of {name} came out as {verdicts[sha256].reasons}")
        found[name] = (name, picture, sentence(name, verdicts[sha256].details[name]))
    return found


def torn_pages(workspace: Workspace) -> list[str]:
    """Return the pages of a picture in train and of one in test: a newcomer on both ties them."""
    splits, sightings = schema.splits, schema.sightings
    with workspace.catalog.read() as connection:
        rows = connection.execute(
            splits.select()
            .with_only_columns(splits.c.split, sightings.c.page_url)
            .join(sightings, sightings.c.sha256 == splits.c.sha256)
        ).all()
    pages = {row.split: row.page_url for row in rows if row.page_url}
    return [pages["train"], pages["test"]]


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
