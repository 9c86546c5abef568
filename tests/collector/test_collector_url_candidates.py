"""srcset, candidate addresses, rewritten CDN addresses, and frame templates."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.candidate import Candidate, UrlCandidate, clean
from collector.sources.full_size import original_addresses, rewrite_rules
from collector.sources.json_pictures import json_pictures
from collector.sources.pages import json_ld_images
from collector.sources.srcset import SrcsetEntry, parse_srcset
from collector.sources.url_candidates import pictures_of, same_shape, with_rewrites
from collector.spin.frames import angle, infer_template, whole_turn
from collector.weburl import is_web_address, url_key

BASE = "https://cars.example/fjell/"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.jpg", [SrcsetEntry("a.jpg")]),
        ("a.jpg 1x, b.jpg 2x", [SrcsetEntry("a.jpg", None, 1), SrcsetEntry("b.jpg", None, 2)]),
        ("a.jpg 320w,\n b.jpg 640w", [SrcsetEntry("a.jpg", 320), SrcsetEntry("b.jpg", 640)]),
        ("/w_300,h_200/a.jpg 300w, /b.jpg 2x", [SrcsetEntry("/w_300,h_200/a.jpg", 300),
                                                SrcsetEntry("/b.jpg", None, 2)]),
        ("a.jpg, b.jpg", [SrcsetEntry("a.jpg"), SrcsetEntry("b.jpg")]),
        ("a.jpg,", [SrcsetEntry("a.jpg")]),
        ("a.jpg 1x 2x, b.jpg 0w, c.jpg 10w 20h", [SrcsetEntry("c.jpg", 10)]),
        ("a.jpg ( x,y ) , b.jpg 1.5x", [SrcsetEntry("b.jpg", None, 1.5)]),
        (" , ", []),
    ],
)  # fmt: skip
def test_srcset_is_read_as_browsers_read_it(text, found):
    assert parse_srcset(text) == found


@given(st.text(alphabet="abc ,.\t()12wxh-/", max_size=80))
@example("a" + "," * 5)
def test_any_srcset_ends_in_addresses_without_spaces_or_outer_commas(text):
    for source in parse_srcset(text):
        assert source.url
        assert not source.url.startswith(",")
        assert not set(source.url) & set(" \t")
        assert source.width is None or source.density is None


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,8}\.jpg", fullmatch=True), st.integers(1, 9999)),
        min_size=1,
        max_size=6,
    )
)
def test_what_is_written_is_read_back(pairs):
    text = ", ".join(f"{url} {width}w" for url, width in pairs)
    assert [(s.url, s.width) for s in parse_srcset(text)] == pairs


def item(**facts):
    blank = {
        "kind": "img", "url_candidates": [], "srcsets": [], "rest": [], "seen": [], "base": BASE,
        "shown": None, "alt": "", "caption": "", "selector": "",
    }  # fmt: skip
    return blank | facts


def url_candidate(name, url):
    return {"name": name, "url": f"https://cars.example/{url}"}


def names(picture):
    return [(each.name, each.url.rpartition("/")[2]) for each in picture.url_candidates]


def test_candidates_go_from_the_likeliest_original_to_what_is_shown():
    (picture,) = pictures_of(
        [
            item(
                url_candidates=[
                    url_candidate("parent_link", "full.jpg"),
                    url_candidate("data_full", "zoom.jpg"),
                ],
                srcsets=[{"value": "/s.jpg 320w, /m.jpg 640w, /l.jpg 1280w", "type": ""}],
                rest=[url_candidate("current_src", "m.jpg"), url_candidate("src", "s.jpg")],
                shown=[640, 480],
            )
        ]
    )
    assert names(picture) == [
        ("parent_link", "full.jpg"),
        ("data_full", "zoom.jpg"),
        ("srcset", "l.jpg"),
        ("current_src", "m.jpg"),
        ("src", "s.jpg"),
    ]
    assert picture.shown == (1280, 960)  # what the srcset says it has
    assert url_key("https://cars.example/s.jpg") in picture.claimed


def test_without_widths_the_browsers_choice_and_the_jpeg_come_first():
    sources = [
        {"value": "/small.webp", "type": "image/webp"},
        {"value": "/full.jpg", "type": "image/jpeg"},
    ]
    (picture,) = pictures_of(
        [item(srcsets=sources, rest=[url_candidate("current_src", "full.jpg")])]
    )
    assert names(picture)[0] == ("srcset", "full.jpg")
    (picture,) = pictures_of([item(srcsets=sources)])
    assert names(picture)[0] == ("srcset", "full.jpg")


def test_elements_that_share_an_address_are_one_picture():
    found = pictures_of(
        [
            item(rest=[url_candidate("src", "a.jpg")], shown=[300, 200], alt="the car"),
            item(kind="og", url_candidates=[url_candidate("og_image", "a.jpg")]),
            item(kind="noscript", rest=[url_candidate("src", "a.jpg")]),
            item(rest=[url_candidate("src", "b.jpg")]),
        ]
    )
    assert len(found) == 2
    assert found[0].alt == "the car"


def test_a_placeholder_of_the_same_shape_is_no_picture_but_a_carousels_other_pictures_are():
    seen = [
        {"url": "https://cars.example/tiny.jpg", "size": [30, 20]},
        {"url": "https://cars.example/other.jpg", "size": [800, 400]},
    ]
    found = pictures_of(
        [item(rest=[url_candidate("current_src", "a.jpg")], shown=[600, 400], seen=seen)]
    )
    assert [names(each) for each in found] == [
        [("current_src", "a.jpg")],
        [("earlier_src", "other.jpg")],
    ]


@pytest.mark.parametrize(
    ("url", "original"),
    [
        ("https://x.example/a.jpg?w=640&q=80", "https://x.example/a.jpg?q=80"),
        ("https://x.example/abc=w640-h480-no", "https://x.example/abc=s0"),
        ("https://x.example/AB/w640/a.jpg", "https://x.example/AB/s0/a.jpg"),
        ("https://x.example/2024/car-640x480.jpg", "https://x.example/2024/car.jpg"),
        ("https://x.example/a.jpg", None),
        ("https://x.example/a.jpg?w=640&X-Amz-Signature=ab", None),
        ("https://x.example/s60/a.html", None),
    ],
)
def test_cdn_addresses_are_rewritten_by_rule_and_never_when_signed(url, original):
    assert next(iter(original_addresses(url)), None) == original


EXAMPLES = [
    (rule.name, *example) for rule in rewrite_rules().rules for example in rule.examples.items()
]


@pytest.mark.parametrize(("rule", "url", "original"), EXAMPLES)
def test_every_rewrite_rule_does_what_its_example_says(rule, url, original):
    assert original_addresses(url)[0] == original


@given(st.text(max_size=60))
def test_any_address_is_rewritten_to_addresses_or_left_alone(text):
    for url in original_addresses(f"https://c.example/{text}"):
        assert is_web_address(url)


def test_an_original_that_is_wrapped_twice_is_unwrapped():
    inner = "https%3A%2F%2Fres.cloudinary.com%2Fd%2Fimage%2Fupload%2Fw_400%2Fcars%2Fa.jpg"
    found = original_addresses(f"https://cars.example/_next/image?url={inner}&w=640&q=75")
    assert found == (
        "https://res.cloudinary.com/d/image/upload/cars/a.jpg",
        "https://res.cloudinary.com/d/image/upload/w_400/cars/a.jpg",
    )


@pytest.mark.parametrize(
    ("shared", "rest"),
    [
        ({"rest": [("current_src", "placeholder.jpg")]}, "data_src"),
        ({"url_candidates": [("parent_link", "large.jpg")]}, "current_src"),
        ({"url_candidates": [("data_full", "expand.png")]}, "current_src"),
    ],
)
def test_an_address_that_different_pictures_share_merges_none_of_them(shared, rest):
    items = []
    for n in range(10):
        facts = {"url_candidates": [], "rest": []}
        for key, pairs in shared.items():
            facts[key] += [url_candidate(*pair) for pair in pairs]
        facts["rest"].insert(0, url_candidate(rest, f"{n}.jpg"))
        items.append(item(**facts, shown=[300, 200]))
    found = pictures_of([*items, *items[:3]])
    assert len(found) == 10
    assert [names(each)[0] for each in found] == [(rest, f"{n}.jpg") for n in range(10)]
    assert all(each.unproven for picture in found for each in picture.url_candidates[1:])
    assert len({with_rewrites(each.url_candidates)[0].url for each in found}) == 10


def test_a_preview_and_its_large_picture_are_one_picture():
    found = pictures_of(
        [
            item(url_candidates=[url_candidate("data_full", "huge.jpg")],
                 rest=[url_candidate("current_src", "large.jpg")], shown=[800, 600]),
            item(url_candidates=[url_candidate("parent_link", "large.jpg")],
                 rest=[url_candidate("current_src", "thumb.jpg")], shown=[80, 60]),
        ]
    )  # fmt: skip
    assert [[name for _, name in names(each)] for each in found] == [
        ["huge.jpg", "large.jpg", "thumb.jpg"]
    ]
    assert found[0].shown == (800, 600)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12))
def test_merging_never_joins_elements_that_show_different_pictures(pairs):
    """Each element shows one of six pictures, and shares one of three links with others."""
    items = [
        item(url_candidates=[url_candidate("parent_link", f"link{link}.jpg")] if link else [],
             rest=[url_candidate("current_src", f"{shown}.jpg")], shown=[300, 200])
        for shown, link in pairs
    ]  # fmt: skip
    found = pictures_of(items)
    shown = [{name for kind, name in names(picture) if kind == "current_src"} for picture in found]
    assert all(len(each) == 1 for each in shown)
    assert set().union(*shown) == {f"{shown}.jpg" for shown, _ in pairs}


def test_json_lists_pictures_and_their_sizes():
    text = (
        '[{"url": "/a.jpg", "preview_url": "/t/a.jpg"}, {"front": "/f.jpg", "rear": "/r.jpg"},'
        ' {"logo": "/logo.png"}, "https://c.example/b.webp", "no picture"]'
    )
    assert json_pictures(text, BASE) == [
        ["https://cars.example/a.jpg", "https://cars.example/t/a.jpg"],
        ["https://cars.example/f.jpg"],
        ["https://cars.example/r.jpg"],
        ["https://c.example/b.webp"],
    ]
    damaged = '{"gallery": [{"src": "/a.jpg"}, {"src": "\\/b.jpg"}'
    assert json_pictures(damaged, BASE) == [
        ["https://cars.example/a.jpg"],
        ["https://cars.example/b.jpg"],
    ]
    assert json_pictures('{"src": "/a.jpg"}}}; more()', BASE) == [["https://cars.example/a.jpg"]]


@pytest.mark.parametrize(
    "part", ['\\"', '"', "\\", '"\\', '"/a.jpg?x ', '"/a.jpg', '"/' + ".jpg?" * 390 + ' "']
)
def test_a_long_hostile_text_in_the_place_of_json_is_read_in_linear_time(part):
    text = '{"src": "/a.jpg", ' + part * (1_000_000 // len(part))
    begun = time.process_time()
    assert ["https://cars.example/a.jpg"] in json_pictures(text, BASE)
    assert time.process_time() - begun < 5


@given(st.text(max_size=100))
def test_any_text_in_the_place_of_json_gives_addresses_or_nothing(text):
    for urls in json_pictures(text, BASE):
        assert all(is_web_address(url) for url in urls)


def test_a_rewritten_address_is_only_an_unproven_candidate_after_its_own():
    url_candidates = with_rewrites([UrlCandidate("src", "https://x.example/a.jpg?w=64")])
    assert [(each.name, each.url) for each in url_candidates] == [
        ("src", "https://x.example/a.jpg?w=64"),
        ("cdn_rewrite", "https://x.example/a.jpg"),
    ]
    assert [each.unproven for each in url_candidates] == [False, True]


def test_json_ld_gives_addresses_with_their_licence():
    blocks = [
        '{"@type": "Car", "image": {"@type": "ImageObject", "contentUrl": "/a.jpg",'
        ' "license": "https://l.example/by"}}',
        '{"@graph": [{"image": ["b.jpg", {"@type": "ImageObject", "url": "c.jpg"}]}]}',
        "{broken",
    ]
    assert json_ld_images(blocks, BASE) == [
        ("https://cars.example/a.jpg", "https://l.example/by"),
        ("https://cars.example/fjell/b.jpg", ""),
        ("https://cars.example/fjell/c.jpg", ""),
    ]


def test_frames_are_found_by_the_number_that_counts_them():
    urls = [f"https://c.example/spin/8123/f-{n}.jpg" for n in (1, 2, 5, 9, 10, 12)]
    template = infer_template([*urls, "https://c.example/logo.png"])
    assert template.urls() == [f"https://c.example/spin/8123/f-{n}.jpg" for n in range(1, 13)]


def test_padded_and_stepped_numbers_are_kept():
    template = infer_template(f"https://c.example/{n:03d}.jpg?v=2" for n in range(0, 360, 30))
    assert (template.pad, template.step) == (3, 30)
    assert template.urls()[1] == "https://c.example/030.jpg?v=2"


def test_unrelated_numbers_are_not_frames():
    assert infer_template(["https://c.example/1.jpg", "https://c.example/2.jpg"]) is None
    far = [f"https://c.example/{n}.jpg" for n in (17, 90_211, 1_000_003)]
    assert infer_template(far) is None


@given(
    first=st.integers(0, 20), count=st.integers(3, 72), step=st.integers(1, 10),
    padded=st.booleans(), data=st.data(),
)  # fmt: skip
def test_a_template_fills_every_gap(first, count, step, padded, data):
    pad = 4 if padded else 0
    numbers = [first + n * step for n in range(count)]
    urls = [f"https://c.example/v2/f{str(n).zfill(pad)}.jpg" for n in numbers]
    gaps = data.draw(st.sets(st.sampled_from(numbers[1:-1]), max_size=count // 3))
    seen = [url for url, n in zip(urls, numbers, strict=True) if n not in gaps]
    template = infer_template(seen)
    if template is None:
        assert len(seen) < 3
    else:
        assert set(seen) <= set(template.urls())
        if len(seen) > 3 and template.step == step:
            assert template.urls() == urls


def test_a_turn_is_complete_when_its_first_frame_returns():
    assert whole_turn(["a", "b", "b", "c", "d", "a", "b"]) == ["a", "b", "c", "d"]
    assert whole_turn(["a", "b", "c"]) is None
    assert whole_turn(["a", "b", "a", "b"]) is None
    assert whole_turn(["still", "a", "b", "c", "a"]) == ["a", "b", "c"]


def test_angles_need_a_whole_turn():
    assert [angle(n, 4) for n in range(4)] == [0, 90, 180, 270]
    assert angle(3, None) is None


def test_address_keys_ignore_what_never_changes_a_picture():
    assert url_key("HTTP://A.example/x?utm_source=q&id=1#top") == "http://a.example/x?id=1"
    assert url_key("http://a.example/X") != url_key("http://a.example/x")
    assert url_key("http://a.example") == "http://a.example/"


@given(st.text(max_size=200))
def test_scraped_text_loses_its_control_characters(text):
    kept = clean(text)
    assert kept.isprintable() or set(kept) <= {" "} or not any(ord(c) < 32 for c in kept)
    kept.encode("utf-8")
    assert clean(kept) == kept


def test_markup_in_scraped_text_stays_text():
    assert clean("<b>a\x00car</b>\u202e\n!") == "<b>a car</b> !"


def test_a_candidate_survives_the_ledger():
    candidate = Candidate(
        (UrlCandidate("src", "https://c.example/a.jpg"),), "pages", BASE, "한빛", "바람",
        shown=(3, 4), thumbnail_hosts=("t.example",), permission={"page": {"robots": "allowed"}},
    )  # fmt: skip
    assert Candidate.from_dict(candidate.as_dict()) == candidate
    assert Candidate.from_dict(candidate.as_dict()).key == candidate.key


def test_the_shape_of_a_tiny_preview_is_rounded():
    assert same_shape((5, 3), (1600, 1066))
    assert not same_shape((50, 30), (1600, 1066))
