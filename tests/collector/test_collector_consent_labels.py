"""Which labels of a banner refuse: "only" beside "necessary", and nothing that widens it."""
# ruff: noqa: E501 - labels are read as one list

from __future__ import annotations

import pytest

from collector.browser import Browser
from collector.browser.consent_data import consent_words
from collector.net.address import AddressGuard

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("chromium")]

REFUSES = (
    "Accept only necessary", "Just accept the necessary cookies", "Continue with only essential cookies",
    "Nur notwendige Cookies zulassen", "Ausschließlich technisch notwendige Cookies verwenden",
    "Accepter uniquement les cookies strictement nécessaires", "N'accepter que les cookies nécessaires",
    "Aceptar solo las cookies necesarias", "Accetta solo i cookie necessari",
    "Aceitar apenas cookies necessários", "Alleen noodzakelijke cookies toestaan",
    "Akceptuj tylko niezbędne pliki cookies", "Přijmout pouze nezbytné cookies",
    "Csak a szükséges sütik elfogadása", "Acceptă doar cele necesare",
    "Acceptera bara nödvändiga kakor", "Accepter kun nødvendige cookies",
    "Hyväksy vain välttämättömät evästeet", "Принять только необходимые файлы cookie",
    "Yalnızca gerekli çerezlere izin ver", "No, only necessary cookies", "Nein danke, nur notwendige",
    "Non merci, uniquement les cookies nécessaires", "Only necessary, please", "Confirm only essential cookies",
)  # fmt: skip
CONSENTS = (
    "Nicht nur notwendige Cookies zulassen", "Ja, nicht nur essenzielle", "Accept not only necessary",
    "Accept more than just essential cookies", "Yes, more than only necessary",
    "Accept (not just essential) cookies", "Accept just necessary and marketing cookies",
    "Allow only necessary and statistics", "Only necessary, analytics", "Only unnecessary cookies",
    "Accept only non-essential cookies", "Nur nicht notwendige Cookies", "Nur unnötige Cookies",
    "Notwendige und nur Marketing-Cookies", "Aceptar cookies que no son necesarias",
    "Acepto que se usen cookies no necesarias", "Acepto que usen cookies necesarias y de publicidad",
    "Sí, acepto las cookies que sean necesarias", "No solo las cookies necesarias",
    "J'accepte que des cookies non nécessaires soient utilisés", "Pas seulement les cookies nécessaires",
    "Ne pas accepter seulement les cookies nécessaires", "Accetta non solo i cookie necessari",
    "Não apenas os necessários", "Niet alleen noodzakelijke cookies", "Nie tylko niezbędne",
    "Ikke kun nødvendige", "Inte bara nödvändiga kakor", "Не только необходимые", "Nem csak a szükséges",
    "No, not only necessary", "Nein, nicht nur notwendige", "Accept all, not just required", "Use ads and only required cookies",
)  # fmt: skip

BANNER = """(() => {
  document.body.innerHTML = '<div id=cookie-banner style="position:fixed;bottom:0"><p>We use cookies</p><button></button></div>';
  document.querySelector("button").textContent = given[1];
  return T.consent([], given[0]).then((said) => said.what);
})()"""  # fmt: skip


def test_only_the_necessary_is_refused_and_what_negates_or_widens_it_is_not_pressed(server):
    page = server.add("/page", b"<!doctype html><title>t</title>", "text/html")
    with Browser(AddressGuard([server.host]), "bodyshop-test", load_seconds=20) as browser:
        browser.open(page)
        said = {
            label: browser.await_(BANNER, consent_words(), label) for label in (*REFUSES, *CONSENTS)
        }
    assert [label for label in CONSENTS if said[label]] == []
    assert [label for label in REFUSES if not said[label]] == []
