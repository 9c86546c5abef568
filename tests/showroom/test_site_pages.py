"""The pages in a real browser: what a visitor sees, and what only a visitor can make appear."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageChops
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from showroom import Picture, Site


def until(true: Callable[[], Any], seconds: float = 8.0) -> Any:
    """Return the first true value of `true`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"still not true after {seconds} s")


def consent(browser: Any) -> None:
    browser.find_element(By.CSS_SELECTOR, "#consent [data-consent=reject]").click()


def open_spinner(browser: Any, site: Site, slug: str, variant: str = "") -> Any:
    path = next(s for s in ("norden/fjell", "corvo/strada", "hanbit/baram") if s.endswith(slug))
    browser.get(f"{site.base_url}/{path}/360?as={variant}")
    consent(browser)
    return browser.find_element(By.CSS_SELECTOR, ".viewer")


def frames_of(site: Site, slug: str) -> list[Picture]:
    return [p for p in site.truth.pictures if p.spin_group == f"{slug}-spin"]


def unlike(shown: Image.Image, site: Site, picture: Picture) -> float:
    """Return the mean absolute difference of two pictures of one size, in grey levels."""
    true = Image.open(site.root / picture.file).convert("RGB")
    assert shown.size == true.size
    histogram = ImageChops.difference(shown.convert("RGB"), true).convert("L").histogram()
    return sum(i * n for i, n in enumerate(histogram)) / (true.width * true.height)


def frames_drawn(browser: Any) -> None:
    """Wait until the page had the chance to load what is visible.

    Browsers tell observers of visible elements before they draw a frame; a request that they start
    then is on its way before one that is started three frames later has been answered.
    """
    browser.execute_async_script(
        """
        const done = arguments[0];
        let left = 3;
        const frame = () => left-- ? requestAnimationFrame(frame)
                                   : fetch("/robots.txt", {cache: "no-store"}).then(() => done());
        frame();
        """
    )


def test_lazy_pictures_come_only_after_consent_and_when_scrolled_to(
    browser: Any, site: Site
) -> None:
    lazy = next(p for p in site.truth.pictures if p.slot == "lazy" and p.id.startswith("fjell"))
    path = f"/o/{lazy.id}.jpg"
    browser.get(site.base_url + "/norden/fjell/")
    browser.execute_script("scrollTo(0, document.body.scrollHeight)")
    frames_drawn(browser)
    assert site.log.of("cdn", prefix=path) == []
    browser.execute_script("scrollTo(0, 0)")
    consent(browser)
    frames_drawn(browser)
    assert site.log.of("cdn", prefix=path) == []
    browser.execute_script("document.querySelector('img.lazy').scrollIntoView()")
    until(lambda: site.log.of("cdn", prefix=path))


def test_the_gallery_holds_every_original_in_its_slot(browser: Any, site: Site) -> None:
    browser.get(site.base_url + "/norden/fjell/")
    html = browser.page_source
    inside_shadow = browser.execute_script(
        "return [...document.querySelectorAll('press-photo')]"
        ".map(p => p.shadowRoot.querySelector('img').src)"
    )
    gallery = [p for p in site.truth.pictures if p.place == "gallery" and p.model == "Fjell"]
    for picture in gallery:
        url = site.original_url(picture)
        assert url in html
        if picture.slot == "css":
            assert browser.execute_script(
                "return [...document.querySelectorAll('.backdrop')]"
                ".some(e => getComputedStyle(e).backgroundImage.includes(arguments[0]))",
                url,
            )
    assert len(inside_shadow) == 1
    srcset = browser.find_element(By.CSS_SELECTOR, "img[srcset]").get_attribute("srcset")
    assert [part.split()[1] for part in srcset.split(",")] == ["288w", "432w", "720w"]
    assert browser.find_elements(By.CSS_SELECTOR, "picture source[type='image/webp']")
    assert browser.find_elements(By.CSS_SELECTOR, "a.lightbox[href$='.jpg'] img")


def test_the_banner_covers_the_page_until_it_is_answered(browser: Any, site: Site) -> None:
    browser.get(site.base_url + "/norden/")
    covered = "return !!document.elementFromPoint(640, 100).closest('#consent')"
    assert browser.execute_script(covered)
    consent(browser)
    assert not browser.execute_script(covered)
    browser.get(site.base_url + "/corvo/")
    assert not browser.find_elements(By.ID, "consent")


