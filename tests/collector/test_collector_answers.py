"""Servers' habits: answers that browsers show are pictures, whatever their headers say."""

from __future__ import annotations

import gzip
import io
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_server import picture
from PIL import Image

from bodyshop_core.imaging import sniff
from bodyshop_core.imaging.endings import has_end
from collector.net.address import AddressGuard
from collector.net.compression import CHUNK, inflated
from collector.net.deadline import DeadlineThread
from collector.net.declared import declared_bytes, is_part
from collector.net.download import DownloadLimits, download, judge_bytes
from collector.net.http import _timeout, guarded_session  # the private name: what urllib3 is given
from collector.net.outcome import Failure, Refusal, StoredPicture

BODY = picture(1, (640, 480))


@pytest.fixture
def get(server, tmp_path):
    session = guarded_session(AddressGuard([server.host]), "bodyshop-test")
    limits = DownloadLimits(max_bytes=2_000_000, min_side=50, seconds=10)
    with DeadlineThread() as deadlines:
        yield lambda url: download(session, deadlines, url, tmp_path, limits)


@pytest.mark.parametrize(
    "encoding", ["aws-chunked", "UTF-8", "none", "gzip", "br", "utf8, identity"]
)
def test_an_encoding_named_over_plain_bytes_does_not_matter(server, get, encoding):
    outcome = get(server.add("/a.jpg", BODY, headers={"Content-Encoding": encoding}))
    assert isinstance(outcome, StoredPicture)
    assert outcome.size == len(BODY)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY)),
     ("gzip, aws-chunked", gzip.compress(BODY)), ("deflate", zlib.compress(BODY, wbits=-15)),
     ("gzip, gzip", gzip.compress(gzip.compress(BODY))), ("UTF-8", gzip.compress(BODY)),
     ("", gzip.compress(BODY)), ("gzip", gzip.compress(BODY[:9000]) + gzip.compress(BODY[9000:])),
     ("gzip", gzip.compress(BODY) + bytes(20))],
)  # fmt: skip
def test_compression_that_nobody_asked_for_is_undone(server, get, encoding, body):
    outcome = get(server.add("/a.jpg", body, headers={"Content-Encoding": encoding}))
    assert isinstance(outcome, StoredPicture)
    assert outcome.size == len(BODY)


@pytest.mark.parametrize(("kind", "whole"), [("JPEG", True), ("PNG", True), ("BMP", False)])
def test_a_length_that_is_too_long_matters_only_where_the_end_cannot_be_told(
    server, get, kind, whole
):
    body = picture(1, (640, 480), kind)
    outcome = get(server.add("/a.jpg", body, length=len(body) + 10))
    assert isinstance(outcome, StoredPicture) is whole
    if not whole:
        assert (outcome.error_class, outcome.retry) == ("truncated", True)


@pytest.mark.parametrize("before", [b"\r\n", b"\xef\xbb\xbf", b"\n\t \n"])
def test_what_a_script_printed_before_a_picture_is_left_out(server, get, before):
    outcome = get(server.add("/a.jpg", before + BODY))
    assert isinstance(outcome, StoredPicture)
    assert outcome.size == len(BODY)


def test_compressed_data_that_end_too_early_are_truncated(server, get):
    body = gzip.compress(BODY)[:-200]
    outcome = get(server.add("/a.jpg", body, headers={"Content-Encoding": "gzip"}))
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "truncated"


def test_an_unknown_encoding_over_unknown_bytes_is_named(server, get):
    outcome = get(server.add("/a.jpg", b"\x8b" * 4000, headers={"Content-Encoding": "br"}))
    assert isinstance(outcome, Refusal)
    assert (outcome.error_class, outcome.detail) == ("encoded", "Content-Encoding br")


@pytest.mark.parametrize(
    ("status", "headers", "accepted"),
    [
        (203, {}, True),
        (206, {"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY)}"}, True),
        (206, {"Content-Range": f"bytes 0-{len(BODY) - 1}/{len(BODY) + 9}"}, False),
        (206, {"Content-Range": f"Bytes=0-{len(BODY) - 1}/{len(BODY)}"}, True),
        (206, {"Content-Range": f"bytes 9-{len(BODY) - 1}/*"}, False),
        (204, {}, False),
    ],
)
def test_whole_answers_are_answers(server, get, status, headers, accepted):
    outcome = get(server.add("/a.jpg", BODY, status=status, headers=headers))
    assert isinstance(outcome, StoredPicture) is accepted


@pytest.mark.parametrize("headers", [{}, {"Content-Range": f"bytes 0-{len(BODY) - 1}/*"}])
def test_of_a_206_that_does_not_say_whether_it_is_whole_the_picture_s_end_decides(
    server, get, headers
):
    bmp = picture(1, (640, 480), "BMP")
    assert isinstance(get(server.add("/a.jpg", BODY, status=206, headers=headers)), StoredPicture)
    for body in (BODY[:9000], bmp):
        outcome = get(server.add("/b.jpg", body, status=206, headers=headers))
        assert isinstance(outcome, Failure)
        assert outcome.error_class == "truncated"


def test_a_chunked_body_without_its_last_chunk_is_a_picture_if_it_has_its_end(server, get):
    for body, accepted in ((BODY, True), (BODY[:9000], False)):
        chunk = b"%x\r\n%s\r\n" % (len(body), body)
        headers = {"Transfer-Encoding": "chunked", "Connection": "close"}
        outcome = get(server.add("/a.jpg", chunk, headers=headers, length=-1))
        assert isinstance(outcome, StoredPicture) is accepted
        if not accepted:
            assert outcome.error_class == "truncated"


