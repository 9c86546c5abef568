from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from PIL import Image

from bodyshop_core.figures import hangul_font, new_figure, save_figure


def drawn(text, path):
    figure = new_figure(width=2, height=1, dpi=80)
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=24)
    save_figure(figure, path)
    with Image.open(path) as image:
        return np.asarray(image.convert("L"))


def test_hangul_is_drawn_as_hangul_and_without_a_warning(tmp_path):
    # A font without Hangul draws the same box for every syllable, and warns (an error here).
    wind, cloud = (drawn(name, tmp_path / "name.png") for name in ("바", "구"))
    assert (wind < 128).sum() > 50 and (cloud < 128).sum() > 50
    assert not np.array_equal(wind, cloud)


def test_hangul_class_names_reach_axes_and_file_names(tmp_path):
    figure = new_figure()
    axes = figure.subplots()
    axes.bar(["한빛 바람", "한빛 구름"], [-1, 2], label="범퍼")
    axes.set_title("파손")
    axes.legend(title="부위")
    path = save_figure(figure, tmp_path / "한빛" / "그래프.png")
    with Image.open(path) as image:
        assert image.size == (704, 528)


def test_settings_of_the_user_for_their_own_figures_stay_as_they_are(tmp_path):
    with matplotlib.rc_context({"font.family": ["serif"], "axes.unicode_minus": True}):
        before = dict(matplotlib.rcParams)
        figure = new_figure()
        figure.subplots().set_title("파손")
        save_figure(figure, tmp_path / "x.png")
        assert dict(matplotlib.rcParams) == before


def test_font_file_is_there_for_pillow_too():
    font = hangul_font()
    assert font is not None and font.suffix == ".ttf"


def test_interrupted_save_leaves_no_half_picture(tmp_path):
    figure = new_figure()
    with pytest.raises(ValueError, match="nonsense"):
        save_figure(figure, tmp_path / "x.nonsense")
    assert list(tmp_path.iterdir()) == []
