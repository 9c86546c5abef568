"""Two gates in a row: is it a car, and then what the classifier says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bodyshop.errors import NothingFoundError
from bodyshop.imaging import sniff
from bodyshop.progress import SILENT, Progress
from bodyshop.workspace import Workspace

BATCH = 64
"""Pictures per round; bounds the memory for large folders."""


@dataclass(frozen=True)
class Prediction:
    """What is said about one picture.

    Parameters
    ----------
    picture : str
        The file.
    is_car : bool or None
        The gate's answer; None when the run carries no gate or the picture can't be read.
    p_car : float or None
        Its probability, 0 to 1.
    label : str or None
        The classifier's answer; None for what is no car.
    probability : float or None
        Of that label, 0 to 1, after temperature scaling.
    mask : str or None
        The damage mask's file, with a segmenter.
    run : str
        The run that classified it.
    error : str or None
        Why there is no answer.
    """

    picture: str
    is_car: bool | None
    p_car: float | None
    label: str | None
    probability: float | None
    mask: str | None
    run: str
    error: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the prediction as JSON-able values."""
        return asdict(self)


def predict(
    run: Path, pictures: Sequence[Path], *, progress: Progress = SILENT
) -> list[Prediction]:
    """Gate and classify pictures.

    Parameters
    ----------
    run : Path
        A run's folder; it is self-contained and may come from another machine.
    pictures : sequence of Path
        Picture files, and folders that are searched for pictures.
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
    """
    import train
    from curate import Gate

    files = list_pictures(pictures)
    classifier = train.load_run(run)
    gate = Gate.from_dict(classifier.gate) if classifier.gate else None
    predictions: list[Prediction] = []
    with progress.task("predict", total=len(files)) as tick:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            scores = gate.judge(batch) if gate is not None else [None] * len(batch)
            passed = [
                file
                for file, score in zip(batch, scores, strict=True)
                if score is None or score.is_car
            ]
            answers = dict(zip(passed, classifier.classify(passed, on_error="record"), strict=True))
            for file, score in zip(batch, scores, strict=True):
                predictions.append(_prediction(file, score, answers.get(file), run.name))
            tick(len(batch))
    return predictions


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


def _prediction(file: Path, score: Any, answer: Any, run: str) -> Prediction:
    error = (score.error if score is not None else None) or (answer.error if answer else None)
    return Prediction(
        picture=str(file),
        is_car=score.is_car if score is not None and not score.error else None,
        p_car=score.p_car if score is not None and not score.error else None,
        label=answer.label if answer is not None else None,
        probability=answer.probability if answer is not None else None,
        mask=None,
        run=run,
        error=error,
    )
