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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import curate
from bodyshop.backbones import Scorer
from bodyshop.workspace import Workspace
from curate.framing import Framing
from curate.gate.fit import folder_examples
from curate.gate.intervals import wilson
from curate.gate.opened import Gate
from curate.gate.scoring import look, read_square

LABELS = Path(__file__).with_name("framing_labels.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--vgg16", type=Path, help="weights file")
    parser.add_argument("--detector", type=Path, help="COCO SSD, .tflite")
    parser.add_argument("--pictures", type=int, default=200, help="for the timings")
    chosen = parser.parse_args()
    data = chosen.data
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.open(Path(folder))
        result: dict[str, Any] = {
            "rules": [rules(workspace, data, name) for name in ("top5", "mass", "probe")],
            "discover": discovered(data),
            "framing": framing(workspace, data),
            "everyday": everyday(workspace),
            "speed": [speed("efficientnet-lite0", None, data, chosen.pictures)],
        }
        if chosen.vgg16:
            result["speed"].append(speed("vgg16", chosen.vgg16, data, chosen.pictures // 4))
            result["vgg16"] = vgg16(workspace, data, chosen.vgg16)
        if chosen.detector:
            result["detector"] = detector(workspace, data, chosen.detector)
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
    return {name: wilson(sum(values), len(values)) for name, values in right.items()}


def everyday(workspace: Workspace) -> dict[str, Any]:
    """Count false accepts on photos that came with scikit-image: nothing was fitted on them."""
    import skimage

    names = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "hubble_deep_field")
    root = Path(skimage.__file__).parent / "data"
    files = [path for path in sorted(root.iterdir()) if path.stem in names]
    answers = curate.open_gate(workspace).judge(files)
    return wilson(sum(answer.is_car for answer in answers), len(answers))


def speed(name: str, weights: Path | None, data: Path, count: int) -> dict[str, Any]:
    """Pictures per second: batches with decoding threads, against one picture at a time."""
    files = [path for folder in accepted(data)[:4] for path in sorted(folder.iterdir())][:count]
    scorer = Scorer(name, weights)
    batch: list[tuple[str, Path | str | bytes]] = [(str(path), path) for path in files]
    warm(scorer, files)
    wall, cpu = time.perf_counter(), time.process_time()
    seen = sum(len(part) for part in look(scorer, batch))
    ours = (time.perf_counter() - wall, time.process_time() - cpu)
    wall, cpu = time.perf_counter(), time.process_time()
    for path in files:
        scorer.score(read_square(path, scorer.input_size)[None])
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
    for _ in look(scorer, [(str(path), path) for path in files[:32]]):
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
    from bodyshop.imaging import load_rgb
    from curate.detect_cars import Detector, largest_car

    model, found = Detector(file), {}
    for kind in ("whole", "damaged"):
        examples = folder_examples(data / "damage" / "validation" / kind, accept=True)
        hits = [largest_car(model.boxes(load_rgb(one.path))) is not None for one in examples]
        found[kind] = wilson(sum(hits), len(hits))
    return found


if __name__ == "__main__":
    main()
