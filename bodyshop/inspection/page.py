"""The report of an inspection: one page that needs no other file, and JSON."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core import atomic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop.inspection.looking import Look
    from bodyshop.inspection.records import InspectionSummary

QUALITY = 82
"""Of the JPEGs inside the page."""


def write_report(
    summary: InspectionSummary,
    pictures: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    unpaired: Sequence[Look],
) -> None:
    """Write the page and the JSON of an inspection.

    Parameters
    ----------
    summary : InspectionSummary
        With the files to write.
    pictures : sequence of (ndarray, ndarray)
        Both pictures of each pair, uint8 RGB, in the order of the summary.
    unpaired : sequence of Look
        Pictures without a partner.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if summary.page is None or summary.file is None:
        return
    environment = Environment(
        loader=PackageLoader("bodyshop.inspection"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": _plain}
    before = set(summary.unpaired_before)
    page = environment.get_template("inspection.html.j2").render(
        summary=summary,
        pairs=[
            (pair, *map(_data, both)) for pair, both in zip(summary.pairs, pictures, strict=True)
        ],
        unpaired=[
            ("before" if str(look.file) in before else "after", look.file, _data(look.small))
            for look in unpaired
        ],
    )
    atomic.write_text(summary.page, page)
    text = json.dumps(summary.as_dict(), ensure_ascii=False, indent=1, default=str)
    atomic.write_text(summary.file, _plain(text) + "\n")


def _data(rgb: NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _plain(text: str | Path) -> str:
    """Return a text that UTF-8 can hold: file names may have any bytes."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