def test_a_spinner_that_tells_its_frames_loads_them_as_it_is_dragged(
    browser: Any, site: Site
) -> None:
    viewer = open_spinner(browser, site, "fjell")
    n = int(viewer.get_attribute("data-amount-x"))
    assert n == len(frames_of(site, "fjell"))
    assert len(site.log.of("cdn", prefix="/spin/")) == 1
    step = viewer.size["width"] / n
    drag = ActionChains(browser, duration=5).move_to_element(viewer).click_and_hold()
    for _ in range(3):
        drag.move_by_offset(round(step), 0)
    drag.release().perform()
    asked = until(
        lambda: (
            [r.path for r in site.log.of("cdn", prefix="/spin/")][1:4]
            if len(site.log.of("cdn", prefix="/spin/")) >= 4
            else None
        )
    )
    assert asked == [f"/spin/fjell-spin/f-{i}.jpg" for i in (2, 3, 4)]


def test_a_spinner_that_tells_nothing_is_turned_by_arrow_keys_until_it_repeats(
    browser: Any, site: Site
) -> None:
    viewer = open_spinner(browser, site, "strada")
    assert "frame_" not in browser.page_source.replace("frame_000", "")
    picture = viewer.find_element(By.TAG_NAME, "img")
    viewer.click()
    seen = [picture.get_attribute("src")]
    frames = frames_of(site, "strada")
    for _ in frames:
        viewer.send_keys(Keys.ARROW_RIGHT)
        seen.append(picture.get_attribute("src"))
    assert seen[0] == seen[-1]
    assert seen[:-1] == [site.original_url(p) for p in frames]


def test_the_canvas_gives_every_frame_though_no_request_is_a_picture(
    browser: Any, site: Site
) -> None:
    viewer = open_spinner(browser, site, "baram")
    canvas = until(lambda: browser.find_elements(By.CSS_SELECTOR, "canvas[data-ready]"))[0]
    assert {r.path for r in site.log.of("cdn") if "icons" not in r.path} == {"/pack/baram-spin.spn"}
    viewer.click()
    for picture in frames_of(site, "baram"):
        data = browser.execute_script("return arguments[0].toDataURL('image/png')", canvas)
        shown = Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2])))
        assert unlike(shown, site, picture) < 0.5
        viewer.send_keys(Keys.ARROW_RIGHT)


@pytest.mark.parametrize("variant", ["tainted", "webgl"])
def test_a_canvas_that_gives_no_pixels_still_shows_the_car(
    browser: Any, site: Site, variant: str
) -> None:
    viewer = open_spinner(browser, site, "baram", variant)
    until(
        lambda: (
            browser.find_elements(By.CSS_SELECTOR, "canvas[data-ready]")
            or _no_webgl(browser, variant)
        )
    )
    canvas = viewer.find_element(By.TAG_NAME, "canvas")
    out = browser.execute_script(
        "try { return arguments[0].toDataURL('image/png') } catch (e) { return e.name }", canvas
    )
    frame = frames_of(site, "baram")[0]
    if variant == "tainted":
        assert out == "SecurityError"
    else:
        empty = Image.open(io.BytesIO(base64.b64decode(out.partition(",")[2])))
        assert empty.convert("RGBA").getextrema()[3] == (0, 0)
    shown = Image.open(io.BytesIO(canvas.screenshot_as_png)).resize((frame.width, frame.height))
    assert unlike(shown, site, frame) < 6


def _no_webgl(browser: Any, variant: str) -> bool:
    if variant == "webgl" and not browser.execute_script(
        "return !!document.createElement('canvas').getContext('webgl')"
    ):
        pytest.skip("this Chromium has no WebGL")
    return False


def test_a_sprite_sheet_is_sliced_by_the_position_of_its_background(
    browser: Any, site: Site
) -> None:
    viewer = open_spinner(browser, site, "fjell", "sprite")
    assert (viewer.get_attribute("data-row-count"), viewer.get_attribute("data-col-count")) == (
        "2",
        "6",
    )
    viewer.click()
    viewer.send_keys(Keys.ARROW_RIGHT * 7)
    assert viewer.value_of_css_property("background-position") == "20% 100%"


