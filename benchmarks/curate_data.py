"""Files that the curate benchmarks and their peers all read: real photos and copies of them.

    python benchmarks/curate_data.py PHOTOS_DIR... --out DIR [--count N] [--only PART] [--seed S]

Writes DIR/speed (1280 x 853 JPEGs), DIR/copies (``<id>__original.jpg``, ``<id>__<transform>.jpg``)
and DIR/blur (``<id>__sharp.jpg`` and ``<id>__<blur>.jpg``).
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

PARTS = ("speed", "copies", "blur")
SPEED_SIZE = (1280, 853)


def crop(picture: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    w, h = picture.size
    dx, dy = w * share, h * share
    x, y = rng.uniform(0, dx), rng.uniform(0, dy)
    return picture.crop((int(x), int(y), int(x + w - dx), int(y + h - dy)))


def watermark(picture: Image.Image) -> Image.Image:
    layer = Image.new("L", picture.size, 0)
    w, h = picture.size
    font = ImageFont.load_default(size=max(9, h // 14))
    ImageDraw.Draw(layer).text(
        (w * 0.5, h * 0.88), "photo24.example", font=font, fill=170, anchor="mm"
    )
    marked = picture.copy()
    marked.paste((255, 255, 255), (0, 0), layer)
    return marked


def logo(picture: Image.Image) -> Image.Image:
    marked = picture.copy()
    w, h = picture.size
    ImageDraw.Draw(marked).rectangle([w * 0.7, h * 0.85, w * 0.98, h * 0.97], fill=(255, 255, 255))
    return marked


def scaled(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize(tuple(max(8, round(side * factor)) for side in picture.size))


Transform = Callable[[Image.Image, np.random.Generator], Image.Image]
TRANSFORMS: dict[str, tuple[Transform, int]] = {
    "jpeg q30": (lambda p, r: p, 30),
    "jpeg q45": (lambda p, r: p, 45),
    "jpeg q60": (lambda p, r: p, 60),
    "jpeg q75": (lambda p, r: p, 75),
    "jpeg q95": (lambda p, r: p, 95),
    "resize 25%": (lambda p, r: scaled(p, 0.25), 85),
    "resize 50%": (lambda p, r: scaled(p, 0.5), 85),
    "crop 5%": (lambda p, r: crop(p, 0.05, r), 85),
    "crop 10%": (lambda p, r: crop(p, 0.10, r), 85),
    "crop 20%": (lambda p, r: crop(p, 0.20, r), 85),
    "border 4%": (lambda p, r: ImageOps.expand(p, p.width // 25, fill=(0, 0, 0)), 85),
    "logo 28x12%": (lambda p, r: logo(p), 85),
    "watermark": (lambda p, r: watermark(p), 85),
    "brightness x0.7": (lambda p, r: ImageEnhance.Brightness(p).enhance(0.7), 85),
    "brightness x1.2": (lambda p, r: ImageEnhance.Brightness(p).enhance(1.2), 85),
    "brightness x1.5": (lambda p, r: ImageEnhance.Brightness(p).enhance(1.5), 85),
    "flip": (lambda p, r: ImageOps.mirror(p), 85),
    "rotate 1 deg": (lambda p, r: p.rotate(1, resample=Image.Resampling.BICUBIC), 85),
    "rotate 3 deg": (lambda p, r: p.rotate(3, resample=Image.Resampling.BICUBIC), 85),
}


def motion(picture: Image.Image, length: int, angle: float) -> Image.Image:
    import cv2

    size = length | 1
    kernel = np.zeros((size, size), np.float32)
    kernel[size // 2] = 1
    turn = cv2.getRotationMatrix2D((size // 2, size // 2), angle, 1)
    kernel = cv2.warpAffine(kernel, turn, (size, size))
    return Image.fromarray(cv2.filter2D(np.asarray(picture), -1, kernel / kernel.sum()))


def blurs(picture: Image.Image, rng: np.random.Generator) -> dict[str, Image.Image]:
    """Blur with strengths in pixels as seen when the longest side is 512."""
    unit = max(1.0, max(picture.size) / 512)
    made = {
        f"gauss {s}px": picture.filter(ImageFilter.GaussianBlur(s * unit)) for s in (1.5, 2, 3, 5)
    }
    for length in (9, 13):
        made[f"motion {length}px"] = motion(picture, round(length * unit), rng.uniform(0, 180))
    for factor in (3, 4):
        small = scaled(picture, 1 / (factor * unit))
        made[f"down-up x{factor}"] = small.resize(picture.size, Image.Resampling.BICUBIC)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--only", choices=PARTS, action="append", help="which files; all of them")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    files = [file for folder in options.photos for file in sorted(folder.rglob("*.*"))]
    chosen = [files[i] for i in sorted(rng.permutation(len(files))[: options.count])]
    parts = options.only or PARTS
    for part in parts:
        (options.out / part).mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(chosen):
        with Image.open(file) as image:
            picture = image.convert("RGB")
        picture.thumbnail((1280, 1280))
        name = f"{number:04d}"
        if "speed" in parts:
            fitted = ImageOps.fit(picture, SPEED_SIZE)
            noisy = np.asarray(fitted) + rng.normal(0, 3, (SPEED_SIZE[1], SPEED_SIZE[0], 3))
            grained = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            save(grained, options.out / "speed" / name, 85)
        if "copies" in parts:
            save(picture, options.out / "copies" / f"{name}__original", 92)
            for transform, (make, quality) in TRANSFORMS.items():
                copy = options.out / "copies" / f"{name}__{transform}"
                save(make(picture, rng), copy, quality)
        if "blur" in parts:
            save(picture, options.out / "blur" / f"{name}__sharp", 90)
            for blur, made in blurs(picture, rng).items():
                save(made, options.out / "blur" / f"{name}__{blur}", 90)
    print(f"{len(chosen)} photos -> {options.out}")


def save(picture: Image.Image, path: Path, quality: int) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    path.with_name(path.name + ".jpg").write_bytes(buffer.getvalue())


if __name__ == "__main__":
    main()
