"""Dialogs: what they announce while they are closed, what they say while they are open, and how they are closed."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import pytest
from picture_server import PictureServer, picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema
from collector.browser import Browser
from collector.net.address import AddressGuard

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

SLIDE = "<li aria-roledescription=slide></li>"
CLOSED = {
    "one list": (9, f"<dialog><ul>{SLIDE * 9}</ul></dialog>"),
    "previews": (9, f"<dialog><ul>{SLIDE * 9}</ul><ul>{SLIDE * 9}</ul></dialog>"),
    "each in an item": (
        9,
        f"<dialog><ul>{'<li><div role=group aria-roledescription=slide></div></li>' * 9}</ul></dialog>",
    ),
    "swiper": (
        9,
        "<dialog><div class=w>"
        + "".join(
            f"<div><div class=swiper-slide><img data-src=/q/{n}.jpg></div></div>" for n in range(9)
        )
        + "</div></dialog>",
    ),
    "rows": (
        12,
        "<dialog>"
        + f"<div class=row>{'<div class=carousel-item></div>' * 2}</div>" * 6
        + "</dialog>",
    ),
    "spinners": (
        9,
        "<div role=dialog style='display:none'><div class=carousel-inner>"
        + "<div class=carousel-item><div class=spinner-border role=status><span class=visually-hidden>Loading...</span></div></div>"
        * 9
        + "</div></div>",
    ),
    "captions": (
        9,
        "<dialog><ul>"
        + "".join(
            f"<li aria-roledescription=slide><figcaption>Front {n}</figcaption></li>"
            for n in range(9)
        )
        + "</ul></dialog>",
    ),
    "two parts": (
        16,
        f"<dialog><section><h3>Exterior</h3><ul>{SLIDE * 9}</ul></section><section><h3>Interior</h3><ul>{SLIDE * 7}</ul></section></dialog>",
    ),
    "film": (
        9,
        f"<dialog><ul>{SLIDE * 9}<li aria-roledescription=slide><video></video></li></ul><ul>{SLIDE * 9}</ul></dialog>",
    ),
    "words": (
        None,
        f"<dialog><ul>{'<li aria-roledescription=slide><p>A fine car.</p></li>' * 9}</ul></dialog>",
    ),
}
TEXTS = {
    "Descrição e 24 fotos": 24, "Descrizione e 24 foto": 24, "Opis i 24 zdjęcia": 24,
    "Popis a 24 fotografií": 24, "HD 24 photos": 24, "Hyundai i 30 zdjęć": None,
    "E 220 photos": None,
}  # fmt: skip
OF_A_MODEL = ("Scale: 1:18", "Maßstab: 1:18", "Modell in 1:18", "Scale 1/18")


@pytest.fixture(scope="module")
def announced():
    """Return how many pictures a page with four of them announces."""
    server = PictureServer()
    server.add_pictures(4)
    pictures = "".join(f"<img width=300 height=200 src=/p/{n}.jpg>" for n in range(4))
    with Browser(AddressGuard([server.host]), "t", load_seconds=20, behaviour_seconds=300) as browser:  # fmt: skip

        def ask(html):
            page = f"<!doctype html>{pictures}{html}".encode()
            browser.open(server.add("/page", page, "text/html; charset=utf-8"))
            browser.await_("T.quiet(500)")
            return max((sign["count"] for sign in browser.run("return T.announced()")), default=None)  # fmt: skip

        yield ask
    server.close()


@pytest.mark.parametrize("name", CLOSED)
def test_the_slides_of_a_closed_dialog_are_announced(announced, name):
    expected, html = CLOSED[name]
    assert announced(html) == expected


@pytest.mark.parametrize("text", TEXTS)
def test_a_word_of_one_letter_may_be_before_a_number_of_pictures(announced, text):
    assert announced(f"<p>{text}</p>") == TEXTS[text]


@pytest.mark.parametrize("text", OF_A_MODEL)
def test_the_scale_of_a_model_car_is_no_counter(announced, text):
    assert announced(f"<div><p>1 / 18</p> {text}</div>") is None


def test_a_text_without_spaces_between_its_paragraphs_says_scale_model(announced):
    assert announced("<div><h4>Scale model</h4><p>1 / 18</p></div>") is None


def test_a_long_list_in_what_a_page_says_of_itself_is_read(announced):
    long = ",".join(["1"] * 300_000)
    said = f'{{"@type": "ImageGallery", "numberOfItems": 9, "list": [{long}]}}'
    assert announced(f"<script type=application/ld+json>{said}</script>") == 9


def opens(add, *, delay, escape=True):
    """Give links that open a dialog late, after their picture has come."""
    return f"""<dialog><p></p><ul></ul></dialog><script>
