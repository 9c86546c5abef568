"""Error classes come from types and codes, never from the words of a message."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
import requests
import simplejpeg
from picture_server import picture
from PIL import Image
from sqlalchemy import select
from urllib3.exceptions import HTTPError

import collector
from bodyshop_core.catalog import schema
from bodyshop_core.errors import BodyshopError, NothingFoundError
from collector.candidate import Task
from collector.net import download as download_module
from collector.net.address import AddressGuard
from collector.net.deadline import DeadlineThread
from collector.net.download import DownloadLimits, download, store_bytes
from collector.net.http import guarded_session

LIMITS = DownloadLimits(max_bytes=50_000_000, min_side=10, seconds=5)


def bomb():
    """Return a PNG of 500 megapixels in a few hundred bytes."""
    header = struct.pack(">IIBBBBB", 25_000, 20_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("folder", ["plain", "pixels", "megapixels more than the limit"])
@pytest.mark.parametrize("size", [200, 3 << 20], ids=["in memory", "on disk"])
def test_a_broken_picture_is_unreadable_whatever_its_folder_is_called(tmp_path, folder, size):
    place = tmp_path / folder
    place.mkdir()
    broken = b"\xff\xd8\xff" + b"\0" * size + b"\xff\xd9"
    outcome = store_bytes(broken, place, LIMITS, url="http://a.example/pixels.jpg")
    assert outcome.error_class == "unreadable"
    assert store_bytes(bomb(), place, LIMITS, url="http://a.example/1.png").error_class == "bomb"
    assert list(place.iterdir()) == []


def test_a_large_jpeg_without_its_end_is_a_bomb_and_not_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(simplejpeg, "decode_jpeg", None)
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG", progressive=True)
    data = bytearray(stream.getvalue()[:-2])
    frame = data.index(b"\xff\xc2")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 12_000, 12_000)
    outcome = store_bytes(bytes(data), tmp_path, LIMITS, url="http://a.example/1.jpg")
    assert outcome.error_class == "bomb"


class FailingSource:
    """Raises what a test gives it."""

    needs_browser = False

    def __init__(self, error):
        self.error = error

    def tasks(self, brand, model):
        yield Task("failing", "https://failing.example/", brand.name, model.name)

    def discover(self, task, tools):
        raise self.error
        yield []


@pytest.mark.parametrize(
    "text",
    ["the page gave HTTP 404", "https://a.example/ returned HTTP 503", "robots.txt of a.example"],
)
def test_the_words_of_an_error_do_not_choose_its_class(server, brands_for, workspace, text):
    extra = {"failing": FailingSource(BodyshopError(text))}
    with pytest.raises(NothingFoundError):
        collector.collect(brands_for(server.add_pictures(1)), workspace, extra=extra)
    page = schema.pages.c
    with workspace.catalog.read() as connection:
        query = select(page.state, page.error_class, page.error).where(page.source == "failing")
        assert tuple(connection.execute(query).one()) == ("failed", "page", text)


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (requests.ConnectionError("the peer said: timed out, IncompleteRead"), "connection"),
        (HTTPError("timed out"), "connection"),
        (ValueError("IncompleteRead timed out"), "bad_answer"),
        (requests.ReadTimeout("slow"), "timeout"),
    ],
)
def test_the_words_of_a_network_error_do_not_choose_its_class(
    tmp_path, monkeypatch, error, error_class
):
    def fail(*_):
        raise error

    monkeypatch.setattr(download_module, "ask", fail)
    session = guarded_session(AddressGuard(), "test")
    with DeadlineThread() as deadlines:
        outcome = download(session, deadlines, "http://a.example/1.jpg", tmp_path, LIMITS)
    assert outcome.error_class == error_class


def test_an_error_status_of_an_api_is_named_by_its_number(server, brands_for, workspace):
    class ApiSource(FailingSource):
        def discover(self, task, tools):
            tools.fetch_json(self.error, {})
            yield []

    server.add("/api", picture(1), status=410)
    extra = {"failing": ApiSource(server.url("/api"))}
    with pytest.raises(NothingFoundError):
        collector.collect(brands_for(server.add_pictures(1)), workspace, extra=extra)
    page = schema.pages.c
    with workspace.catalog.read() as connection:
        query = select(page.error_class).where(page.source == "failing")
        assert connection.execute(query).scalar_one() == "http_410"
