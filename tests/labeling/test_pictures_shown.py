"""What a labeler's browser is shown has the size that masks are taken back in."""

from __future__ import annotations

import io
from urllib.parse import unquote

import numpy as np
import pytest
from labeling_pictures import add_picture, picture_bytes
from PIL import Image

from bodyshop_core.imaging import load_rgb
from labeling.records.pictures import load_pictures
from labeling.server.client import LabelStudioClient
from labeling.server.connection import Connection
from labeling.sync.picture_urls import PictureUrls

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def turned(form):
    """A picture of 30 x 20 that is to be shown as 20 x 30."""
    if form == "JPEG, by XMP":
        buffer = io.BytesIO()
        Image.open(io.BytesIO(picture_bytes(30, 20))).save(buffer, "JPEG", xmp=XMP)
        return buffer.getvalue()
    if form == "TIFF":
        buffer = io.BytesIO()
        picture = Image.open(io.BytesIO(picture_bytes(30, 20, form="PNG")))
        picture.save(buffer, "TIFF", tiffinfo={0x0112: 6})
        return buffer.getvalue()
    return picture_bytes(30, 20, orientation=6, form=form)


@pytest.fixture
def shown(workspace):
    """shown(): the file that the browser gets for the only picture of the workspace."""
    client = LabelStudioClient(Connection("http://127.0.0.1:8080", "k" * 40, workspace.root))

    def file():
        (picture,) = load_pictures(workspace)
        (address,) = PictureUrls(workspace, client, 1, "local").urls([picture])
        return picture, workspace.root / unquote(address.partition("?d=")[2])

    yield file
    client.close()


@pytest.mark.parametrize("form", ["WEBP", "AVIF", "PNG", "TIFF", "JPEG, by XMP"])
def test_a_rotation_that_browsers_may_not_apply_is_applied_before(form, workspace, shown):
    add_picture(workspace, turned(form))
    picture, file = shown()
    assert (picture.width, picture.height) == (20, 30)
    with Image.open(file) as image:
        assert image.size == (20, 30)
        assert image.getexif().get(0x0112, 1) == 1
        assert np.array_equal(np.asarray(image), load_rgb(picture.path))


@pytest.mark.parametrize(("form", "orientation"), [("JPEG", 6), ("WEBP", 1), ("AVIF", 1)])
def test_what_browsers_show_upright_by_themselves_is_shown_as_it_is(
    form, orientation, workspace, shown
):
    add_picture(workspace, picture_bytes(30, 20, orientation=orientation, form=form))
    picture, file = shown()
    assert file == picture.path.local()