const dialog = document.querySelector("dialog"), list = dialog.querySelector("ul");
for (const link of document.links) {{
  link.onclick = (e) => {{ e.preventDefault();
    const image = new Image(500); image.src = link.href;
    image.onload = () => setTimeout(() => {{ {add}; dialog.showModal(); }}, {delay}); }};
}}
if ({str(escape).lower()}) onkeydown = (e) => {{ if (e.key === "Escape" && dialog.open) dialog.close(); }};
</script>"""


SLIDES = "list.innerHTML = '<li aria-roledescription=slide></li>'.repeat(4); list.children[[...document.links].indexOf(link)].replaceChildren(image)"
COUNTED = "list.replaceChildren(image); dialog.querySelector('p').textContent = '1 / 9'"


def collect(server, brands_for, workspace, html):
    thumbs = ""
    for number in range(4):
        server.answers[f"/media/{number}"] = sends(picture(number, (900, 600)))
        server.answers[f"/t/{number}.jpg"] = sends(picture(number, (300, 200)))
        thumbs += f"<a href=/media/{number}><img src=/t/{number}.jpg></a>"
    page = server.add("/page", f"<!doctype html>{thumbs}{html}".encode(), "text/html")
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        return connection.execute(select(schema.pages.c.state, schema.pages.c.error)).one()


# A dialog that was open when the page's signs were read made a page of four partial: at 650 ms.
@pytest.mark.parametrize("delay", [100, 650])
def test_a_dialog_that_opens_after_its_picture_has_loaded_is_closed_again(
    server, brands_for, workspace, delay
):
    assert collect(server, brands_for, workspace, opens(SLIDES, delay=delay)).state == "done"


def test_a_dialog_that_only_the_browsers_own_escape_closes_is_closed(server, brands_for, workspace):
    page = collect(server, brands_for, workspace, opens(SLIDES, delay=100, escape=False))
    assert page.state == "done"


@pytest.mark.parametrize("delay", [100, 650])
def test_what_a_dialog_counts_is_known_after_it_was_closed(server, brands_for, workspace, delay):
    page = collect(server, brands_for, workspace, opens(COUNTED, delay=delay))
    assert page.state == "partial"
    assert "announces 9 pictures" in page.error


def test_what_the_page_under_a_dialog_says_is_not_of_the_dialogs_picture(
    server, brands_for, workspace
):
    under = "<p style='margin-top:60px;text-align:center'>View all (30)</p>"
    large = "image.width = 900; list.replaceChildren(image)"
    page = collect(server, brands_for, workspace, under + opens(large, delay=0))
    assert page.state == "done"


def test_a_key_that_leads_away_from_a_dialog_leaves_a_complete_page_done(
    server, brands_for, workspace
):
    server.add_pictures(6)
    pictures = "".join(f"<img src=/p/{n}.jpg width=300 height=200>" for n in range(6))
    html = f"""<p>6 photos</p>{pictures}<button id=g>View gallery</button>
<div id=d role=dialog hidden style="position:fixed;inset:0"><img id=m width=600 height=400></div><script>
let n = 0; const show = () => {{ m.src = `/p/${{n}}.jpg`; }};
g.onclick = () => {{ show(); d.hidden = false; }};
onkeydown = (e) => {{ if (d.hidden) return; if (e.key === "Escape") d.hidden = true;
  if (e.key === "ArrowRight" && n < 5) {{ n += 1; history.pushState({{}}, "", `?item=${{n}}`); show(); }} }};
</script>"""
    page = server.add("/page", f"<!doctype html>{html}".encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert summary.partial == ()
