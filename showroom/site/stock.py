"""What the pages show, looked up from the ground truth: galleries, spinners, search results."""

from __future__ import annotations

import random
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from showroom.truth import Picture, ShowroomBrand, ShowroomModel, Truth

# What strangers put into a page: markup, controls, bidirectional overrides, paths, sheer length.
HOSTILE_TEXTS = (
    "<img src=x onerror=\"window.pwned='alt'\"> for sale",
    "</title><script>window.pwned='script'</script> one owner",
    "bell\x07 escape\x1b[31m backspace\x08 form feed\x0c",
    "\u202egpj.rac\u202c right-to-left override \u2066isolated\u2069",
    "../../../../etc/passwd",
    "\"; DROP TABLE images; -- ' OR 1=1",
    "{{ 7 * 7 }} ${jndi:ldap://127.0.0.1/a} %s%n",
    "very long " * 400,
    '=HYPERLINK("http://127.0.0.1/","click")',
    "line one\r\nX-Injected: yes\r\n\r\nline four",
)

_EVERY_HOSTILE = 12


@dataclass(frozen=True, slots=True)
class Spin:
    """A spinner: one full turn of a car, frames in order."""

    group: str
    kind: str
    frames: tuple[Picture, ...]


class Stock:
    """The pictures of a truth, arranged as the site shows them.

    Parameters
    ----------
    truth
        Ground truth of a built showroom.
    root
        Folder the paths in `truth` are relative to.
    """

    def __init__(self, truth: Truth, root: Path) -> None:
        self.truth = truth
        self.root = root
        self._by_id = truth.by_id()
        self._slugs = {key: b.slug for b in truth.brands for key in (b.name, b.slug)}
        self._model_slugs = {
            (b.slug, key): m.slug
            for b in truth.brands
            for m in b.models
            for key in (m.name, m.slug)
        }
        self._galleries: dict[tuple[str, str], list[Picture]] = defaultdict(list)
        spins: dict[str, list[Picture]] = defaultdict(list)
        self._results: dict[str, list[Picture]] = defaultdict(list)
        for picture in truth.pictures:
            if picture.place == "gallery":
                self._galleries[self._key(picture)].append(picture)
            elif picture.place in ("spinner", "canvas") and picture.spin_group:
                spins[picture.spin_group].append(picture)
            elif picture.place == "search" and picture.query:
                self._results[_fold(picture.query)].append(picture)
        self._spins = {
            group: Spin(group, frames[0].place, tuple(sorted(frames, key=lambda p: p.frame or 0)))
            for group, frames in spins.items()
        }
        for query, found in self._results.items():
            # A search engine ranks by its own lights: a duplicate is not beside its original.
            random.Random(query).shuffle(found)

    def picture(self, picture_id: str) -> Picture | None:
        """Return the picture of this id, or None."""
        return self._by_id.get(picture_id)

    def read(self, picture: Picture) -> bytes:
        """Return the bytes of the full-size file."""
        return (self.root / picture.file).read_bytes()

    def brand(self, slug: str) -> ShowroomBrand | None:
        """Return the brand of this slug, or None."""
        return next((b for b in self.truth.brands if b.slug == slug), None)

    def model(self, brand: ShowroomBrand, slug: str) -> ShowroomModel | None:
        """Return the model of this slug, or None."""
        return next((m for m in brand.models if m.slug == slug), None)

    def gallery(self, brand: ShowroomBrand, model: ShowroomModel) -> list[Picture]:
        """Return the press pictures of a model."""
        return self._galleries.get((brand.slug, model.slug), [])

    def spins(self, brand: ShowroomBrand, model: ShowroomModel) -> list[Spin]:
        """Return the spinners of a model, in order of their group name."""
        key = (brand.slug, model.slug)
        found = [s for s in self._spins.values() if self._key(s.frames[0]) == key]
        return sorted(found, key=lambda s: s.group)

    def spin(self, group: str) -> Spin | None:
        """Return the spinner of this group, or None."""
        return self._spins.get(group)

    def drag_groups(self) -> list[str]:
        """Return the groups of the drag spinners, in order of the truth."""
        return [group for group, spin in self._spins.items() if spin.kind == "spinner"]

    def results(self, query: str) -> list[Picture]:
        """Return the results of a query, best first; letter case and white space do not matter."""
        return self._results.get(_fold(query), [])

    def caption(self, picture: Picture) -> str:
        """Return what the page writes beside a picture; now and then it is hostile."""
        number = int.from_bytes(picture.id.encode()[-4:], "big")
        if picture.place == "search":
            found = self.results(picture.query or "")
            rank = next((i for i, p in enumerate(found) if p.id == picture.id), number)
            if rank % _EVERY_HOSTILE == 5:
                return HOSTILE_TEXTS[(rank // _EVERY_HOSTILE + number) % len(HOSTILE_TEXTS)]
        if picture.kind == "decoy":
            return f"{picture.query} – {_DECOY_WORDS[number % len(_DECOY_WORDS)]}"
        brand, model = self.names(picture)
        words = [brand, model]
        if picture.colour:
            words.append(f"in {picture.colour}")
        if picture.framing == "part":
            words.append("– detail")
        elif picture.angle_deg is not None:
            words.append(f"– {_side(picture.angle_deg)}")
        return " ".join(words)

    def names(self, picture: Picture) -> tuple[str, str]:
        """Return the names of a picture's brand and model as printed, empty if it has none."""
        slug, model_slug = self._key(picture)
        brand = self.brand(slug)
        model = self.model(brand, model_slug) if brand else None
        return (brand.name if brand else "", model.name if model else "")

    def _key(self, picture: Picture) -> tuple[str, str]:
        slug = self._slugs.get(picture.brand or "", "")
        return slug, self._model_slugs.get((slug, picture.model or ""), "")


_DECOY_WORDS = (
    "weekend market",
    "things at home",
    "garden notes",
    "wallpaper",
    "recipe of the day",
)


def _side(angle: float) -> str:
    sides = ("front", "front left", "left side", "rear left", "rear", "rear right", "right side",
             "front right")  # fmt: skip
    return sides[round(angle / 45) % 8]


def _fold(query: str) -> str:
    return " ".join(unicodedata.normalize("NFC", query).casefold().split())
