"""What a banner is told: every optional box is unticked before a choice is saved."""
# ruff: noqa: E501 - pages are read as one piece

from __future__ import annotations

import pytest
from picture_server import picture, sends
from sqlalchemy import select

import collector
from bodyshop_core.catalog import schema

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("chromium")]

PAGE = """<title>t</title><div id=wall class=cookie-modal role=dialog
style="position:fixed;inset:0;background:#fff">{banner}</div><script>
const tell = () => {{
  const on = [...document.querySelectorAll('#wall input')].filter((box) => box.checked).map((box) => box.id);
  wall.remove();
  document.body.insertAdjacentHTML('beforeend', '<img width=300 src=/p/0.jpg?' + (on.join('.') || 'nothing') + '>');
}};
</script>"""

FAR = """<p>We use cookies</p><div class=cookie-modal__body>
<label><input type=checkbox id=needed checked> Strictly necessary</label>
<label><input type=checkbox id=ads checked> Advertising</label></div>
<div class=cookie-modal__footer><button onclick=more.hidden=false>Settings</button>
<button>Accept all</button><span id=more hidden><button onclick=tell()>Save</button></span></div>"""

TWICE = """<p>We use cookies</p>
<label role=switch aria-checked=true onclick="this.setAttribute('aria-checked', ads.checked)">
<input type=checkbox id=ads checked onchange="this.parentElement.setAttribute('aria-checked', this.checked)">
Advertising</label><button onclick=more.hidden=false>Settings</button><button>Accept all</button>
<span id=more hidden><button onclick=tell()>Save settings</button></span>"""

EVERYTHING = """<p>Usamos cookies</p><label><input type=checkbox id=ads checked> Publicidad</label>
<button onclick=more.hidden=false>Configurar</button><button>Aceptar todo</button><span id=more hidden>
<button onclick="ads.checked=true;tell()">Guardar y aceptar todo</button>
<button onclick=tell()>Guardar selección</button></span>"""

STUCK = """<p>We use cookies</p><label><input type=checkbox id=ads checked onclick="return false">
Advertising</label><button onclick=more.hidden=false>Settings</button><button>Accept all</button>
<span id=more hidden><button onclick=tell()>Save</button></span>"""


DEAF = """<p>We use cookies</p><button onclick="if (this.pressed) more.hidden=false; this.pressed=true">Settings</button>
<button>Accept all</button><span id=more hidden><button onclick=tell()>Save settings</button></span>"""


OVER = """<p>We use cookies</p><button onclick=more.hidden=false>Reject</button><button>Accept all</button>
<div id=more hidden role=dialog style="position:fixed;inset:0;background:#fff"><p>Cookies</p>
<button style="position:absolute;inset:0 0 20% 0;width:100%" onmousedown="ads.checked=true;tell()">Close</button>
<input type=checkbox id=ads hidden><button style="position:absolute;bottom:0" onclick=tell()>Reject all</button></div>"""


@pytest.mark.parametrize(
    ("banner", "told"),
    [(FAR, "needed"), (TWICE, "nothing"), (EVERYTHING, "nothing"), (DEAF, "nothing")],
    ids=[
        "boxes outside the button's part",
        "a box in a switch",
        "a button that accepts all",
        "a button that does not listen at first",
    ],
)
def test_a_choice_is_saved_with_nothing_optional_ticked(
    server, brands_for, workspace, banner, told
):
    page = server.add("/page", PAGE.format(banner=banner).encode(), "text/html")
    for what in ("nothing", "needed", "ads", "needed.ads"):
        server.answers[f"/p/0.jpg?{what}"] = sends(picture(1))
    server.answers["/p/0.jpg"] = sends(picture(1))
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        (row,) = connection.execute(select(schema.sightings)).all()
    assert row.url.partition("?")[2] == told
    assert row.permission["consent"][0].startswith("refused: settings")


def test_what_a_button_opened_over_itself_is_not_clicked_for_it(server, brands_for, workspace):
    page = server.add("/page", PAGE.format(banner=OVER).encode(), "text/html")
    for what in ("", "?nothing", "?ads"):
        server.answers[f"/p/0.jpg{what}"] = sends(picture(1))
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        (row,) = connection.execute(select(schema.sightings)).all()
    assert row.url.partition("?")[2] == "nothing"
    assert row.permission["consent"] == ["refused: words reject all"]


