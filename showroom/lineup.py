"""The brands of the showroom, their models, colours and search queries."""

from __future__ import annotations

from showroom.truth import ShowroomBrand, ShowroomModel

BRANDS: tuple[ShowroomBrand, ...] = (
    ShowroomBrand(
        "Norden",
        "norden",
        "Cars from the north",
        (ShowroomModel("Fjell", "fjell", "sedan"), ShowroomModel("Skog", "skog", "suv")),
    ),
    ShowroomBrand(
        "Corvo",
        "corvo",
        "Macchine veloci",
        (ShowroomModel("Strada", "strada", "coupe"), ShowroomModel("Monte", "monte", "hatch")),
    ),
    ShowroomBrand(
        "한빛",
        "hanbit",
        "한빛자동차",
        (ShowroomModel("바람", "baram", "wagon"), ShowroomModel("구름", "gureum", "pickup")),
    ),
)

COLOURS: dict[str, tuple[tuple[int, int, int], float]] = {
    "white": ((232, 233, 232), 0.0),
    "silver": ((176, 179, 184), 0.7),
    "grey": ((98, 102, 107), 0.55),
    "black": ((16, 17, 19), 0.15),
    "red": ((165, 16, 22), 0.25),
    "blue": ((22, 62, 150), 0.4),
    "navy": ((18, 30, 66), 0.45),
    "green": ((24, 78, 52), 0.4),
    "olive": ((92, 94, 62), 0.3),
    "yellow": ((236, 178, 18), 0.05),
    "orange": ((214, 88, 14), 0.3),
    "copper": ((142, 78, 48), 0.6),
    "beige": ((200, 186, 160), 0.5),
    "turquoise": ((28, 132, 142), 0.4),
    "plum": ((84, 26, 66), 0.45),
    "sky": ((128, 168, 196), 0.35),
}


def queries(brand: ShowroomBrand, model: ShowroomModel) -> dict[str, str]:
    """Return the search query of each damage class: ``{"whole": …, "damaged": …}``."""
    word = "damaged" if brand.name.isascii() else "파손"
    return {"whole": f"{brand.name} {model.name}", "damaged": f"{brand.name} {model.name} {word}"}
