"""The pictures of the docs: what makes each, and where it goes when it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

MADE_BY = {
    "predict.jpg": "tests/docs/test_readme.py",
    "labeling-page-1280.png": "tests/labeling/test_labeler_in_browser.py",
    "labeling-review.png": "tests/labeling/test_labeler_in_browser.py",
    "curate-reasons.jpg": "benchmarks/curate_pictures.py",
    "curate-thresholds.jpg": "benchmarks/curate_pictures.py",
    **dict.fromkeys(
        (
            "desk.png", "report.png", "curate-report.jpg", "curate-clusters.jpg",
            "showroom-model.jpg", "showroom-search.jpg", "showroom.jpg",
        ),
        "tests/docs/test_pictures.py",
    ),
}  # fmt: skip


def asked_for() -> str | None:
    """The folder that the pictures are to be written to, if any."""
    return os.environ.get("BODYSHOP_DOC_PICTURES")


def save_picture(image: Image.Image, name: str) -> None:
    """Write a picture of the docs into the folder BODYSHOP_DOC_PICTURES; without it, nothing."""
    folder = asked_for()
    if not folder:
        return
    file = Path(folder) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".png":
        image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(file, optimize=True)
    else:
        image.convert("RGB").save(file, quality=85, optimize=True)
