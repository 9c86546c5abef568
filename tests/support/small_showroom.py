"""A small showroom with drawn stand-ins for cars."""

from __future__ import annotations

import hashlib
import io
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from showroom import Picture, ShowroomBrand, ShowroomModel, Truth
from showroom.truth import VERSION

BRANDS = (
    ShowroomBrand(
        "Norden", "norden", "Built for weather", (ShowroomModel("Fjell", "fjell", "suv"),)
    ),
    ShowroomBrand(
        "Corvo", "corvo", "By hand, by night", (ShowroomModel("Strada", "strada", "coupe"),)
    ),
    ShowroomBrand("한빛", "hanbit", "바람처럼 가볍게", (ShowroomModel("바람", "baram", "hatch"),)),
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
