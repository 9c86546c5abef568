"""Same picture or another, whole turn or not, series or gallery: the pure judgements."""

from __future__ import annotations

import io
import math
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_server import picture
from PIL import Image

from collector.browser.consent_data import consent_data, managers_script
from collector.net.same_picture import same_picture
from collector.sources.spinners import cut_cells
from collector.spin.continuous import FRAMES, coarseness, period_of, places_of_frames
from collector.spin.preloaded import gapless_series
from collector.spin.turntable import fill_the_sheet, on_grid, sense_of


def changed(data: bytes, size: tuple[int, int], quality: int = 40) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).resize(size).save(out, "JPEG", quality=quality)
    return out.getvalue()


@pytest.mark.parametrize("size", [(160, 120), (300, 225), (1280, 960)])
def test_a_scaled_and_encoded_copy_is_the_same_picture(size):
    original = picture(3, (640, 480))
    assert same_picture(changed(original, size), original)


def test_the_centre_of_a_picture_is_the_same_picture():
    original = picture(3, (640, 480))
    image = Image.open(io.BytesIO(original)).crop((80, 0, 560, 480)).resize((200, 200))
    out = io.BytesIO()
    image.save(out, "JPEG")
    assert same_picture(out.getvalue(), original)


@pytest.mark.parametrize("seed", range(4, 12))
def test_another_picture_is_not_the_same(seed):
    assert not same_picture(picture(3, (300, 200)), picture(seed, (1200, 800)))


@given(steps=st.integers(20, 90), start=st.floats(0, 6))
def test_the_first_view_returns_after_one_turn(steps, start):
    def view(step: int) -> list[int]:
        at = start + 2 * math.pi * step / steps
        return [round(128 + 100 * math.sin(at + k) * math.cos(k)) for k in range(16)]

    views = [view(step) for step in range(steps + steps // 4)]
    period = period_of(views)
    assert period is not None
    assert abs(period - steps) <= 1
    assert period_of(views[: steps * 3 // 4]) is None


def test_a_canvas_that_does_not_move_has_no_turn():
    assert period_of([[5] * 16] * 40) is None


def test_the_steps_of_a_turn_grow_where_the_time_is_short_for_its_height():
    assert coarseness(500, each=0.3, seconds=60) == 1
    assert coarseness(500, each=0.8, seconds=60) == 2
    assert coarseness(900, each=0.8, seconds=60) == 3
    assert coarseness(900, each=5, seconds=0) == 3


def test_only_a_series_without_gaps_is_a_preloaded_turn():
    urls = [f"https://c.example/f-{n}.jpg" for n in range(1, 25)]
    template = gapless_series([*urls, "https://c.example/logo.png"])
    assert template is not None
    assert template.urls() == urls
    assert gapless_series(urls[:10] + urls[11:]) is None
    assert gapless_series(urls[:5]) is None


def test_the_sense_of_a_turn_is_the_order_in_which_dragging_to_the_right_shows_it():
    urls = [f"{n}" for n in range(12)]
    assert sense_of(["0", "1", "3", "4"], urls) == "ccw"
    assert sense_of(["0", "11", "10", "9"], urls) == "cw"
    assert sense_of(["0"], urls) is None


def test_cells_of_a_sheet_are_cut_by_their_place():
    sheet = Image.new("RGB", (40, 20), "red")
    sheet.paste("blue", (20, 0, 40, 20))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    left, right = cut_cells(out.getvalue(), [(0, 0, 0.5, 1), (0.5, 0, 0.5, 1)])
    assert Image.open(io.BytesIO(left)).getpixel((5, 5)) == (255, 0, 0)
    assert Image.open(io.BytesIO(right)).size == (20, 20)
    assert Image.open(io.BytesIO(right)).getpixel((5, 5)) == (0, 0, 255)


def test_consent_managers_are_refused_and_never_accepted():
    data = consent_data()
    assert len({each.name for each in data.managers}) == len(data.managers) > 20
    assert all(each.refuse for each in data.managers)
    for word in ("acceptAll", "accept-all", "AcceptAll"):
        assert word not in managers_script()


def test_a_canvas_that_turns_in_steps_has_one_frame_per_step() -> None:
    stepped = [(frame % 12, frame % 12 + 1) for frame in range(14) for _ in range(7)]
    assert places_of_frames(stepped, 84.0) == [7 * frame for frame in range(12)]
    smooth = [(step, -step) for step in range(200)]
    assert len(places_of_frames(smooth, 180.0)) == FRAMES


def test_what_a_viewer_shows_between_two_cells_of_a_sheet_is_no_frame():
    cells = [(n % 6 / 6, n // 6 / 4, 1 / 6, 1 / 4) for n in range(24)]
    assert on_grid([*cells[:12], (0, 0.375, 1 / 6, 1 / 4), *cells[12:]]) == cells
    odd = [(n / 10, 0, 0.13, 1) for n in range(8)]
    assert on_grid(odd) == odd


def test_a_sheet_of_which_every_cell_was_shown_has_no_more_frames():
    cells = [(column / 6, row / 4, 1 / 6, 1 / 4) for row in range(4) for column in range(6)]
    assert fill_the_sheet(cells)
    assert not fill_the_sheet(cells[:-1])


ONLY_NEEDED = (
    "only accept technically necessary cookies",
    "just the essentials",
    "continue with necessary cookies only",
    "povolit jen technicky nezbytné cookies",
    "aceptar sólo las cookies técnicamente necesarias",
    "n'acceptez que les cookies techniquement nécessaires",
    "αποδέχεστε μόνο τα τεχνικά απαραίτητα cookies",
    "accettare solo i cookie tecnicamente necessari",
    "sadece zorunlu tekniksel çerezleri kabul et",
)
EVERYTHING = (
    "accept all cookies",
    "accept all, not only necessary cookies",
    "accept everything, not just essential",
    "tout accepter",
    "alle akzeptieren",
    "aceptar todas las cookies",
    "accept",
    "cookie settings",
    "necessary cookies are always on",
    "only this once",
)


def test_only_what_is_necessary_is_a_refusal_in_any_words():
    # \p{L}, a letter, is JavaScript's
    patterns = "|".join(consent_data().refuse).replace(r"\p{L}", r"[^\W\d_]")
    refuses = re.compile(f"(?:{patterns})", re.IGNORECASE)
    assert [each for each in ONLY_NEEDED if not refuses.fullmatch(each)] == []
    assert [each for each in EVERYTHING if refuses.fullmatch(each)] == []


def test_no_label_of_a_button_keeps_the_expressions_of_banners_busy():
    data = consent_data()
    for pattern in (*data.refuse, *data.settings, *data.save, *data.accept, data.topics):
        expression = re.compile(pattern.replace(r"\p{L}", r"[^\W\d_]"), re.IGNORECASE)
        words = sorted(set(re.findall(r"[^\W\d_]+", pattern.replace(r"\p{L}", ""))))
        draw = random.Random(1)
        mixed = [" ".join(draw.choices(words, k=30)) for _ in range(40)]
        for start in ("", "only necessary "):
            for text in [*((f"{each} " * 40) for each in words), *mixed]:
                # Longer and longer: one that takes exponential time ends here, and not in years.
                for length in range(30, 80, 4):
                    label = (start + text)[:length] + " ?"
                    began = time.perf_counter()
                    expression.fullmatch(label)
                    assert time.perf_counter() - began < 0.2, (label, pattern[:60])
