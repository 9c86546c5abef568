"""The card of the shipped damage model, written from its figures."""

from __future__ import annotations

from typing import Any


def card(figures: dict[str, Any]) -> str:
    """Return the card, as Markdown."""
    return TEXT.format(
        sums=_table(figures["sum"], "photos of sources not learned from"),
        within=_table(figures["within_photo"], "source"),
        pairs=_table(figures["pairs"], "source of damage: view"),
        outlines=_table(figures["outlines"], "source"),
        sources=_table(figures["by_source"], "source, label, view"),
    )


def _table(rows: dict[str, dict[str, Any]], first: str) -> str:
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [f"| {first} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = " | ".join(str(row.get(column, "")) for column in columns)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


TEXT = """# Damage model

Says whether a photo shows a car, whether the car is damaged, which part of the photo decided, and
outlines what looks damaged. Outlines are rough (see the table below), and no kind is named.

EfficientNet-Lite0 (ImageNet weights, Apache-2.0), frozen, float16, looks once at the whole
picture squeezed to 448 x 448 pixels. Means and deviations of its blocks over 62 overlapping
windows, reduced to 512 principal components, feed one logistic regression. A network of two small
layers judges each of 56 x 56 cells by the blocks of strides 4 to 32 less their mean over the
picture; the largest cell of a window is added to the window's evidence, and connected cells are
the outlines. The log of the mean of exp over the windows is the picture's score. Made by
`python -m benchmarks.make_shipped`.

## Learned from

Photos are not part of the package. Sources, by origin:

- data1a: car photos from the web, damaged or whole (Kaggle "data1a"; no licence stated), with
  coarse masks of half of the damaged ones (Caramel-z/damage_detection1).
- lensor: damaged cars with polygons (heliyahasani/lensor_case_study, CC BY 4.0).
- bilgi_tr: Turkish insurance and repair photos with polygons (Roboflow "Bilgi University Car
  Damage").
- csabika_in: an Indian workshop (csabika98/CarDiagScannerPOC, CC BY 4.0).
- Undamaged cars: Stanford Cars; Indian dealers and a yard, press photos, a US dealer's studio
  (avinash064/Car_side_recog); Thai sales photos (dsmlr/Car-Parts-Segmentation); number-plate
  photos (openalpr/benchmarks); image-search photos (SadracSantacruz/CSE151A_Final_Project); press
  and private photos (davidgonmar/pid-car-model-classification).
- No cars: one photo per ImageNet class without cars; everyday photos
  (drewnoakes/metadata-extractor-images); buses, trucks, motorcycles.

## How well it does

Each figure is of photos whose source was left out of the weights, the calibration and the
threshold behind it; thresholds were chosen with models that had seen neither the source nor those
they were chosen on. "accepted" is the share that the car gate lets through, "unsure" the share that
passes and gets no label, "right" the share of all photos that pass, get a label, and the right one.
Not left out: the principal components were computed, without labels, on photos of all sources; of
ImageNet other photos were learned from; and weights between kinds of photos were chosen on these
figures. The shipped model is fitted and calibrated on all sources, with thresholds from these runs.

{sums}

Windows with damage against windows without, of one and the same photo (mean AUC, 95 % interval):

{within}

Damaged against undamaged photos, both left out, by one model (AUC):

{pairs}

Outlines against people's masks, at 448 pixels: "iou" is the intersection over union of all damage,
mean over photos; "found" the share of people's regions that an outline meets with 0.3 at least;
"right" the share of outlines at least half of which is damage, "touching" the share with some:

{outlines}

All sources:

{sources}

The damaged photos of bilgi_tr and csabika_in went through the same tool and show heavy damage, so
the figures by pairs flatter; the first table and the one within photos do less so.

## Where it fails

Seen among the worst mistakes on sources left out:

- Small or shallow damage in a view of the whole car: a dent of a hand's width in a white door, a
  cracked bumper edge, a lamp with a broken corner. At 448 pixels there is little left of it.
- Undamaged close-ups of red tail lamps and of headlamps full of reflections give the strongest
  false alarms, then steel wheels without caps, and creases in dark paint that mirror a crowd.
- A car that is small in a wide scene, or a yard with wrecks and parts around it: the window that
  decides need not be on the car. Crop the picture to the car.
- Some photos that count as undamaged above show scratches and stains when looked at closely.
- Small files. Of 40 whole photos of data1a's validation part whose longer side has 300 pixels or
  less 12 were called damaged, of 80 larger ones none; shrunk to 260 pixels, 6 of those 80.
- Rendered damage, as in the showroom of bodyshop: of 80 rendered cars with damage 42 were called
  damaged, four got no label and one no car; of 80 without damage none was called damaged.

It was not tried at night, in rain or under snow, on motorcycles, or on X-rays.
"""
