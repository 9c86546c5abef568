"""Two gates in a row: is it a car, and then what the classifier says; with a segmenter, where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core.catalog.labels import means_whole
from bodyshop_core.errors import NothingFoundError, UnreadableImageError, UsageError
from bodyshop_core.imaging import load_rgb, sniff
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    from curate import Detector, Gate
    from train import Classifier, Segmenter

BATCH = 64
"""Pictures per round; bounds the memory for large folders."""

"""Labels of pictures in which no damage is looked for."""


@dataclass(frozen=True)
class SeenBox:
    """One car that a detector found in a picture, and what the classifier says about it.

    Parameters
    ----------
    object : str
        What the detector calls it: ``car``, ``truck`` or ``bus``.
    score : float
        The detector's, 0 to 1.
    left, top, right, bottom : float
        0 to 1 of the upright picture's width and height.
    label : str
        The classifier's answer for the cut-out.
    probability : float
        Of that label, 0 to 1, after temperature scaling.
    """

    object: str
    score: float
    left: float
    top: float
    right: float
    bottom: float
    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What is said about one picture.

    Parameters
    ----------
    picture : str
        The file.
    is_car : bool or None
        The gate's answer, or whether the detector found a car; None when there is no gate or the
        picture can't be read.
    p_car : float or None
        Its probability, 0 to 1; with a detector the score of the largest car.
    label : str or None
        The classifier's answer, with a detector for the largest car; None for what is no car.
    probability : float or None
        Of that label, 0 to 1, after temperature scaling.
    mask : str or None
        The damage mask's file, with a segmenter that found damage.
    run : str
        The run that classified it.
    error : str or None
        Why there is no answer.
    boxes : tuple of SeenBox or None
        Every car that a detector found, the largest first; None without a detector.
    """

    picture: str
    is_car: bool | None
    p_car: float | None
    label: str | None
    probability: float | None
    mask: str | None
    run: str
    error: str | None
    boxes: tuple[SeenBox, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the prediction as JSON-able values."""
        return asdict(self)


def predict(
    run: Path,
    pictures: Sequence[Path],
    *,
    segmenter: Path | None = None,
    detector: Path | None = None,
    out: Path | None = None,
    annotate: bool = False,
    progress: Progress = SILENT,
) -> list[Prediction]:
    """Gate and classify pictures, and mark the damage.

    Parameters
    ----------
    run : Path
        A classifier run's folder; it is self-contained and may come from another machine.
    pictures : sequence of Path
        Picture files, and folders that are searched for pictures.
    segmenter : Path, optional
        A segmenter run's folder: writes a mask for every car that is not called whole.
    detector : Path, optional
        A COCO SSD ``.tflite`` file: each car is found, cut out and classified alone. A picture in
        which it finds none, such as a close-up of damage, is gated and classified as a whole.
    out : Path, optional
        Folder for masks and annotated pictures.
    annotate : bool
        Write every picture with what was said about it.
    progress : Progress
        Told how far it is.

    Returns
    -------
    list of Prediction
        One per picture, in order; an unreadable picture has its error.

    Raises
    ------
    NothingFoundError
        There is no picture.
    UsageError
        Masks or annotated pictures have no folder to go to, the run learned from cut-outs and there
        is no detector, or a file is not what it should be.
    """
    import train
    from bodyshop.gate_of_run import gate_of
    from curate import Detector

    if out is None and (segmenter is not None or annotate):
        raise UsageError("masks and annotated pictures need a folder", hint="add --out FOLDER")
    files = list_pictures(pictures)
    classifier = train.load_run(run)
    if detector is None and classifier.record.recipe.get("data", {}).get("crop") == "car":
        raise UsageError(
            f"run {classifier.record.run} learned from cut-out cars, which have to be found first",
            hint="add --detector FILE.tflite, the detector that curate was given",
        )
    eyes = _Eyes(
        classifier,
        gate_of(classifier),
        Detector(detector) if detector is not None else None,
        train.load_segmenter(segmenter) if segmenter is not None else None,
    )
    predictions: list[Prediction] = []
    with progress.task("predict", total=len(files)) as tick:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            answers = eyes.detect(batch) if eyes.detector is not None else [None] * len(batch)
            left = [file for file, answer in zip(batch, answers, strict=True) if answer is None]
            whole = iter(eyes.look(left))
            found = [answer or next(whole) for answer in answers]
            if out is not None:
                found = [
                    _drawn(eyes, one, out, start + place, annotate)
                    for place, one in enumerate(found)
                ]
            if eyes.detector is not None:
                found = [replace(one, boxes=one.boxes or ()) for one in found]
            predictions += found
            tick(len(batch))
    return predictions


@dataclass(frozen=True)
class _Eyes:
    """Everything that looks at a picture."""

    classifier: Classifier
    gate: Gate | None
    detector: Detector | None
    segmenter: Segmenter | None

    @property
    def run(self) -> str:
        return self.classifier.folder.name

    def look(self, files: Sequence[Path]) -> list[Prediction]:
        """Gate whole pictures and classify those that pass."""
        scores = self.gate.judge(files) if self.gate is not None else [None] * len(files)
        passed = [
            file for file, score in zip(files, scores, strict=True) if score is None or score.is_car
        ]
        said = self.classifier.classify(passed, on_error="record")
        answers = dict(zip(passed, said, strict=True))
        found = []
        for file, score in zip(files, scores, strict=True):
            answer = answers.get(file)
            error = (score.error if score is not None else None) or (
                answer.error if answer else None
            )
            known = score is not None and not score.error
            found.append(
                Prediction(
                    picture=str(file),
                    is_car=score.is_car if score is not None and known else None,
                    p_car=score.p_car if score is not None and known else None,
                    label=answer.label if answer is not None else None,
                    probability=answer.probability if answer is not None else None,
                    mask=None,
                    run=self.run,
                    error=error,
                )
            )
        return found

    def detect(self, files: Sequence[Path]) -> list[Prediction | None]:
        """Classify each car that the detector finds; None for a picture without one."""
        from curate.gate.detector import classify_boxes

        found: list[Prediction | None] = []
        for file in files:
            try:
                rgb = load_rgb(file)
            except UnreadableImageError as error:
                found.append(self._unread(file, str(error)))
                continue
            assert self.detector is not None
            judged = classify_boxes(rgb, self.detector, self.classifier.classify)
            boxes = tuple(
                SeenBox(
                    object=box.label,
                    score=round(box.score, 4),
                    left=round(box.left, 4),
                    top=round(box.top, 4),
                    right=round(box.right, 4),
                    bottom=round(box.bottom, 4),
                    label=str(answer.label),
                    probability=float(answer.probability or 0.0),
                )
                for box, answer in judged
            )
            found.append(self._boxed(file, boxes) if boxes else None)
        return found

    def _boxed(self, file: Path, boxes: tuple[SeenBox, ...]) -> Prediction:
        main = boxes[0]
        return Prediction(
            str(file), True, main.score, main.label, main.probability, None, self.run, None, boxes
        )

    def _unread(self, file: Path, error: str) -> Prediction:
        return Prediction(str(file), None, None, None, None, None, self.run, error)


def _drawn(eyes: _Eyes, one: Prediction, out: Path, number: int, annotate: bool) -> Prediction:
    """Write the mask and the annotated picture of one prediction; returns it with the mask."""
    from bodyshop.annotate import draw, save_masks

    if one.error is not None:
        return one
    name = f"{number:05d}-{Path(one.picture).stem}"
    masks = {}
    if eyes.segmenter is not None and one.label is not None and not means_whole(one.label):
        masks = eyes.segmenter.segment([Path(one.picture)])[0].masks
        if masks:
            mask = save_masks(masks, out, name, split=len(eyes.segmenter.classes) > 1)
            one = replace(one, mask=str(mask))
    if annotate:
        draw(one, masks, out / f"{name}.jpg")
    return one


def find_run(workspace: Path, run: str | None) -> Path:
    """Return the folder of a run.

    Parameters
    ----------
    workspace : Path
        The workspace folder.
    run : str or None
        A run's id, a run's folder, or None for the newest finished classifier.

    Raises
    ------
    NothingFoundError
        There is no such run.
    UsageError
        The folder holds no classifier.
    """
    import train

    folder = Path(run) if run is not None else None
    opened = None if folder and folder.is_dir() else Workspace.open(workspace, create=False)
    return Path(train.resolve_run(run, opened).folder)


def find_segmenter(workspace: Path, run: str) -> Path:
    """Return the folder of a segmenter run, given its id or folder.

    Raises
    ------
    NothingFoundError
        There is no such run.
    """
    for folder in (Path(run), workspace / "runs" / run):
        if folder.is_dir():
            return folder
    raise NothingFoundError(
        f"there is no segmenter run '{run}'", hint="train one: bodyshop train segment"
    )


def list_pictures(places: Sequence[Path]) -> list[Path]:
    """Return files as given, and of folders every file that starts like a picture, sorted.

    Raises
    ------
    NothingFoundError
        A place is absent, or nothing in the folders is a picture.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            files += [path for path in sorted(place.rglob("*")) if _looks_like_picture(path)]
        elif place.exists():
            files.append(place)
        else:
            raise NothingFoundError(f"{place} is not there")
    if not files:
        raise NothingFoundError(f"no picture in {', '.join(map(str, places))}")
    return files


def _looks_like_picture(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return sniff(stream.read(16)) is not None
