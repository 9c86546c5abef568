"""How well and how fast the gate works on real photos.

    python benchmarks/curate_gate.py DATA [--vgg16 WEIGHTS] [--detector FILE.tflite] > gate.json

DATA holds damage/{training,validation}/{damaged,whole}, models/, masks/images/ and not_car/.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import curate
from bodyshop_core.backbones import Scorer, build
from bodyshop_core.workspace import Workspace
from curate.gate.extract import extract_features, read_square
from curate.gate.framing import Framing
from curate.gate.gate import Gate
from curate.gate_fitting.fit import folder_examples
from curate.gate_fitting.intervals import proportion

LABELS = Path(__file__).with_name("framing_labels.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--vgg16", type=Path, help="weights file")
    parser.add_argument("--detector", type=Path, help="COCO SSD, .tflite")
    parser.add_argument("--pictures", type=int, default=200, help="for the timings")
    parser.add_argument("--only", nargs="+", help="parts to run: rules, discover, speed, …")
    chosen = parser.parse_args()
    data, weights = chosen.data, chosen.vgg16
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder))
        parts: dict[str, Callable[[], Any]] = {
            "rules": lambda: [rules(workspace, data, name) for name in ("top5", "mass", "probe")],
            "discover": lambda: discovered(data),
            "framing": lambda: framing(workspace, data),
            "everyday": lambda: everyday(workspace, data),
            "speed": lambda: speed("efficientnet-lite0", None, data, chosen.pictures),
        }
        if weights:
            parts["vgg16 speed"] = lambda: speed("vgg16", weights, data, chosen.pictures // 4)
            parts["vgg16"] = lambda: vgg16(workspace, data, weights)
        if chosen.detector:
            parts["detector"] = lambda: detector(workspace, data, chosen.detector)
        wanted = chosen.only or parts
        result = {name: part() for name, part in parts.items() if name in wanted}
    print(json.dumps(result, indent=1))


def accepted(data: Path) -> list[Path]:
    halves = [data / "damage" / half for half in ("training", "validation")]
    return [
        *(half / kind for half in halves for kind in ("damaged", "whole")),
        *(data / "models", data / "masks" / "images"),
    ]


def rules(workspace: Workspace, data: Path, name: str) -> dict[str, Any]:
    """Count recall and false accepts; the probe saw these photos, its card has honest figures."""
    policy = curate.Policy.model_validate({"gate": {"rule": name}})
    found = curate.evaluate_gate(
        workspace, accept=accepted(data), reject=[data / "not_car"], policy=policy
    ).as_dict()
    return {key: found[key] for key in ("rule", "threshold", "recall", "false_accepts", "auc")}


def discovered(data: Path) -> dict[str, Any]:
    """Repeat the two-gate study: 50 categories, k of n cars not recognised."""
    found = curate.discover_categories(data / "damage", count=50).as_dict()
    top = [row["name"] for row in found["categories"][:12]]
    return {"top": top, **{key: found[key] for key in ("not_recognised", "held_out")}}


def framing(workspace: Workspace, data: Path) -> dict[str, Any]:
    """Framing by ImageNet classes alone, on the hand-labelled pictures."""
    with LABELS.open(encoding="utf-8") as file:
        labels = {row["file"]: row["framing"] for row in csv.DictReader(file)}
    gate = curate.open_gate(workspace)
    by_classes = Gate(gate.backbone, gate.fingerprint, gate.rule, Framing())
    answers = by_classes.judge([data / name for name in labels])
    right: dict[str, list[bool]] = {"full": [], "part": []}
    for answer, said in zip(answers, labels.values(), strict=True):
        right[said].append(answer.framing == said)
    return {name: proportion(sum(values), len(values)) for name, values in right.items()}


def everyday(workspace: Workspace, data: Path) -> dict[str, Any]:
    """Count false accepts on photos kept aside: nothing of the shipped probe was fitted on them."""
    import skimage
    import sklearn

    named = {
        Path(skimage.__file__).parent / "data": (
            *("astronaut", "camera", "chelsea", "coffee", "coins", "brick", "grass", "gravel"),
            *("motorcycle_left", "rocket", "retina", "moon", "hubble_deep_field"),
        ),
        Path(sklearn.__file__).parent / "datasets" / "images": ("china", "flower"),
    }
    files = [
        path
        for folder, names in named.items()
        for path in sorted(folder.iterdir())
        if path.stem in names
    ]
    base = data / "near_duplicates" / "tests" / "data" / "base_images"
    # One of them shows loose number plates, which may be called parts of a car.
    files += [path for path in sorted(base.glob("*.jpg")) if path.stem != "ukbench09060"]
    answers = curate.open_gate(workspace).judge(files)
    passed = [path.stem for path, answer in zip(files, answers, strict=True) if answer.is_car]
    return {**proportion(len(passed), len(answers)), "passed": passed}


def speed(name: str, weights: Path | None, data: Path, count: int) -> dict[str, Any]:
    """Pictures per second: batches with decoding threads, against `predict` on one at a time."""
    files = [path for folder in accepted(data)[:4] for path in sorted(folder.iterdir())][:count]
    scorer = Scorer(name, weights)
    batch: list[tuple[str, Path | str | bytes]] = [(str(path), path) for path in files]
    warm(scorer, files)
    wall, cpu = time.perf_counter(), time.process_time()
    seen = sum(len(part) for part in extract_features(scorer, batch))
    ours = (time.perf_counter() - wall, time.process_time() - cpu)
    model = build(name, weights=weights, include_top=scorer.has_top)
    model.predict(np.zeros((1, scorer.input_size, scorer.input_size, 3)), verbose=0)
    wall, cpu = time.perf_counter(), time.process_time()
    for path in files:  # as in most tutorials
        square = read_square(path, scorer.input_size)
        model.predict(square[None].astype(np.float32), verbose=0)
    naive = (time.perf_counter() - wall, time.process_time() - cpu)
    return {
        "gate": name,
        "pictures": seen,
        "per_second": round(seen / ours[0], 1),
        "cpu_ms": round(1000 * ours[1] / seen, 1),
        "one_at_a_time_per_second": round(seen / naive[0], 1),
        "one_at_a_time_cpu_ms": round(1000 * naive[1] / seen, 1),
    }


def warm(scorer: Scorer, files: Sequence[Path]) -> None:
    for _ in extract_features(scorer, [(str(path), path) for path in files[:32]]):
        pass


def vgg16(workspace: Workspace, data: Path, weights: Path) -> dict[str, Any]:
    """Fit a probe on VGG16's features and report it out of fold."""
    half = data / "damage" / "validation"
    summary = curate.fit_gate(
        workspace,
        accept=[half / "damaged", half / "whole"],
        reject=[data / "not_car"],
        gate="vgg16",
        weights=weights,
    )
    return {key: summary.as_dict()[key] for key in ("threshold", "accept", "reject")}


def detector(workspace: Workspace, data: Path, file: Path) -> dict[str, Any]:
    """Share of whole and damaged cars in which the detector finds a car."""
    from bodyshop_core.imaging import load_rgb
    from curate.detection.detector import Detector, largest_object

    model, found = Detector(file), {}
    for kind in ("whole", "damaged"):
        examples = folder_examples(data / "damage" / "validation" / kind, accept=True)
        hits = [largest_object(model.boxes(load_rgb(one.path))) is not None for one in examples]
        found[kind] = proportion(sum(hits), len(hits))
    return found


if __name__ == "__main__":
    main()
