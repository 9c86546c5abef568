"""A labeler at a real headless Chromium."""

from __future__ import annotations

import io
import shutil
import time
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from PIL import Image


@contextmanager
def browser(profile, *, width=1280, height=900):
    """A fresh browser; its process ends with the block."""
    from selenium import webdriver

    program, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not program or not driver:
        pytest.skip("there is no chromium with its chromedriver: apt install chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--force-device-scale-factor=1", f"--window-size={width},{height}",
        f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(flag)
    window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield Labeler(window)
    finally:
        window.quit()


class Labeler:
    """Does what a person does on Label Studio's pages."""

    def __init__(self, window):
        self.window = window

    def see(self, selector, limit=240):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support import expected_conditions as conditions
        from selenium.webdriver.support.ui import WebDriverWait

        found = conditions.presence_of_element_located((By.CSS_SELECTOR, selector))
        return WebDriverWait(self.window, limit).until(found)

    def all(self, selector):
        from selenium.webdriver.common.by import By

        return self.window.find_elements(By.CSS_SELECTOR, selector)

    def log_in(self, url, email, password):
        self.window.get(f"{url}/user/login/")
        self.see("input[name=email]").send_keys(email)
        self.see("input[name=password]").send_keys(password)
        self.see("form button").click()
        self.until(lambda: "/user/login" not in self.window.current_url)

    def open_task(self, url, project, task):
        self.window.get(f"{url}/projects/{project}/data?task={task}")
        self.see("canvas")
        self.until(lambda: self.picture() is not None)
        time.sleep(3)

    def open_stream(self, url, project):
        """Open the page of a labeler who clicks *Label All Tasks*."""
        self.window.get(f"{url}/projects/{project}/data?labeling=1")
        self.see("canvas")
        self.until(lambda: self.picture() is not None)
        time.sleep(3)

    def places_of(self, texts):
        """Where the first visible label or choice of each text lies: text -> its box."""
        script = """
            const found = {};
            for (const e of document.querySelectorAll('label, span, div')) {
                const own = [...e.childNodes].filter(n => n.nodeType === 3)
                    .map(n => n.textContent.trim()).join('');
                const box = e.getBoundingClientRect();
                if (arguments[0].includes(own) && box.width > 0 && !(own in found))
                    found[own] = {left: box.left, top: box.top, bottom: box.bottom};
            }
            return found;
        """
        return self.window.execute_script(script, texts)

    def text(self):
        return self.window.execute_script("return document.body.innerText")

    def press_submit(self):
        self.press_button("Submit")

    def press_button(self, *names):
        """Click the first button of one of these names, once there is one."""
        from selenium.common.exceptions import StaleElementReferenceException

        def pressed():
            # React replaces buttons while it saves a draft.
            with suppress(StaleElementReferenceException):
                for button in self.all("button"):
                    if button.text.strip() in names:
                        button.click()
                        return True
            return False

        self.until(pressed)

    def picture(self):
        """The canvas the picture is drawn on, once it has a size."""
        from selenium.common.exceptions import StaleElementReferenceException

        for stage in self.all(".konvajs-content"):
            # React replaces the element while the picture loads.
            with suppress(StaleElementReferenceException):
                if stage.size["width"] > 50:
                    return stage
        return None

    def frame(self):
        """Where the picture lies on the screen: left, top, width, height. It may be zoomed."""
        rect = self.see("img[alt=image]").rect
        return rect["x"], rect["y"], rect["width"], rect["height"]

    def colours(self, width, height):
        """A function from (x, y) of a width x height picture to the colour on the screen."""
        data = self.window.get_screenshot_as_png()
        seen = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        left, top, wide, high = self.frame()
        assert wide / high == pytest.approx(width / height, rel=0.01)
        return lambda x, y: seen[int(top + y * high / height), int(left + x * wide / width)]

    def press(self, key):
        from selenium.webdriver.common.by import By

        self.window.find_element(By.TAG_NAME, "body").send_keys(key)
        time.sleep(1)

    def press_shift(self, key):
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        chain = ActionChains(self.window)
        chain.key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT).perform()
        time.sleep(1)

    def select_region(self, label):
        """Click a region in the list of regions."""
        titles = self.all("[class*=outliner-item__title]")
        next(title for title in titles if title.text.strip() == label).click()
        time.sleep(1)

    def stroke(self, points, width, height):
        """Drag slowly through points (x, y) of a width x height picture."""
        from selenium.webdriver.common.action_chains import ActionChains

        left, top, wide, high = self.frame()
        stage = self.picture()
        middle_x = stage.rect["x"] + stage.rect["width"] / 2
        middle_y = stage.rect["y"] + stage.rect["height"] / 2
        spots = [
            (round(left + x * wide / width - middle_x), round(top + y * high / height - middle_y))
            for x, y in points
        ]
        chain = ActionChains(self.window, duration=60)
        (x, y), *rest = spots
        chain.move_to_element_with_offset(stage, x, y).click_and_hold().pause(0.2)
        for a, b in rest:
            chain.move_by_offset(a - x, b - y)
            x, y = a, b
        chain.pause(0.2).release().perform()
        time.sleep(1)

    def choose(self, text):
        # The page shows the hotkey behind the text: keep[1].
        label = next(e for e in self.all("label") if e.text.split("[")[0].strip() == text)
        self.window.execute_script("arguments[0].scrollIntoView({block: 'center'})", label)
        label.click()
        time.sleep(1)

    def submit(self):
        self.press_button("Submit", "Update")
        self.until(lambda: not any(b.text.strip() == "Submit" for b in self.all("button")))
        time.sleep(1)

    def until(self, true, limit=240):
        end = time.monotonic() + limit
        while not true():
            assert time.monotonic() < end, "the page did not get there"
            time.sleep(0.3)

    def snapshot(self, width=1000):
        """What the window shows, no wider than that."""
        image = Image.open(io.BytesIO(self.window.get_screenshot_as_png())).convert("RGB")
        image.thumbnail((width, width))
        return image

    def regions(self):
        """The classes in the list of regions."""
        return [title.text.strip() for title in self.all("[class*=outliner-item__title]")]

    def ask_smart_tool(self, label, x, y, width, height):
        """Click at (x, y) of a width x height picture with the smart click of a class."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.window.execute_script(
            "document.querySelector('input[class*=toggle__input]').click()"
        )  # Auto-Annotation
        time.sleep(2)
        rows = [e for e in self.all("[class~=lsf-label]") if e.text.split()[:1] == [label]]
        # Every row shows its keys behind the class; those of the smart click begin with Shift+Alt.
        next(row for row in rows if "shift+alt" in row.text.lower()).click()
        time.sleep(1)
        self.window.execute_script(
            "document.querySelector('button.lsf-tool_smart[aria-label=key-point-tool]').click()"
        )
        time.sleep(1)
        left, top, wide, high = self.frame()
        stage = self.picture()
        across = left + x * wide / width - stage.rect["x"] - stage.rect["width"] / 2
        down = top + y * high / height - stage.rect["y"] - stage.rect["height"] / 2
        chain = ActionChains(self.window, duration=60)
        chain.move_to_element_with_offset(stage, round(across), round(down)).click().perform()
        self.until(lambda: "1 suggestion" in self.text())

    def accept_suggestion(self):
        """Press the tick beside the number of suggestions."""
        self.window.execute_script("""
            const told = [...document.querySelectorAll('div, span')].find(
                e => /^1 suggestions?$/.test(e.innerText.trim()));
            let around = told;
            while (around.querySelectorAll('button').length < 2) around = around.parentElement;
            const buttons = [...around.querySelectorAll('button')].filter(
                b => b.getBoundingClientRect().left > told.getBoundingClientRect().left);
            buttons[1].click();
        """)
        self.until(lambda: "1 suggestion" not in self.text())
