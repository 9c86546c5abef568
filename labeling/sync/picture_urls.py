"""URLs under which a labeler's browser can open the pictures of the workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from bodyshop_core import atomic
from bodyshop_core.errors import MissingPartError, UsageError
from bodyshop_core.storage.local_blobs import LocalBlobs
from labeling.records.pictures import CatalogPicture
from labeling.records.shown import ShownSize
from labeling.server.client import UPLOAD_LIMIT, LabelStudioClient
from labeling.server.connection import FOLDER

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

ImageMode = Literal["auto", "local", "upload", "url"]

SHOWN_BY_BROWSERS = {"JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"}
"""Formats that Chromium and Firefox can show; of others, an upright PNG copy is shown."""

ROTATED_BY_BROWSERS = "JPEG"
"""The only format whose EXIF rotation all browsers apply: Chromium ignores it in WebP and AVIF."""


JPEG_QUALITY = 92
"""Of the copies at the working size."""


@dataclass(frozen=True)
class PictureUrls:
    """Makes URLs of pictures for a labeler's browser.

    Parameters
    ----------
    workspace : Workspace
        Where the pictures are.
    client : LabelStudioClient
        The server.
    project : int
        The project on it.
    mode : {"local", "upload", "url"}
        The server reads the disk of this machine; pictures are copied to the server; or another
        web server delivers them.
    prefix : str
        URL under which the workspace folder is served, for ``url``.
    """

    workspace: Workspace
    client: LabelStudioClient
    project: int
    mode: ImageMode
    prefix: str = ""

    def urls(self, pictures: Sequence[CatalogPicture]) -> list[str]:
        """Return one URL per picture, in order.

        Originals that every browser shows upright are used as they are, others as an upright copy:
        masks then have the upright size. Of large pictures a smaller copy is used (see `shown`).
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

    def shown(self, picture: CatalogPicture) -> ShownSize:
        """Return how a new task shows a picture: of another web server at its full size."""
        if self.mode == "url":
            return ShownSize(picture.width, picture.height)
        return ShownSize.of(picture.width, picture.height)

    def open_access(self, picture: CatalogPicture) -> None:
        """Give the server access to the pictures, and check it with one of them.

        Raises
        ------
        MissingPartError
            A browser could not show it; labelers would see an empty page and might submit it.
        """
        if self.mode == "upload":
            return
        if self.mode == "local":
            copies = self.workspace.root / FOLDER / "pictures"
            copies.mkdir(parents=True, exist_ok=True)
            blobs = self.workspace.blobs
            originals = [blobs.root] if isinstance(blobs, LocalBlobs) else []
            for folder in (*originals, copies):
                self.client.serve_folder(self.project, folder)
        (url,) = self.urls([picture])
        response = self.client.fetch(url)
        upload = "push with --images upload, which copies the pictures to the server"
        if response.status != 200:
            raise MissingPartError(
                f"the labelling server can't show {picture.path.name}: "
                f"{url} answers HTTP {response.status}",
                hint=upload,
            )
        if not response.shown:
            raise MissingPartError(
                f"a browser refuses to show {url} on the labelling page: the response lacks the "
                "header Access-Control-Allow-Origin",
                hint=f"configure that server (for a bucket: a CORS rule) to send it, or {upload}",
            )

    def _file(self, picture: CatalogPicture) -> Path:
        shown = self.shown(picture)
        if shown.factor > 1:
            return self._smaller_copy(picture, shown)
        if picture.format in SHOWN_BY_BROWSERS and _is_shown_upright(picture):
            return picture.path.local()
        copy = self.workspace.root / FOLDER / "pictures" / f"{picture.sha256}.png"
        if not copy.exists():
            from PIL import Image

            from bodyshop_core.imaging import load_rgb

            with atomic.replacing(copy) as temporary:
                Image.fromarray(load_rgb(picture.path)).save(temporary, "PNG")
        return copy

    def _smaller_copy(self, picture: CatalogPicture, shown: ShownSize) -> Path:
        copy = self.workspace.root / FOLDER / "pictures" / shown.copy_name(picture.sha256)
        if not copy.exists():
            from PIL import Image

            from bodyshop_core.imaging import load_rgb

            # Each pixel is the mean of a block, as `ShownSize` has it.
            small = Image.fromarray(load_rgb(picture.path)).reduce(shown.factor)
            with atomic.replacing(copy) as temporary:
                small.save(temporary, "JPEG", quality=JPEG_QUALITY)
        return copy


def _is_shown_upright(picture: CatalogPicture) -> bool:
    if picture.exif_orientation == 1:
        return True
    if picture.format != ROTATED_BY_BROWSERS:
        return False
    from PIL import Image

    from bodyshop_core.imaging import EXIF_ORIENTATION, open_image

    with open_image(picture.path) as image:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
    # Pillow also applies a rotation that only the XMP block contains; browsers do not.
    return exif.get(EXIF_ORIENTATION) == picture.exif_orientation


def picture_urls_for(
    workspace: Workspace,
    client: LabelStudioClient,
    project: int,
    mode: ImageMode,
    prefix: str | None,
) -> PictureUrls:
    """Choose how pictures are served: local when the server reads this disk, else upload.

    Pictures of a bucket are uploaded.

    Raises
    ------
    UsageError
        ``url`` without a prefix; ``local`` with a server that can't read this disk; or one of
        them with pictures in a bucket.
    """
    root = client.connection.document_root
    on_disk = isinstance(workspace.blobs, LocalBlobs)
    near = on_disk and root is not None and workspace.root.is_relative_to(root)
    if mode == "auto":
        mode = "url" if prefix else "local" if near else "upload"
    if mode == "url" and not (prefix or "").startswith(("http://", "https://")):
        raise UsageError(
            "--images url needs the URL under which the workspace is served",
            hint="for example: --images url --url-prefix https://bucket.example.com/workspace",
        )
    if mode != "upload" and not on_disk:
        raise UsageError(
            f"the pictures are at {workspace.blobs.label}, where --images {mode} does not reach",
            hint="push with --images upload",
        )
    if mode == "local" and not near:
        raise UsageError(
            f"the server at {client.connection.url} does not read this workspace's disk",
            hint="push with --images upload",
        )
    return PictureUrls(workspace, client, project, mode, prefix or "")
