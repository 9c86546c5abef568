"""Every layer of permission has its own verdict, and all are recorded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.net.permission import judge_headers, judge_meta, merged
from collector.net.robots import Robots, content_signals
from collector.net.small_response import SmallResponse

URL = "https://cars.example/photos/1.jpg"


def robots(text="", status=200, tdm=None, headers=None):
    asked = []

    def fetch(url):
        asked.append(url)
        if url.endswith("/robots.txt"):
            return SmallResponse(status, text, headers or {})
        return SmallResponse(200, tdm) if tdm else SmallResponse(404)

    found = Robots(fetch)
    found.asked = asked
    return found


def test_rules_for_us_replace_the_rules_for_everybody():
    text = "User-agent: *\nDisallow: /\n\nUser-agent: bodyshop\nDisallow: /private\n"
    assert robots(text).judge(URL).allowed
    refused = robots(text).judge("https://cars.example/private/x.jpg")
    assert (refused.allowed, refused.reason) == (False, "robots")
    assert refused.layers == {"host": "cars.example", "robots": "disallowed"}


@pytest.mark.parametrize(
    ("status", "allowed", "reason"),
    [
        (404, True, ""),
        (403, True, ""),
        (500, False, "robots_unreachable"),
        (None, False, "robots_unreachable"),
        (429, False, "robots_unreachable"),
    ],
)
def test_absent_rules_allow_and_unreachable_rules_forbid(status, allowed, reason):
    verdict = robots(status=status).judge(URL)
    assert (verdict.allowed, verdict.reason) == (allowed, reason)
    assert verdict.temporary == (reason == "robots_unreachable")


def test_the_file_is_fetched_once_per_host():
    rules = robots("User-agent: *\nDisallow:\n")
    for n in range(5):
        rules.judge(f"https://cars.example/{n}")
    assert rules.asked == ["https://cars.example/robots.txt",
                           "https://cars.example/.well-known/tdmrep.json"]  # fmt: skip


def test_redirects_of_robots_txt_are_followed_five_times_and_then_it_counts_as_absent():
    looping = robots(status=301, headers={"location": "/robots.txt"})
    assert looping.judge(URL).allowed
    assert looping.asked.count("https://cars.example/robots.txt") == 6


def test_an_override_is_recorded_but_never_overrides_an_unreachable_file():
    verdict = robots("User-agent: *\nDisallow: /\n").judge(URL, override=True)
    assert verdict.allowed
    assert verdict.layers["override"] == "robots"
    assert not robots(status=503).judge(URL, override=True).allowed


def test_crawl_delay_is_handed_on():
    known = {}
    Robots(
        lambda url: SmallResponse(200, "User-agent: *\nCrawl-delay: 7\n"),
        on_known=lambda host, delay: known.update({host: delay}),
    ).judge(URL)
    assert known == {"cars.example": 7.0}


def test_a_reservation_for_ai_training_in_robots_txt_is_a_refusal():
    text = "User-agent: *\nContent-Signal: search=yes, ai-train=no\nAllow: /\n"
    verdict = robots(text).judge(URL)
    assert verdict.reason == "content_signal"
    assert verdict.layers["content_signal"] == "search=yes, ai-train=no"
    assert robots(text.replace("ai-train=no", "ai-train=yes")).judge(URL).allowed


def test_content_signals_belong_to_their_group():
    text = (
        "User-agent: GPTBot\nContent-Signal: ai-train=no\n"
        "User-agent: a\nUser-agent: *\nContent-Usage: train-ai=y # yes\nDisallow: /x\n"
    )
    assert content_signals(text) == "train-ai=y"


def test_tdmrep_reserves_by_path():
    tdm = '[{"location": "/photos/*", "tdm-reservation": 1}, {"location": "/", "x": 1}]'
    assert robots(tdm=tdm).judge(URL).reason == "reserved"
    assert robots(tdm=tdm).judge("https://cars.example/other").allowed


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x-robots-tag": "noai"}, "opt_out"),
        ({"x-robots-tag": "noarchive, NoImageAI"}, "opt_out"),
        ({"x-robots-tag": "bodyshop: noml"}, "opt_out"),
        ({"x-robots-tag": "otherbot: noai"}, ""),
        ({"x-robots-tag": "max-snippet: 20, noarchive"}, ""),
        ({"tdm-reservation": "1"}, "reserved"),
        ({"tdm-reservation": "0"}, ""),
        ({"content-usage": "train-ai=n"}, "content_signal"),
        ({}, ""),
    ],
)
def test_opt_out_headers(headers, reason):
    verdict = judge_headers(headers)
    assert (verdict.reason, verdict.allowed) == (reason, not reason)


def test_opt_out_meta_tags_and_what_stays_recorded():
    verdict = judge_meta([("description", "noai"), ("robots", "index, noimageai")])
    assert verdict.reason == "opt_out"
    assert verdict.layers == {"meta_robots": "index, noimageai"}
    assert judge_meta([("robots", "noindex")]).allowed
    assert judge_meta([("tdm-reservation", "1")]).reason == "reserved"


def test_layers_are_merged_and_the_first_refusal_is_the_reason():
    verdict = merged(
        robots().judge(URL),
        judge_headers({"tdm-reservation": "1"}),
        judge_meta([("robots", "noai")]),
    )
    assert verdict.reason == "reserved"
    assert set(verdict.layers) == {"host", "robots", "tdm_reservation", "meta_robots"}


@given(st.text(max_size=300))
def test_any_text_is_a_robots_txt(text):
    assert isinstance(robots(text).judge(URL).allowed, bool)
