"""What becomes of drawn instances: import against pycocotools, and the way through every format.

    pip install pycocotools
    python -m benchmarks.masks ../shared/data/masks ../shared/data/abroad/masks/* --pictures 60 30

Each folder is a COCO set (annotations.json, images/). Its first pictures are imported into a
temporary workspace. The first table compares the mask of each instance there with `annToMask` of
pycocotools on the source file. The second exports the first set in every format, imports that into
a second workspace with the same pictures, and compares the instances of both.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import mean
from time import perf_counter

import numpy as np

from bodyshop_core.workspace import Workspace
from collector import import_folder
from labeling import export_masks, import_masks
from labeling.formats.instances import shape_mask
from labeling.formats.shapes import Shape
from labeling.formats.table import FORMATS
from labeling.records.pictures import load_pictures
from labeling.records.regions import current_instances

Instances = dict[str, list[tuple[str, np.ndarray]]]
"""sha256 -> class and mask of every instance."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, nargs=2, default=[60, 30],
                        help="of the first set, and of each other")  # fmt: skip
    options = parser.parse_args()
    print("| set | annotations in | instances out | IoU mean | IoU min | import |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        first = None
        for number, source in enumerate(options.sets):
            place = root / str(number)
            _part_of(source, place / "set", options.pictures[number > 0])
            workspace = Workspace.open(place / "workspace")
            import_folder(place / "set" / "images", workspace, label="damaged")
            started = perf_counter()
            import_masks(workspace, "coco", place / "set")
            seconds = perf_counter() - started
            found = _instances(workspace)
            truth = _by_pycocotools(place / "set")
            scores = _scores(truth, _by_name(place / "set" / "images", found), within_class=False)
            count = sum(map(len, found.values()))
            print(
                f"| {'/'.join(source.parts[-2:])} | {sum(map(len, truth.values()))} | {count} "
                f"| {mean(scores):.3f} | {min(scores):.3f} | {seconds:.1f} s |",
                flush=True,
            )
            first = first or (workspace, place, found)
        if first is not None:
            _through_formats(*first, root)


def _through_formats(workspace: Workspace, place: Path, found: Instances, root: Path) -> None:
    print("\n| format | instances out | instances back | IoU mean | IoU min | export | import |")
    print("|---|---|---|---|---|---|---|")
    count = sum(map(len, found.values()))
    for name in FORMATS:
        started = perf_counter()
        export_masks(workspace, name, root / name, with_pictures=True)
        exported = perf_counter() - started
        other = Workspace.open(root / f"w-{name}")
        import_folder(place / "set" / "images", other, label="damaged")
        started = perf_counter()
        import_masks(other, name, root / name)
        imported = perf_counter() - started
        back = _instances(other)
        scores = _scores(found, back, within_class=True)
        print(
            f"| {name} | {count} | {sum(map(len, back.values()))} | {mean(scores):.4f} "
            f"| {min(scores):.4f} | {exported:.1f} s | {imported:.1f} s |",
            flush=True,
        )


def _part_of(source: Path, dest: Path, most: int) -> None:
    """Copy the first pictures of a COCO set and their annotations."""
    data = json.loads((source / "annotations.json").read_text())
    drawn = {each["image_id"] for each in data["annotations"]}
    images = [image for image in data["images"] if image["id"] in drawn][:most]
    chosen = {image["id"] for image in images}
    (dest / "images").mkdir(parents=True)
    for image in images:
        name = Path(image["file_name"]).name
        shutil.copyfile(source / "images" / name, dest / "images" / name)
    data["images"] = images
    data["annotations"] = [each for each in data["annotations"] if each["image_id"] in chosen]
    (dest / "annotations.json").write_text(json.dumps(data))


def _by_pycocotools(folder: Path) -> Instances:
    from pycocotools.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(folder / "annotations.json")
    found: Instances = {}
    for image in coco.loadImgs(coco.getImgIds()):
        name = Path(image["file_name"]).name
        for each in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
            mask = coco.annToMask(each).astype(bool)
            found.setdefault(name, []).append((str(each["category_id"]), mask))
    return found


def _instances(workspace: Workspace) -> Instances:
    sizes = {picture.sha256: picture for picture in load_pictures(workspace)}

    def masks(picture: str, shapes: Sequence[Shape]) -> list[tuple[str, np.ndarray]]:
        size = sizes[picture]
        return [(shape.label, shape_mask(shape, size.height, size.width)) for shape in shapes]

    found = current_instances(workspace)
    return {picture: masks(picture, each.shapes()) for picture, each in found.items()}


def _by_name(folder: Path, found: Instances) -> Instances:
    names = {sha256(file.read_bytes()).hexdigest(): file.name for file in folder.iterdir()}
    return {names[picture]: instances for picture, instances in found.items()}


def _scores(truth: Instances, found: Instances, *, within_class: bool) -> list[float]:
    """Return for each true instance the IoU of the best one that is left; 0 if none is."""
    scores = []
    for key, instances in truth.items():
        left = list(found.get(key, []))
        for label, mask in instances:
            best, place = 0.0, None
            for number, (other, candidate) in enumerate(left):
                if candidate.shape != mask.shape or (within_class and other != label):
                    continue
                score = float((mask & candidate).sum() / max(1, (mask | candidate).sum()))
                if score > best:
                    best, place = score, number
            if place is not None:
                left.pop(place)
            scores.append(best)
    return scores


if __name__ == "__main__":
    main()