@pytest.mark.parametrize(
    ("status", "span", "accepted"),
    [(200, "", True), (203, "", True), (206, f"0-{len(BODY) - 1}/{len(BODY)}", True),
     (206, f"0-{len(BODY) - 1}/{len(BODY) + 9}", False), (206, "", True), (404, "", False)],
)  # fmt: skip
def test_what_the_browser_has_counts_as_a_download_would(tmp_path, status, span, accepted):
    limits = DownloadLimits(max_bytes=2_000_000, min_side=50, seconds=10)
    headers = {"content-range": f"bytes {span}"} if span else {}
    outcome = judge_bytes(
        BODY, tmp_path, limits, url="http://a.example/a.jpg", status=status, headers=headers
    )
    assert isinstance(outcome, StoredPicture) is accepted
    if not accepted:
        assert outcome.error_class == f"http_{status}"


def test_megabytes_behind_the_end_are_no_truncation(server, get):
    outcome = get(server.add("/a.jpg", BODY + b"\0" * 1_500_000))
    assert isinstance(outcome, StoredPicture)


def test_a_jpeg_without_end_mark_is_a_picture_if_its_last_row_is_there(server, get):
    assert isinstance(get(server.add("/a.jpg", BODY[:-2])), StoredPicture)
    for part in (0.3, 0.5, 0.8, 0.95):
        outcome = get(server.add("/b.jpg", BODY[: int(part * len(BODY))]))
        assert isinstance(outcome, Failure)
        assert outcome.error_class == "truncated"


@pytest.mark.parametrize(("kind", "extension"), [("JPEG2000", "jp2"), ("AVIF", "avif")])
def test_formats_that_the_decoder_reads_are_read(server, get, kind, extension):
    out = io.BytesIO()
    Image.open(io.BytesIO(BODY)).save(out, kind)
    outcome = get(server.add("/a", out.getvalue()))
    assert isinstance(outcome, StoredPicture)
    assert (outcome.extension, outcome.facts["format"]) == (extension, kind)


def test_an_avif_may_name_another_brand_first():
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" + b"\0" * 40) == "avif"
    assert sniff(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 40) is None


def test_the_time_limit_of_a_request_is_not_cut_by_that_of_a_connection():
    timeout = _timeout(60.0)
    timeout.start_connect()
    assert timeout.total is None
    assert timeout.read_timeout == 20.0


@given(st.binary(max_size=3000), st.integers(1, 700))
def test_inflating_gives_back_what_was_compressed_however_it_arrives(data, size):
    packed = gzip.compress(data)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert b"".join(inflated(chunks)) == data


def test_inflating_never_yields_more_than_a_chunk_at_once():
    bomb = gzip.compress(b"\0" * 10 * CHUNK)
    assert max(map(len, inflated([bomb]))) <= CHUNK


@given(cut=st.integers(0, 60), tail=st.binary(max_size=40))
def test_the_end_of_a_gif_is_its_trailer(cut, tail):
    out = io.BytesIO()
    frames = [Image.new("P", (30, 20), n) for n in range(3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], comment=b"; a car ;")
    whole = out.getvalue()
    assert has_end(io.BytesIO(whole + tail), "gif")
    if cut:
        assert not has_end(io.BytesIO(whole[:-cut]), "gif")


@given(cut=st.integers(0, 60), tail=st.binary(max_size=40))
def test_the_end_of_a_png_is_its_last_chunk(cut, tail):
    out = io.BytesIO()
    Image.new("RGB", (20, 20)).save(out, "PNG")
    whole = out.getvalue()
    assert has_end(io.BytesIO(whole + tail), "png")
    if cut > 8:
        assert not has_end(io.BytesIO(whole[:-cut]), "png")


@pytest.mark.parametrize("headers", ["content-range", "content-length"])
def test_numbers_that_no_server_means_are_not_read(headers):
    digits = "9" * 5000
    value = f"bytes 0-{digits}/{digits}" if headers == "content-range" else digits
    assert is_part(206, {headers: value}) is None
    assert declared_bytes({headers: value}) == 0


@pytest.mark.parametrize("level", [1, 9])
@pytest.mark.parametrize("past", [-1, 0, 1, 100, 258, 259])
def test_plain_deflate_that_ends_just_behind_a_chunk_is_whole(past, level):
    data = (b"ab" * CHUNK)[: CHUNK + past]
    assert b"".join(inflated([zlib.compress(data, level, wbits=-15)])) == data


def test_empty_members_are_bounded_and_cost_little(server, get):
    empty = gzip.compress(b"", mtime=0)
    assert b"".join(inflated([empty * 9000, gzip.compress(b"car")])) == b"car"
    outcome = get(server.add("/a.jpg", empty * (2_000_001 // len(empty) + 1)))
    assert isinstance(outcome, Refusal)
    assert outcome.error_class == "too_many_bytes"
    started = time.process_time()
    assert list(inflated([empty * 100_000])) == []
    assert time.process_time() - started < 1.5  # 2 MB; it was 2.5 s


def test_blocks_of_one_byte_do_not_make_the_walk_to_the_end_long():
    out = io.BytesIO()
    Image.new("L", (20, 20)).save(out, "GIF")
    gif, segments = out.getvalue(), b"\xff\xe0\0\x02" * 2_000_000
    started = time.process_time()
    assert not has_end(io.BytesIO(gif[:-1] + b"\x21\xfe" + b"\x01a" * 4_000_000), "gif")
    assert has_end(io.BytesIO(gif[:-1] + b"\x21\xfe" + b"\x01a" * 9 + b"\0;"), "gif")
    has_end(io.BytesIO(b"\xff\xd8" + segments), "jpg")
    assert time.process_time() - started < 1.2  # it was 1.9 s
