"""Predictions as files: masks, and pictures with labels and boxes drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.catalog.labels import means_whole
from bodyshop_core.figures import hangul_font
from bodyshop_core.imaging import load_rgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image, ImageDraw, ImageFont

    from bodyshop.prediction.records import PicturePrediction

    Masks = Mapping[str, NDArray[np.bool_]]

LONGEST = 1280
"""Longest side of an annotated picture, in pixels."""

DAMAGE, REGION, HEAT = (230, 30, 60), (140, 30, 200), (255, 225, 0)
WHOLE, OTHER, NO_CAR = (11, 107, 203), (200, 40, 40), (75, 85, 99)
"""Colours of a label that means whole, of any other label, and of no car."""


def save_masks(masks: Masks, folder: Path, name: str, *, split: bool) -> Path:
    """Write the damage of a picture as PNG of its size: 255 where damage is, 0 elsewhere.

    Parameters
    ----------
    masks : Mapping
        Class -> ndarray of bool, shape (height, width); at least one.
    folder : Path
        Folder to write to.
    name : str
        Beginning of the file name.
    split : bool
        Also write ``<name>-mask-<class>.png`` for each class.

    Returns
    -------
    Path
        ``<name>-mask.png``: all classes together.
    """
    import numpy as np

    whole = folder / f"{name}-mask.png"
    _save(np.any(list(masks.values()), axis=0), whole)
    if split:
        for label, mask in masks.items():
            _save(mask, folder / f"{name}-mask-{_plain(label)}.png")
    return whole


def draw(prediction: PicturePrediction, picture: Path, masks: Masks, path: Path) -> Path:
    """Write a picture with its label, its boxes and its damage drawn in, as JPEG.

    Parameters
    ----------
    prediction : PicturePrediction
        What to draw.
    picture : Path
        The file to draw it into.
    masks : Mapping
        Class -> ndarray of bool, shape (height, width) of the upright picture; may be empty.
    path : Path
        The file to write.

    Raises
    ------
    UnreadableImageError
        The picture can't be decoded.
    """
    import numpy as np
    from PIL import Image, ImageDraw

    rgb = load_rgb(picture)
    if masks:
        marked = np.any(list(masks.values()), axis=0)
        rgb = rgb.copy()
        rgb[marked] = (0.5 * rgb[marked] + 0.5 * np.array(DAMAGE)).astype(np.uint8)
    image = Image.fromarray(rgb)
    image.thumbnail((LONGEST, LONGEST))
    if prediction.heat is not None:
        image = _heated(image, prediction.heat)
    pen = ImageDraw.Draw(image)
    size = max(13, round(max(image.size) / 45))
    font = _font(size)
    if prediction.boxes:
        for box in reversed(prediction.boxes):  # the label of the largest lies on top
            corners = (
                box.left * image.width,
                box.top * image.height,
                box.right * image.width - 1,
                box.bottom * image.height - 1,
            )
            colour = _colour(box.label)
            pen.rectangle(corners, outline=colour, width=max(2, size // 7))
            _tag(pen, font, corners[:2], _caption(box.label, box.probability), colour)
    else:
        if prediction.where is not None:
            left, top, right, bottom = prediction.where
            corners = (
                left * image.width,
                top * image.height,
                right * image.width - 1,
                bottom * image.height - 1,
            )
            pen.rectangle(corners, outline=DAMAGE, width=max(2, size // 7))
        for region in prediction.regions or ():
            outline = [(x * image.width, y * image.height) for x, y in region.polygon]
            pen.line([*outline, *outline[:2]], fill=REGION, width=max(2, size // 9), joint="curve")
        text = "no car" if prediction.label is None else prediction.label
        if prediction.label is not None and prediction.probability is not None:
            text = _caption(prediction.label, prediction.probability)
        _tag(pen, font, (0, 0), text, _colour(prediction.label))
    with atomic.replacing(path) as temporary:
        image.save(temporary, "JPEG", quality=88)
    return path


def _heated(image: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """Lay the evidence of damage over a picture: the likelier, the yellower."""
    import numpy as np
    from PIL import Image

    likely = 1 / (1 + np.exp(-heat))
    levels = Image.fromarray((likely / max(float(likely.max()), 1e-6) * 127).astype(np.uint8))
    cover = levels.resize(image.size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", image.size, HEAT), image, cover)


def _tag(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    corner: tuple[float, float],
    words: str,
    colour: tuple[int, int, int],
) -> None:
    _, _, right, bottom = pen.textbbox(corner, words, font=font)
    pad = 3
    pen.rectangle((corner[0], corner[1], right + 2 * pad, bottom + 2 * pad), fill=colour)
    pen.text((corner[0] + pad, corner[1] + pad), words, fill="white", font=font)


def _caption(label: str, probability: float) -> str:
    return f"{label} {100 * probability:.0f} %"


def _colour(label: str | None) -> tuple[int, int, int]:
    if label is None:
        return NO_CAR
    return WHOLE if means_whole(label) else OTHER


def _font(size: int) -> Any:
    from PIL import ImageFont

    file = hangul_font()
    return ImageFont.truetype(str(file), size) if file else ImageFont.load_default(size)


def _save(mask: NDArray[np.bool_], path: Path) -> None:
    import numpy as np
    from PIL import Image

    with atomic.replacing(path) as temporary:
        Image.fromarray(mask.astype(np.uint8) * 255).save(temporary, "PNG")


def _plain(label: str) -> str:
    """Keep letters and digits of a class name, which may come from an untrusted run folder."""
    return "".join(each if each.isalnum() else "-" for each in label)
