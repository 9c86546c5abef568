"""Which variants of a photo are found, which copy is kept, and what a crowd of copies changes.

    python -m benchmarks.curate_copies DATA [--photos 14] [--crowd 20] [--only NAME ...]
    python -m benchmarks.curate_copies DATA --write FOLDER
    python -m benchmarks.curate_copies DATA --strangers

With `--write` originals and variants are written as files, for a peer: `python
benchmarks/curate_peers.py imagededup copies FOLDER OUT.json` in the peer's own environment, then
`--read OUT.json` counts what it found. `--strangers` curates all photos of models, several a car,
and prints what is joined; `--scenes` tries the second look across splits on them.

DATA is the folder of real photos (damage, models, not_car). Each variant of each photo goes into a
workspace with the photos themselves and 60 other pictures, as `bodyshop curate` would see them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps
from sqlalchemy import select

import curate
from bodyshop_core.catalog import register_image, schema
from bodyshop_core.imaging import read_header, sniff
from bodyshop_core.workspace import Workspace
from curate.splits.same_scene import corners_of, same_scene

Picture = Image.Image

POLICY = """
size: {max_aspect: 9, min_short_side: 1, min_area: 1}
quality: {min_sharpness: 0, max_dark_fraction: 1, max_bright_fraction: 1}
gate: {rule: none, precision: PRECISION}
"""


def jpeg(picture: Picture, quality: int = 90) -> bytes:
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def scaled(picture: Picture, factor: float) -> Picture:
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.BICUBIC)


def centre(picture: Picture, share: float) -> Picture:
    dx, dy = (round(side * (1 - share) / 2) for side in picture.size)
    return picture.crop((dx, dy, picture.width - dx, picture.height - dy))


def letterboxed(picture: Picture) -> Picture:
    bar = picture.height // 8
    return ImageOps.expand(picture, (0, bar, 0, bar), fill=(0, 0, 0))


def written(picture: Picture, size: float, where: tuple[float, float], text: str) -> Picture:
    marked = picture.copy()
    font = ImageFont.load_default(size * picture.width)
    place = (where[0] * picture.width, where[1] * picture.height)
    ImageDraw.Draw(marked).text(
        place, text, fill="white", stroke_fill="black", stroke_width=2, font=font, anchor="mm"
    )
    return marked


def across(picture: Picture) -> Picture:
    return written(picture, 0.13, (0.5, 0.5), "FOR SALE 2026")


def phone(picture: Picture) -> Picture:
    """Show the picture as wide as a phone's screen, with bars of text above and below."""
    width = 720
    shown = picture.resize((width, round(picture.height * width / picture.width)))
    screen = Image.new("RGB", (width, 1560), (18, 18, 20))
    screen.paste(shown, (0, (1560 - shown.height) // 2))
    draw = ImageDraw.Draw(screen)
    font = ImageFont.load_default(30)
    draw.text((30, 20), "12:41", fill="white", font=font)
    draw.text((30, 110), "Gallery    Edit    Share", fill="white", font=font)
    draw.rectangle([0, 1440, width, 1560], fill=(40, 40, 44))
    for x in range(80, width, 150):
        draw.ellipse([x, 1475, x + 50, 1525], outline="white", width=4)
    return screen


def desktop(picture: Picture) -> Picture:
    """Show the picture in a browser's window, at two thirds of a screen's height."""
    screen = Image.new("RGB", (1366, 768), (245, 246, 248))
    draw = ImageDraw.Draw(screen)
    font = ImageFont.load_default(18)
    draw.rectangle([0, 0, 1366, 84], fill=(222, 225, 230))
    draw.text((120, 52), "https://cars.example/used/4711", fill=(60, 60, 60), font=font)
    shown = picture.copy()
    shown.thumbnail((760, 510))
    screen.paste(shown, (60, 120))
    for line in range(14):
        draw.text((900, 130 + 34 * line), "Mileage, year, price " + "." * line, fill=0, font=font)
    return screen


def screen_photo(picture: Picture) -> Picture:
    """Imitate a photo of a screen: perspective, moiré, a bezel, less contrast."""
    width, height = picture.size
    scene = Image.new("RGB", (round(width * 1.25), round(height * 1.25)), (28, 27, 30))
    scene.paste(picture, (round(width * 0.125), round(height * 0.125)))
    w, h = scene.size
    quad = (0.03 * w, 0.05 * h, 0.06 * w, 0.98 * h, 0.97 * w, 0.93 * h, 0.94 * w, 0.02 * h)
    scene = scene.transform((w, h), Image.Transform.QUAD, quad, Image.Resampling.BICUBIC)
    values = np.asarray(scene, dtype=np.float32)
    rows, columns = np.mgrid[:h, :w]
    moire = 6 * np.sin(rows / 2.7 + columns / 31) + 5 * np.sin(columns / 3.1)
    noise = np.random.default_rng(3).normal(0, 4, values.shape)
    values = values * 0.85 + 18 + moire[..., None] + noise
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def collage(picture: Picture) -> Picture:
    """Two by two: the picture, and three others made of it so that none is it."""
    tile = picture.resize((400, 300))
    sheet = Image.new("RGB", (800, 600), "white")
    other = ImageOps.solarize(tile.rotate(180), 90).filter(ImageFilter.GaussianBlur(6))
    for x, y, part in ((0, 0, tile), (400, 0, other), (0, 300, other), (400, 300, other)):
        sheet.paste(part, (x, y))
    return sheet


def recoloured(picture: Picture) -> Picture:
    hue, saturation, value = picture.convert("HSV").split()
    turned = hue.point(lambda level: (level + 96) % 256)
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


VARIANTS: dict[str, Callable[[Picture], bytes]] = {
    "quality 10": lambda p: jpeg(p, 10),
    "quality 40": lambda p: jpeg(p, 40),
    "quality 75": lambda p: jpeg(p, 75),
    "quality 97": lambda p: jpeg(p, 97),
    "half size": lambda p: jpeg(scaled(p, 0.5)),
    "one and a half": lambda p: jpeg(scaled(p, 1.5)),
    "grey": lambda p: jpeg(p.convert("L"), 95),
    "brighter": lambda p: jpeg(ImageEnhance.Brightness(p).enhance(1.3), 95),
    "black bars": lambda p: jpeg(letterboxed(p), 95),
    "white border": lambda p: jpeg(ImageOps.expand(p, p.width // 20, (255, 255, 255)), 95),
    "text in a corner": lambda p: jpeg(written(p, 0.05, (0.75, 0.93), "cars.example"), 95),
    "text across": lambda p: jpeg(across(p), 95),
    "crop 90": lambda p: jpeg(centre(p, 0.9)),
    "crop 70": lambda p: jpeg(centre(p, 0.7)),
    "crop 70 enlarged": lambda p: jpeg(centre(p, 0.7).resize(p.size, Image.Resampling.BICUBIC)),
    "red border": lambda p: jpeg(ImageOps.expand(p, p.width // 15, (190, 30, 40)), 92),
    "mirrored": lambda p: jpeg(ImageOps.mirror(p)),
    "turned 3": lambda p: jpeg(centre(p.rotate(3, Image.Resampling.BICUBIC), 0.9)),
    "turned 90": lambda p: jpeg(p.transpose(Image.Transpose.ROTATE_90)),
    "turned 180": lambda p: jpeg(p.transpose(Image.Transpose.ROTATE_180)),
    "phone screenshot": lambda p: png(phone(p)),
    "desktop screenshot": lambda p: png(desktop(p)),
    "photo of a screen": lambda p: jpeg(screen_photo(p)),
    "part of a collage": lambda p: jpeg(collage(p)),
    "negative": lambda p: jpeg(ImageOps.invert(p)),
    "other colour": lambda p: jpeg(recoloured(p)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=14)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    parser.add_argument("--crowd", type=int, default=0, help="copies of each photo beside it")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--read", type=Path)
    parser.add_argument("--precision", choices=["float32", "int8"], default="float32")
    parser.add_argument("--strangers", action="store_true")
    parser.add_argument("--scenes", action="store_true")
    chosen = parser.parse_args()
    policy = POLICY.replace("PRECISION", chosen.precision)
    if chosen.strangers:
        strangers(chosen.data, policy)
        return
    if chosen.scenes:
        scenes(chosen.data)
        return
    if chosen.read is not None:
        read(chosen.read)
        return
    files = originals(chosen.data, chosen.photos)
    others = [
        file for file in sorted((chosen.data / "damage").rglob("*.jpg"))[7::9] if file not in files
    ]
    others = others[:60]
    if chosen.write is not None:
        write(files, chosen.write)
        return
    print(f"{'variant':22} found  original kept  (of {len(files)})")
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        curated(base, [file.read_bytes() for file in (*files, *others)], policy)
        for name in chosen.only:
            found, kept, lost = tried(base, files, VARIANTS[name], chosen.crowd, policy)
            print(f"{name:22} {found:5}  {kept:5}  {lost or ''}", flush=True)


def write(files: list[Path], folder: Path) -> None:
    """Write originals and variants as NUMBER-VARIANT.EXTENSION."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files):
        (folder / f"{number}-original.jpg").write_bytes(file.read_bytes())
        picture = Image.open(file).convert("RGB")
        for name, make in VARIANTS.items():
            data = make(picture)
            (folder / f"{number}-{name}.{sniff(data)}").write_bytes(data)


def read(result: Path) -> None:
    """Print how many variants a peer has found, and how many different photos it has joined."""
    pairs = [
        sorted(Path(name).stem.split("-", 1) for name in pair)
        for pair in json.loads(result.read_text())["pairs"]
    ]
    for name in VARIANTS:
        found = {a[0] for a, b in pairs if a[0] == b[0] and {a[1], b[1]} == {name, "original"}}
        print(f"{name:22} {len(found):5}")
    print(f"pairs of different photos: {sum(a[0] != b[0] for a, b in pairs)}")


def strangers(data: Path, policy: str) -> None:
    """Curate all photos of models and print the clusters."""
    files = sorted((data / "models").rglob("*.jpg"))
    names = {digest(file.read_bytes()): f"{file.parent.name}/{file.name}" for file in files}
    with tempfile.TemporaryDirectory() as folder:
        rows = curated(Path(folder) / "workspace", [file.read_bytes() for file in files], policy)
    clusters: dict[str, list[str]] = {}
    for sha256, row in rows.items():
        if row.cluster is not None:
            clusters.setdefault(row.cluster, []).append(names[sha256])
    print(f"{len(files)} photos, {len(names)} different; clusters: {len(clusters)}")
    for members in clusters.values():
        print("  " + ", ".join(sorted(members)))


def scenes(data: Path) -> None:
    """Print how many strangers are called one scene, and how many next frames of 20 photos are."""
    files = sorted((data / "models").rglob("*.jpg"))
    files = random.Random(1).sample(files, 60)
    pictures = [Image.open(file).convert("RGB") for file in files]
    corners = [corners_of(picture) for picture in pictures]
    pairs = [(i, j) for i in range(60) for j in range(i + 1, 60) if (i + j) % 4 == 0]
    joined = sum(same_scene(corners[i], corners[j]) > 0 for i, j in pairs)
    print(f"{joined} of {len(pairs)} pairs of different photos are called one scene")
    chance = np.random.default_rng(0)
    found = 0
    for picture, own in zip(pictures[:20], corners, strict=False):
        w, h = picture.size
        inset = (0.02 * w, 0.02 * h, 0.02 * w, 0.98 * h, 0.98 * w, 0.98 * h, 0.98 * w, 0.02 * h)
        quad = np.array(inset) + chance.uniform(-0.02, 0.02, 8) * np.array([w, h] * 4)
        method = Image.Transform.QUAD
        frame = picture.transform((w, h), method, tuple(quad), Image.Resampling.BICUBIC)
        found += same_scene(own, corners_of(ImageEnhance.Brightness(frame).enhance(1.1))) > 0
    print(f"{found} of 20 next frames are")


def originals(data: Path, count: int) -> list[Path]:
    """Return photos of several sources, none a near-duplicate of another."""
    cars = [sorted(folder.iterdir())[0] for folder in sorted((data / "models").iterdir())]
    damaged = sorted((data / "damage").rglob("*.jpg"))[3::131]
    return [*cars, *damaged][:count]


def tried(
    base: Path, files: list[Path], make: Callable[[Picture], bytes], crowd: int, policy: str
) -> tuple[int, int, str]:
    """Return how many variants were joined with their photo, how often the photo is kept, notes."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        shutil.copytree(base, root)
        pairs, data = [], []
        for file in files:
            picture = Image.open(file).convert("RGB")
            variant = make(picture)
            pairs.append((digest(file.read_bytes()), digest(variant)))
            data.append(variant)
            for index in range(crowd):
                shade = ImageEnhance.Brightness(picture).enhance(1 + 0.004 * index)
                data.append(jpeg(shade, 70 + index))
        rows = curated(root, data, policy)
        joined = [
            (number, rows[a], rows[b])
            for number, (a, b) in enumerate(pairs)
            if rows[a].cluster is not None and rows[a].cluster == rows[b].cluster
        ]
        kept = [a.representative == a.sha256 for _, a, _ in joined]
        missed = sorted(set(range(len(pairs))) - {number for number, _, _ in joined})
        lost = [number for (number, _, _), won in zip(joined, kept, strict=True) if not won]
        return len(joined), sum(kept), f"missed {missed}, lost {lost}"


def curated(root: Path, pictures: list[bytes], policy: str) -> dict[str, Any]:
    """Add pictures to a workspace, curate it, and return the verdicts."""
    workspace = Workspace.open(root)
    for data in pictures:
        add(workspace, data)
    curate.curate(workspace, policy=curate.parse_policy(policy), workers=2)
    with workspace.catalog.read() as connection:
        return {row.sha256: row for row in connection.execute(select(schema.verdicts))}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def add(workspace: Workspace, data: bytes) -> str:
    extension = sniff(data) or "jpg"
    blob = workspace.blobs.put_bytes(data, extension)
    with workspace.catalog.begin() as connection:
        register_image(connection, blob, extension=extension, facts=read_header(data))
    return blob.sha256


if __name__ == "__main__":
    main()