def test_what_a_button_in_a_frame_opened_over_its_frame_is_not_clicked_for_it(
    server, brands_for, workspace
):
    inner = """<div class=cookie-modal>We use cookies <button style="position:fixed;inset:0;width:100%"
    onclick="parent.more.hidden=false">Reject</button></div>"""
    frame = server.add("/frame", inner.encode(), "text/html")
    banner = (
        f"<iframe title=cookies src={frame} width=600 height=300></iframe>"
        + OVER.partition("</button><button>Accept all</button>")[2]
    )
    page = server.add("/page", PAGE.format(banner=banner).encode(), "text/html")
    for what in ("", "?nothing", "?ads"):
        server.answers[f"/p/0.jpg{what}"] = sends(picture(1))
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        (row,) = connection.execute(select(schema.sightings)).all()
    assert row.url.partition("?")[2] == "nothing"


def test_a_button_in_a_frame_of_the_page_that_has_no_effect_is_no_answer(
    server, brands_for, workspace
):
    body = """<iframe id=sp_message_iframe title="Consent" srcdoc="We use cookies
    <button>Reject all</button><button>Accept</button>"></iframe><img width=300 src=/p/0.jpg>"""
    page = server.add("/page", f"<!doctype html>{body}".encode(), "text/html")
    server.answers["/p/0.jpg"] = sends(picture(1))
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        (row,) = connection.execute(select(schema.pages)).all()
        (seen,) = connection.execute(select(schema.sightings)).all()
    assert "its button to refuse (words reject all) has no effect" in row.error
    assert "consent" not in seen.permission


def test_a_banner_whose_box_stays_ticked_is_not_answered(server, brands_for, workspace):
    page = server.add("/page", PAGE.format(banner=STUCK).encode(), "text/html")
    server.answers["/p/0.jpg"] = sends(picture(1))
    with pytest.raises(collector.IncompleteCollectError, match="no picture"):
        collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        (row,) = connection.execute(select(schema.pages)).all()
    assert "waits for consent" in row.error


# As vanilla-cookieconsent with `hideFromBots`: it is there, runs nothing, and no consent is valid.
HIDES = """<script>window.CookieConsent = { acceptCategory() {}, validConsent: () => false };</script>
<img width=300 src=/p/0.jpg>"""


def test_a_manager_that_shows_no_banner_to_this_browser_is_reported(server, brands_for, workspace):
    page = server.add("/page", f"<!doctype html>{HIDES}".encode(), "text/html")
    server.answers["/p/0.jpg"] = sends(picture(1))
    collector.collect(brands_for(pages=[page]), workspace)
    with workspace.catalog.read() as connection:
        (row,) = connection.execute(select(schema.pages)).all()
        (seen,) = connection.execute(select(schema.sightings)).all()
    assert row.state == "partial"
    assert "waits for consent: vanilla-cookieconsent, which shows no banner" in row.error
    assert "consent" not in seen.permission


LATE = """<div id=main></div><script>const state = { confirmed: false, changeAll() {}, saveAndApplyConsents() { this.confirmed = true; } };
window.klaro = { getManager: () => state };
let ticks = 0; const clock = setInterval(() => { if ((ticks += 1) * 100 < DELAY) return; clearInterval(clock); document.body.insertAdjacentHTML('beforeend', '<div class=klaro>We use cookies <button class="cm-btn cn-decline">No</button></div>');
  document.querySelector('.cn-decline').onclick = (event) => { state.confirmed = true; event.target.parentElement.remove();
    main.innerHTML = [0, 1, 2].map((n) => `<img width=300 src=/p/${n}.jpg>`).join(''); }; }, 100);</script>"""


@pytest.mark.parametrize("delay", [0, 1000, 1500])
def test_the_button_of_a_manager_that_is_late_is_preferred_to_its_function(
    server, brands_for, workspace, delay
):
    first = "".join(f"<img width=300 src={url}>" for url in server.add_pictures(7)[3:])
    body = f"<!doctype html>{first}{LATE.replace('DELAY', str(delay))}"
    page = server.add("/page", body.encode(), "text/html")
    summary = collector.collect(brands_for(pages=[page]), workspace)
    assert (summary.downloaded, summary.pages) == (7, {"done": 1})
