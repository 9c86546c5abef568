"""Encoding variants and putting them in place, whole or not at all."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop.errors import BodyshopError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from augment.policy import PictureSpec

TEMPORARY = ".tmp-"

ABANDONED_S = 86_400
"""Age of a temporary file of another machine that nobody is still writing."""


def encode(rgb: NDArray[np.uint8], spec: PictureSpec) -> bytes:
    """Encode a variant: JPEG 4:2:0 with standard Huffman tables, or PNG.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (height, width, 3)
        The variant.
    spec : PictureSpec
        Format and quality.
    """
    import cv2
    import numpy as np

    options = [cv2.IMWRITE_JPEG_QUALITY, spec.quality] if spec.format == "jpg" else []
    bgr = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), np.uint8)
    return _encoded(f".{spec.format}", bgr, options)


def encode_mask(mask: NDArray[np.uint8]) -> bytes:
    """Encode a mask of 0 and 255, shape (height, width), as PNG."""
    return _encoded(".png", mask, [])


def place(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Without `bodyshop.atomic`'s fsync, which costs more than drawing the variant: a variant lost in
    a power cut is remade by the next run, which compares every file's size with the catalog.
    """
    temporary = path.with_name(f"{TEMPORARY}{socket.gethostname()}~{os.getpid()}~{path.name}")
    try:
        try:
            temporary.write_bytes(data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> int:
    """Remove what killed processes left half written; return how many files that were."""
    abandoned = [path for path in folder.glob(f"*/{TEMPORARY}*") if _is_abandoned(path)]
    for path in abandoned:
        path.unlink(missing_ok=True)
    return len(abandoned)


def _is_abandoned(path: Path) -> bool:
    host, _, rest = path.name.removeprefix(TEMPORARY).partition("~")
    process = rest.partition("~")[0]
    # Windows has no signal 0: os.kill would end the process it is asked about.
    if os.name == "posix" and host == socket.gethostname() and process.isdigit():
        return not _is_alive(int(process))
    return time.time() - path.stat().st_mtime > ABANDONED_S


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True  # no such file system here: what answers to signals is alive
    # A killed process whose parent was killed too stays a zombie until init looks after it.
    return status.rpartition(")")[2].split()[0] != "Z"


def _encoded(extension: str, pixels: NDArray[np.uint8], options: list[int]) -> bytes:
    import cv2

    done, data = cv2.imencode(extension, pixels, options)
    if not done:
        raise BodyshopError(f"a picture of shape {pixels.shape} can't be written as {extension}")
    return data.tobytes()
