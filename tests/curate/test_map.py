"""The map of a set: places, clusters, doubtful labels, and what the page makes of hostile texts."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from axe import serious_violations
from desk_browser import chromium
from filling import add_picture, photo, pretend_scores
from PIL import Image
from selenium.webdriver import Keys

import bodyshop
import curate
from bodyshop.cli import main
from bodyshop_core.errors import NothingFoundError
from bodyshop_core.workspace import Workspace
from curate.gate.feature_store import FeatureBatch, FeatureStore
from curate.similar.embedding import embed


@pytest.fixture(scope="module")
def heaps(tmp_path_factory) -> tuple[Workspace, list[str]]:
    """Two heaps of ten pictures, one labelled damaged, one whole; the last label is wrong."""
    workspace = Workspace.open(tmp_path_factory.mktemp("map") / "workspace")
    names = [
        add_picture(
            workspace,
            photo(seed),
            labels={"damage": "damaged" if seed < 10 or seed == 19 else "whole"},
            file=f"/p/</script><b>{seed}$x^.jpg",
            origin="car'lot" if seed % 2 else "press",
        )
        for seed in range(20)
    ]
    gate = pretend_scores(workspace)
    chance = np.random.default_rng(1)
    vectors = chance.normal(0, 0.1, (20, 64)) + np.kron(np.eye(2), np.ones((10, 32)))
    FeatureStore(workspace.features / gate.fingerprint).add(
        FeatureBatch(tuple(names), vectors.astype(np.float16), None, {})
    )
    curate.measure_images(workspace, workers=1)
    curate.judge(workspace)
    return workspace, names


@pytest.fixture(scope="module")
def drawn(heaps):
    return bodyshop.map_pictures(heaps[0], clusters=2)


def test_places_are_those_of_a_principal_component_analysis(heaps, drawn):
    from sklearn.decomposition import PCA

    workspace, _ = heaps
    folders = [each for each in workspace.features.iterdir() if each.name != "neighbours"]
    parts = list(FeatureStore(folders[0]).stream())
    names = [name for keys, _ in parts for name in keys]
    vectors = np.concatenate([part for _, part in parts])
    expected = PCA(2).fit(vectors)
    found = {one.sha256: (one.x, one.y) for one in drawn.places}
    places = np.array([found[name] for name in names])
    assert np.allclose(np.abs(places), np.abs(expected.transform(vectors)), atol=1e-4)
    assert drawn.explained == pytest.approx(expected.explained_variance_ratio_.sum(), abs=1e-3)


def test_clusters_are_the_heaps_with_examples_of_each(heaps, drawn):
    _, names = heaps
    table = {one.sha256: one.cluster for one in drawn.places}
    assert len({table[name] for name in names[:10]}) == 1
    assert len({table[name] for name in names[10:]}) == 1
    assert [one["pictures"] for one in drawn.clusters] == [10, 10]
    assert {"damaged": 10} in [one["labels"] for one in drawn.clusters]
    assert all(len(one["examples"]) == 8 for one in drawn.clusters)


def test_a_wrong_label_is_doubted_and_shown(heaps, drawn):
    _, names = heaps
    assert [one["sha256"] for one in drawn.label_errors] == [names[19]]
    assert drawn.label_errors[0]["instead"] == "whole"
    assert drawn.doubted == 20
    assert "<b>damaged</b>, rather whole" in drawn.page.read_text(encoding="utf-8")


def test_the_farthest_pictures_are_told_and_shown(heaps, drawn):
    workspace, _ = heaps
    features = next(each for each in workspace.features.iterdir() if each.name != "neighbours")
    parts = list(FeatureStore(features).stream())
    names = [name for keys, _ in parts for name in keys]
    vectors = np.concatenate([part for _, part in parts])
    cosine = -np.sort(-(vectors @ vectors.T), axis=1)  # the first is the picture itself
    expected = sorted(zip(cosine[:, 5].tolist(), names, strict=True))
    assert [one["sha256"] for one in drawn.outliers] == [name for _, name in expected]
    assert drawn.outliers[0]["similarity"] == pytest.approx(expected[0][0], abs=2e-3)
    page = drawn.page.read_text(encoding="utf-8")
    shown = page.partition("Far from all others")[2]
    assert shown.index(expected[0][1][:12]) < shown.index(expected[-1][1][:12])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="no Chromium with its driver")
def test_a_click_shows_the_nearest_neighbours(heaps, drawn):
    with chromium() as browser:
        browser.get(drawn.page.as_uri())
        asked = drawn.places[3]
        browser.execute_script(
            """
            const p = points.find(each => each[0] === arguments[0]);
            const box = canvas.getBoundingClientRect();
            const at = {clientX: box.left + across(p) * box.width / canvas.width,
                        clientY: box.top + down(p) * box.height / canvas.height};
            canvas.dispatchEvent(new MouseEvent("click", at));
            """,
            asked.sha256,
        )
        told = [each.text for each in browser.find_elements("css selector", "#near figcaption")]
    first, *others = told
    assert len(others) == 5
    same = {one.sha256[:12] for one in drawn.places if one.cluster == asked.cluster}
    assert all(text.split()[1] in same for text in told)
    likeness = [float(text.split()[0]) for text in others]
    assert likeness == sorted(likeness, reverse=True) and first.startswith("asked:")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromedriver") is None, reason="no Chromium with its driver")
def test_the_keys_go_from_picture_to_picture_say_what_is_there_and_show_its_neighbours(drawn):
    with chromium() as browser:
        browser.get(drawn.page.as_uri())
        assert not serious_violations(browser)
        canvas = browser.find_element("id", "map")
        browser.find_element("id", "by").send_keys(Keys.TAB)
        assert browser.switch_to.active_element == canvas

        def pressed(key: str) -> str:
            canvas.send_keys(key)
            return browser.find_element("id", "under").text.split(" · ")[0]

        where = {one.sha256[:12]: (one.x, one.y) for one in drawn.places}
        here = pressed(Keys.ARROW_RIGHT)  # the first key goes to the middle
        for key, axis, sign in (
            (Keys.ARROW_RIGHT, 0, 1), (Keys.ARROW_UP, 1, 1), (Keys.ARROW_LEFT, 0, -1),
            (Keys.ARROW_DOWN, 1, -1),
        ):  # fmt: skip
            before, here = here, pressed(key)
            assert here == before or (where[here][axis] - where[before][axis]) * sign > -1e-4
        told = browser.find_element("id", "under").text
        assert all(f"{name}: " in told for name in ("label", "source", "split", "cluster"))
        seen = [pressed(Keys.HOME), *(pressed(Keys.PAGE_DOWN) for _ in range(len(where) - 1))]
        assert set(seen) == set(where) and seen[-1] == pressed(Keys.END)
        across = [round(where[name][0], 4) for name in seen]
        assert across == sorted(across)
        assert pressed(Keys.PAGE_UP) == seen[-2]
        canvas.send_keys(Keys.ENTER)
        asked = browser.find_element("css selector", "#near figcaption").text
        assert asked.split()[:2] == ["asked:", seen[-2]]
        assert not serious_violations(browser)


def test_the_table_has_a_row_per_picture(drawn):
    table = drawn.to_arrow()
    assert table.num_rows == 20
    assert set(table.column("source").to_pylist()) == {"press", "car'lot"}
    assert {"x", "y", "cluster", "label", "split", "verdict", "doubt"} <= set(table.column_names)


def test_names_from_outside_are_text_on_the_page_and_on_the_picture(drawn):
    page = drawn.page.read_text(encoding="utf-8")
    assert "</script><b>" not in page and page.count("</script>") == 1
    with Image.open(drawn.image) as image:
        assert image.size == (1210, 990)


def test_thumbnails_are_those_of_the_report(heaps, drawn):
    _, names = heaps
    for name in names:
        assert (drawn.page.parent / f"../curate/thumbnails/{name[:2]}/{name}.jpg").is_file()


def test_the_command_writes_the_table_too(heaps, tmp_path, capsys):
    import pyarrow.parquet as pq

    workspace, _ = heaps
    file = tmp_path / "map.parquet"
    with pytest.raises(SystemExit) as ended:
        main(["map", "--table", str(file), "--workspace", str(workspace.root), "--json"])
    assert not ended.value.code
    answer = json.loads(capsys.readouterr().out)
    assert answer["pictures"] == 20 and len(answer["label_errors"]) == 1
    assert pq.read_table(file).num_rows == 20


def test_without_features_the_next_step_is_named(workspace):
    with pytest.raises(NothingFoundError, match=r"features of 0 pictures .* needs 3"):
        curate.map_pictures(workspace)


def test_a_set_with_one_vector_again_and_again_is_one_place():
    parts = [(["a", "b", "c"], np.ones((3, 4), np.float32) / 2)]
    found = embed(lambda: parts, dict.fromkeys("abc"), clusters=1)
    assert np.allclose(found.places, 0, atol=1e-4) and set(found.cluster.tolist()) == {0}
