"""What a large picture costs before and after it is labelled: processor seconds, not the browser's.

    python -m benchmarks.large_pictures

A synthetic photo per size is pushed and pulled without a server: the copy that labelers see is
made, a brush region of it is encoded as the browser would send it, decoded, and brought back into
the picture's own pixels.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
from PIL import Image

from bodyshop_core.catalog import register_image
from bodyshop_core.imaging import read_header
from bodyshop_core.workspace import Workspace
from labeling.configs.label_config import load_label_config
from labeling.records.pictures import load_pictures
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.picture_urls import PictureUrls
from labeling.sync.results import read_result, write_result

SIZES = ((1200, 800), (4000, 3000), (6720, 4480))


def synthetic_photo(width: int, height: int, seed: int = 1) -> bytes:
    """Return a JPEG with the detail of a photo: smooth shades and grain."""
    rng = np.random.default_rng(seed)
    shades = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    pixels = np.asarray(shades.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    pixels += rng.integers(-8, 9, (height, width, 1), dtype=np.int16)
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Measure and print."""
    config = load_label_config("damage")
    write_result({"dent": np.ones((9, 9), bool)}, config)  # imports the SDK
    print(
        "| megapixels | shown | copy, s | region encoded, s | region read back, s | same size, s |"
    )
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number, (width, height) in enumerate(SIZES):
            workspace = Workspace.open(Path(folder) / str(number))
            data = synthetic_photo(width, height)
            blob = workspace.blobs.put_bytes(data, "jpg")
            with workspace.catalog.begin() as connection:
                register_image(connection, blob, extension="jpg", facts=read_header(data))
            (picture,) = load_pictures(workspace)
            client = LabelStudioClient(Connection("http://127.0.0.1:1", "k" * 40, workspace.root))
            urls = PictureUrls(workspace, client, 1, "local")
            started = process_time()
            urls.urls([picture])
            copied = process_time() - started
            shown = urls.shown(picture)
            rows, columns = np.mgrid[0:height, 0:width]
            disk = (rows - height // 2) ** 2 + (columns - width // 2) ** 2 < (height // 5) ** 2
            started = process_time()
            region = write_result({"dent": disk}, config, shown=shown)
            written = process_time() - started
            started = process_time()
            read_result(region, config, width=width, height=height)
            read = process_time() - started
            whole = write_result({"dent": disk}, config)
            started = process_time()
            read_result(whole, config, width=width, height=height)
            full = process_time() - started
            client.close()
            size = "x".join(map(str, shown.size))
            print(
                f"| {width * height / 1e6:.0f} | {size} | {copied:.2f} | {written:.2f} "
                f"| {read:.2f} | {full:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
