"""A run's folder into a classifier of its kind."""

from __future__ import annotations

from pathlib import Path

from bodyshop_core.errors import UsageError
from train.models.classifier import Classifier
from train.models.run_folder import load_record
from train.models.window_run import WindowClassifier


def load_run(folder: Path | str) -> Classifier:
    """Open a finished classifier run; the network itself is loaded on first use.

    Parameters
    ----------
    folder : Path or str
        A run's folder, on this or from another machine.

    Raises
    ------
    UsageError
        The folder is absent, holds no finished run, or the run is no classifier.
    BodyshopError
        A file of the run is missing or damaged.
    """
    record = load_record(folder)
    if record.kind != "classifier":
        raise UsageError(
            f"{folder} holds a {record.kind}, not a classifier",
            hint="load it with train.load_segmenter" if record.kind == "segmenter" else None,
        )
    if record.by_windows:
        return WindowClassifier(Path(folder), record)
    return Classifier(Path(folder), record)
