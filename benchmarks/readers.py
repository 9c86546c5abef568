"""Readers of annotation files beside those of well-kept libraries, on the same files.

    pip install pycocotools supervision
    python -m benchmarks.readers

The files are those of the tests (`tests/support/annotation_files.py`): each has one dent of 30 x 20
pixels in a picture of 64 x 48, as some tool writes it, and `tests/labeling/test_bad_entries.py`: a
good annotation beside a bad one. A file is read *right* when the reader gives exactly the good
instance (IoU at least 0.8), *refused* when it raises an error, and *wrong* when it gives something
else without a word; it *died* when its process did, of a signal or for want of 4 GiB.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import multiprocessing
import resource
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core.catalog import BlobRef
from labeling.exchange.fitting import upright_shape
from labeling.formats.instances import shape_mask
from labeling.formats.table import FORMATS, read_entries
from labeling.records.pictures import CatalogPicture

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "labeling"))

from annotation_files import GOOD, H, W, put
from labeling_pictures import picture_bytes
from test_bad_entries import BAD

Masks = list[np.ndarray[Any, Any]]
MEMORY = 4 << 30
"""Bytes of address space that a reader may take for a file of a kilobyte."""

SAME = 0.8
"""IoU from which on an instance is the drawn one: libraries fill outlines and count pixels of boxes
in other ways."""


def main() -> None:
    """Compare and print."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for module in ("pycocotools.coco", "supervision", "label_studio_sdk.converter.imports.coco"):
        importlib.import_module(module)  # once, not in each process
    readers = {
        "coco": {"bodyshop": _ours, "pycocotools": _pycocotools, "supervision": _supervision,
                 "label-studio-sdk": _sdk},
        "yolo": {"bodyshop": _ours, "supervision": _supervision},
        "voc": {"bodyshop": _ours, "supervision": _supervision},
    }  # fmt: skip
    print("| files | reader | read right | refused | wrong | died |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for form, known in readers.items():
            files = {name: files for name, (kind, files) in GOOD.items() if kind == form}
            _row(Path(folder) / form, f"{form} of {len(files)} tools and dialects", form, files,
                 known, _box(10, 10, 40, 30))  # fmt: skip
        broken = {name: {"a.json": document} for name, (document, _) in BAD.items()}
        _row(Path(folder) / "bad", f"coco with a bad entry, {len(broken)} kinds", "coco", broken,
             readers["coco"], _box(50, 10, 60, 20))  # fmt: skip


def _row(
    folder: Path, title: str, form: str, cases: dict[str, Any],
    readers: dict[str, Callable[[str, Path], Masks]], expected: np.ndarray[Any, Any],
) -> None:  # fmt: skip
    for name, read in readers.items():
        found: Counter[str] = Counter()
        for number, files in enumerate(cases.values()):
            source = put(folder / name / str(number), {**files, "a.jpg": picture_bytes(W, H)})
            found[_outcome_apart(read, form, source, expected)] += 1
        counts = " | ".join(str(found[each]) for each in ("right", "refused", "wrong", "died"))
        print(f"| {title} | {name} | {counts} |", flush=True)


def _outcome_apart(
    read: Callable[[str, Path], Masks], form: str, source: Path, expected: np.ndarray[Any, Any]
) -> str:
    """Read a file in a process of its own: a library may take all memory, or be ended."""
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        answers.put(_outcome(lambda: read(form, source), expected))

    child = fork.Process(target=work)
    child.start()
    child.join(60)
    child.kill()
    child.join()
    return "died" if answers.empty() else str(answers.get())


def _outcome(read: Callable[[], Masks], expected: np.ndarray[Any, Any]) -> str:
    silent = (contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()))
    try:
        with silent[0], silent[1]:
            masks = read()
    except Exception:  # noqa: BLE001  whatever a library raises: that it does is the result
        return "refused"
    masks = [_enlarged(mask) for mask in masks if mask.any()]
    right = len(masks) == 1 and _iou(masks[0], expected) >= SAME
    return "right" if right else "wrong"


def _ours(form: str, source: Path) -> Masks:
    picture = CatalogPicture("", BlobRef(source / "a.jpg"), "JPEG", W, H)
    return [
        shape_mask(upright_shape(shape, entry.size, picture), H, W)
        for entry in read_entries(FORMATS[form], source)
        for shape in entry.shapes
    ]


def _pycocotools(form: str, source: Path) -> Masks:
    from pycocotools.coco import COCO

    coco = COCO(_json(source))
    return [coco.annToMask(each) > 0 for each in coco.loadAnns(coco.getAnnIds())]


def _supervision(form: str, source: Path) -> Masks:
    import supervision as sv

    if form == "coco":
        data = sv.DetectionDataset.from_coco(str(source), str(_json(source)), force_masks=True)
    elif form == "voc":
        data = sv.DetectionDataset.from_pascal_voc(
            str(source), str(next(source.rglob("*.[xX][mM][lL]")).parent)
        )
    else:
        labels = next(path for path in source.rglob("a*.txt")).parent
        config = next(iter(source.glob("*.yaml")), source / "data.yaml")
        data = sv.DetectionDataset.from_yolo(
            str(source), str(labels), str(config), force_masks=True
        )
    return [mask for _, _, found in data for mask in _masks_of(found)]


def _masks_of(found: Any) -> Iterator[np.ndarray[Any, Any]]:
    if found.mask is not None:
        yield from found.mask
        return
    for box in found.xyxy:
        yield _box(*(round(float(value)) for value in box))


def _sdk(form: str, source: Path) -> Masks:
    from label_studio_sdk.converter.imports.coco import convert_coco_to_ls

    out = source / "ls" / "tasks.json"
    out.parent.mkdir(exist_ok=True)
    convert_coco_to_ls(str(_json(source)), str(out), out_type="annotations")
    tasks = json.loads(out.read_text())
    if any(each.get("type") == "keypointlabels" for task in tasks
           for said in task["annotations"] for each in said["result"]):  # fmt: skip
        raise ValueError("it makes key points of them")
    return _ours("labelstudio", out)


def _enlarged(mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a mask in the picture's size: libraries keep the size that the file states."""
    rows = np.arange(H) * mask.shape[0] // H
    columns = np.arange(W) * mask.shape[1] // W
    return np.asarray(mask[np.ix_(rows, columns)])


def _json(source: Path) -> Path:
    return next(path for path in sorted(source.rglob("*")) if path.suffix.lower() == ".json")


def _box(left: int, top: int, right: int, bottom: int) -> np.ndarray[Any, Any]:
    mask = np.zeros((H, W), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def _iou(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


if __name__ == "__main__":
    main()