def test_the_search_feeds_results_while_scrolling_and_more_by_the_button(
    browser: Any, site: Site
) -> None:
    browser.get(site.search_url + "/search?q=Norden+Fjell")
    consent(browser)
    tiles = "return document.querySelectorAll('#results .tile').length"
    until(lambda: browser.execute_script(tiles))
    frames_drawn(browser)
    assert browser.execute_script(tiles) == 20
    more = browser.find_element(By.ID, "more")

    def scrolled_to_the_button() -> bool:
        browser.execute_script("scrollTo(0, document.body.scrollHeight)")
        return bool(more.is_displayed())

    until(scrolled_to_the_button)
    assert browser.execute_script(tiles) == 40
    more.click()

    def scrolled_to_the_end() -> bool:
        browser.execute_script("scrollTo(0, document.body.scrollHeight)")
        return int(browser.execute_script(tiles)) == 64

    until(scrolled_to_the_end)
    assert not more.is_displayed()


def test_a_click_shows_the_original_and_leads_to_the_page_it_comes_from(
    browser: Any, site: Site
) -> None:
    browser.get(site.search_url + "/search?q=한빛%20바람%20damaged")
    consent(browser)
    until(lambda: len(browser.find_elements(By.CSS_SELECTOR, ".tile-open")) == 14)
    urls = {u: p for u, p in site.originals().items() if p.query == "한빛 바람 damaged"}
    found = {}
    assert not site.log.of("web")
    for tile in browser.find_elements(By.CSS_SELECTOR, ".tile-open"):
        before = set(found)
        tile.click()
        src = until(
            lambda before=before: next(
                (
                    u
                    for e in browser.find_elements(By.CSS_SELECTOR, "#preview img.preview-full")
                    if (u := e.get_attribute("src")) in urls and u not in before
                ),
                None,
            )
        )
        link = browser.find_element(By.CSS_SELECTOR, "#preview a.preview-source")
        found[src] = link.get_attribute("href")
    assert set(found) == set(urls)
    for url, page in list(found.items())[:2]:
        browser.get(page)
        assert browser.find_element(By.CSS_SELECTOR, "article img").get_attribute("src") == url


def test_an_unknown_query_says_that_nothing_was_found(browser: Any, site: Site) -> None:
    browser.get(site.search_url + "/search?q=zeppelin")
    until(lambda: browser.find_element(By.ID, "no-results").is_displayed())


def test_hostile_captions_stay_text_everywhere(browser: Any, site: Site) -> None:
    browser.get(site.search_url + "/search?q=Norden+Fjell")
    consent(browser)
    until(lambda: len(browser.find_elements(By.CSS_SELECTOR, ".tile")) >= 20)
    alts = browser.execute_script(
        "return [...document.querySelectorAll('.tile img')].map(i => i.alt)"
    )
    assert any(c in alt for alt in alts for c in "<\x1b\u202e\r{;=/")
    assert browser.execute_script("return window.pwned") is None
    for path in ("/hostile/texts", "/hostile/names"):
        browser.get(site.base_url + path)
        assert browser.execute_script("return window.pwned") is None


def test_pages_load_without_errors_or_outside_resources(browser: Any, site: Site) -> None:
    for path in ("/", "/hanbit/", "/hanbit/baram/", "/hanbit/baram/360", "/hostile/", "/members/"):
        browser.get(site.base_url + path)
        outside = browser.execute_script(
            "return performance.getEntriesByType('resource').map(e => e.name)"
            ".filter(u => !u.startsWith('http://127.0.0.1:') && !u.startsWith('data:'))"
        )
        assert outside == []
    messages = [m for m in browser.get_log("browser") if m["level"] == "SEVERE"]
    assert messages == []


def test_a_careless_browser_is_caught_by_the_private_host(browser: Any, site: Site) -> None:
    browser.get(site.base_url + "/hostile/browser")
    asked = until(
        lambda: (
            {r.path for r in site.log.of("private")} if len(site.log.of("private")) > 6 else None
        )
    )
    assert {"/image.jpg", "/style.css", "/script.js", "/frame", "/secret.jpg"} <= asked
