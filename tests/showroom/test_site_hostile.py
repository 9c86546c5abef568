"""The hostile corner really is as bad as it says."""

from __future__ import annotations

import gzip
import io
import time
from email.utils import parsedate_to_datetime

import pytest
import requests
from PIL import Image

from showroom import Site
from showroom.site import payloads
from showroom.site.threats import NAMES, PAGES, redirects


def ask(site: Site, name: str, **options: object) -> requests.Response:
    options.setdefault("allow_redirects", False)
    return requests.get(f"{site.base_url}/hostile/{name}", timeout=10, **options)  # type: ignore[arg-type]


def test_every_answer_and_page_of_the_list_exists(site: Site) -> None:
    index = ask(site, "").text
    for threat in site.hostile:
        assert f'href="/hostile/{threat.name}"' in index
        if threat.name not in {"stall", "endless", "huge-length", "slow", "404", "truncated"}:
            answer = requests.head(f"{site.base_url}/hostile/{threat.name}", timeout=10)
            assert answer.status_code != 404, threat.name
    for page in PAGES:
        assert ask(site, page).status_code in {200, 429}, page
    assert ask(site, "no-such-thing").status_code == 404


def test_a_429_says_when_to_come_back_in_seconds_or_as_a_date(site: Site) -> None:
    assert ask(site, "429").headers["Retry-After"] == "2"
    assert ask(site, "503").headers["Retry-After"] == "2"
    date = parsedate_to_datetime(ask(site, "429-date").headers["Retry-After"])
    assert 0 <= date.timestamp() - time.time() + 1 <= 4


def test_hosts_that_recover_give_a_picture_in_the_end(site: Site) -> None:
    assert [ask(site, "429-once").status_code for _ in range(2)][-1] == 200
    assert [ask(site, "503-twice").status_code for _ in range(3)][-1] == 200


def test_slow_means_one_byte_a_second_and_never_the_whole_picture(site: Site) -> None:
    begun = time.monotonic()
    with ask(site, "slow", stream=True) as answer:
        data = answer.raw.read(2, decode_content=False)
    assert len(data) == 2
    assert 0.8 < time.monotonic() - begun < 3
    assert int(answer.headers["Content-Length"]) > 1000


def test_a_truncated_answer_stops_before_its_promised_length(site: Site) -> None:
    with ask(site, "truncated", stream=True) as answer:
        promised = int(answer.headers["Content-Length"])
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            answer.raw.enforce_content_length = True
            _ = answer.content
    assert promised > 1000


def test_a_cut_picture_is_complete_as_an_answer_and_broken_as_a_picture(site: Site) -> None:
    answer = ask(site, "cut")
    assert len(answer.content) == int(answer.headers["Content-Length"])
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(answer.content)).load()


@pytest.mark.parametrize(
    ("name", "start"),
    [("wrong-type", b"%PDF"), ("html-as-jpg", b"<!doctype html"), ("zero", b"")],
)
def test_documents_and_nothing_are_called_jpeg(site: Site, name: str, start: bytes) -> None:
    answer = ask(site, name)
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.content.startswith(start)
    assert bool(answer.content) == bool(start)


def test_the_bomb_is_small_on_the_wire_and_half_a_gigapixel_unpacked(site: Site) -> None:
    for name in ("bomb", "bomb-header"):
        data = ask(site, name).content
        assert len(data) < 100_000
        with pytest.raises(Image.DecompressionBombError):
            Image.open(io.BytesIO(data))
    width, height = payloads._BOMB_SIDES
    assert width * height == 500_000_000


def test_the_gzip_bomb_unpacks_a_thousandfold(site: Site) -> None:
    with ask(site, "gzip-bomb", stream=True) as answer:
        data = answer.raw.read(decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(data) < 2_000_000
    with gzip.open(io.BytesIO(data)) as unpacked:
        total = 0
        while total < 200_000_000:
            block = unpacked.read(1 << 24)
            assert block
            total += len(block)


@pytest.mark.parametrize("name", ["endless", "huge-length"])
def test_a_flood_goes_on_for_as_long_as_one_takes_it(site: Site, name: str) -> None:
    with ask(site, name, stream=True) as answer:
        taken = sum(len(block) for _, block in zip(range(600), answer.iter_content(1 << 16)))  # noqa: B905
    assert taken > 30_000_000
    assert int(answer.headers.get("Content-Length", 1 << 40)) == 1 << 40


def test_redirects_point_at_what_must_not_be_asked_and_nobody_was_asked(site: Site) -> None:
    targets = redirects(site.hosts)
    for name, target in targets.items():
        answer = ask(site, name)
        assert (answer.status_code, answer.headers["Location"]) == (302, target)
    assert site.log.of("private") == []
    hop = ask(site, "redirect-hop").headers["Location"]
    assert hop.startswith(site.hosts.url("cdn"))
    second = requests.get(hop, allow_redirects=False, timeout=10)
    assert second.headers["Location"].startswith(site.hosts.url("private"))
    # The private host is no stage prop: whoever follows gets a picture and is seen.
    assert requests.get(hop, timeout=10).headers["Content-Type"] == "image/jpeg"
    assert len(site.log.of("private")) == 1


def test_redirects_loop_or_take_too_many_hops_but_short_ones_end_well(site: Site) -> None:
    for name in ("redirect-loop", "redirect-many"):
        with pytest.raises(requests.TooManyRedirects):
            ask(site, name, allow_redirects=True)
    assert ask(site, "redirect-good", allow_redirects=True).status_code == 200


def test_one_picture_stands_under_fifty_addresses(site: Site) -> None:
    page = ask(site, "same").text
    assert page.count('<img src="/hostile/same/') == 50
    bodies = {ask(site, f"same/{i}/a.jpg?utm_source={i}").content for i in range(5)}
    assert len(bodies) == 1


def test_ten_thousand_items_are_ten_thousand_different_files(site: Site) -> None:
    assert ask(site, "items").text.count("<img ") == 10_000
    assert ask(site, "items?n=12").text.count("<img ") == 12
    files = {ask(site, f"item/{i}.jpg").content for i in range(20)}
    assert len(files) == 20
    for data in files:
        Image.open(io.BytesIO(data)).load()


def test_names_with_path_parts_reach_the_server_as_they_stand_in_the_page(site: Site) -> None:
    from html import unescape
    from re import findall
    from urllib.parse import unquote

    found = [
        unquote(unescape(u))
        for u in findall(r'src="/hostile/named/([^"]*)"', ask(site, "names").text)
    ]
    assert found == list(NAMES)
    assert ask(site, "named/..%2F..%2Fetc%2Fpasswd.jpg").headers["Content-Type"] == "image/jpeg"


def test_opt_outs_are_declared_in_headers_and_meta(site: Site) -> None:
    assert "noai" in ask(site, "noai").headers["X-Robots-Tag"]
    assert ask(site, "tdm").headers["tdm-reservation"] == "1"
    assert '<meta name="robots" content="noai, noimageai">' in ask(site, "noai-page").text


def test_a_challenge_comes_with_any_of_its_usual_status_codes(site: Site) -> None:
    for status in (200, 403, 503):
        answer = ask(site, f"challenge?status={status}")
        assert answer.status_code == status
        assert "captcha" in answer.text


def test_hostile_captions_arrive_escaped_in_pages(site: Site) -> None:
    page = ask(site, "texts").text
    assert "<script>window.pwned" not in page
    assert "&lt;script&gt;window.pwned" in page
