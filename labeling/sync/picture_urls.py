"""How a labeler's browser gets to see the pictures of the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from bodyshop_core import atomic
from bodyshop_core.errors import MissingPartError, UsageError
from labeling.pictures import Picture
from labeling.server.client import UPLOAD_LIMIT, LabelStudioClient
from labeling.server.connection import FOLDER

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

ImageMode = Literal["auto", "local", "upload", "url"]

SHOWN_BY_BROWSERS = {"JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"}
"""Formats that Chromium and Firefox show; others are shown as an upright PNG copy."""

TURNED_BY_BROWSERS = "JPEG"
"""The one format whose EXIF rotation all browsers apply: Chromium does not for WebP and AVIF."""


@dataclass(frozen=True)
class Shelf:
    """Turns pictures into addresses that a labeler's browser can open.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    client : LabelStudioClient
        The server.
    project : int
        The project on it.
    mode : {"local", "upload", "url"}
        The server reads our disk; pictures are copied to it; or they are served elsewhere.
    prefix : str
        Address under which ``blobs`` is served, for ``url``.
    """

    workspace: Workspace
    client: LabelStudioClient
    project: int
    mode: ImageMode
    prefix: str = ""

    def addresses(self, pictures: Sequence[Picture]) -> list[str]:
        """Return one address per picture, in order.

        Originals that a browser shows upright are shown as they are, others as an upright copy, so
        that masks come back in the upright size.
        """
        files = [self._file(picture) for picture in pictures]
        if self.mode == "upload":
            uploaded: list[str] = []
            for start in range(0, len(files), UPLOAD_LIMIT):
                chunk = files[start : start + UPLOAD_LIMIT]
                uploaded += self.client.upload(self.project, chunk)
            return uploaded
        if self.mode == "url":
            inside = [file.relative_to(self.workspace.root) for file in files]
            return [f"{self.prefix.rstrip('/')}/{quote(path.as_posix())}" for path in inside]
        root = self.client.connection.document_root or self.workspace.root
        return [
            f"/data/local-files/?d={quote(file.relative_to(root).as_posix())}" for file in files
        ]

    def open(self, picture: Picture) -> None:
        """Make the server show pictures, and check it with one.

        Raises
        ------
        MissingPartError
            It does not; labelers would see an empty page and could submit it blind.
        """
        if self.mode == "upload":
            return
        if self.mode == "local":
            copies = self.workspace.root / FOLDER / "pictures"
            copies.mkdir(parents=True, exist_ok=True)
            for folder in (self.workspace.blobs.root, copies):
                self.client.serve_folder(self.project, folder)
        (address,) = self.addresses([picture])
        answer = self.client.fetch(address)
        upload = "push with --images upload, which copies the pictures to the server"
        if answer.status != 200:
            raise MissingPartError(
                f"the labelling server can't show {picture.path.name}: "
                f"{address} answers HTTP {answer.status}",
                hint=upload,
            )
        if not answer.shown:
            raise MissingPartError(
                f"a browser may not show {address} on the labelling page: the answer lacks the "
                "header Access-Control-Allow-Origin",
                hint=f"let that server (or bucket, as a CORS rule) send it, or {upload}",
            )

    def _file(self, picture: Picture) -> Path:
        if picture.format in SHOWN_BY_BROWSERS and _is_shown_upright(picture):
            return picture.path
        copy = self.workspace.root / FOLDER / "pictures" / f"{picture.sha256}.png"
        if not copy.exists():
            from PIL import Image

            from bodyshop_core.imaging import load_rgb

            with atomic.replacing(copy) as temporary:
                Image.fromarray(load_rgb(picture.path)).save(temporary, "PNG")
        return copy


def _is_shown_upright(picture: Picture) -> bool:
    if picture.exif_orientation == 1:
        return True
    if picture.format != TURNED_BY_BROWSERS:
        return False
    from PIL import Image

    from bodyshop_core.imaging import EXIF_ORIENTATION, open_image

    with open_image(picture.path) as image:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
    # We follow a rotation that stands in the XMP alone, and browsers don't.
    return exif.get(EXIF_ORIENTATION) == picture.exif_orientation


def shelf_for(
    workspace: Workspace,
    client: LabelStudioClient,
    project: int,
    mode: ImageMode,
    prefix: str | None,
) -> Shelf:
    """Choose how pictures are served: local when the server reads our disk, else upload.

    Raises
    ------
    UsageError
        ``url`` without a prefix, or ``local`` with a server elsewhere.
    """
    root = client.connection.document_root
    near = root is not None and workspace.root.is_relative_to(root)
    if mode == "auto":
        mode = "url" if prefix else "local" if near else "upload"
    if mode == "url" and not (prefix or "").startswith(("http://", "https://")):
        raise UsageError(
            "pictures by url need the address under which the workspace is served",
            hint="such as --images url --url-prefix https://bucket.example.com/workspace",
        )
    if mode == "local" and not near:
        raise UsageError(
            f"the server at {client.connection.url} does not read this workspace's disk",
            hint="push with --images upload",
        )
    return Shelf(workspace, client, project, mode, prefix or "")
