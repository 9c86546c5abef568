"""A run's folder: everything a prediction needs, and nothing that points outside of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import Equalise
from train.data.pixels import View

FORMAT = 2
MODEL_FILE = "model.keras"
RECORD_FILE = "run.json"
SAMPLES_FILE = "samples.csv"


@dataclass(frozen=True)
class RunRecord:
    """What ``run.json`` holds: how to feed the model and how to read what comes out.

    Parameters
    ----------
    run : str
        Its name.
    kind : str
        ``classifier`` or ``segmenter``.
    recipe : Mapping
        The whole recipe.
    target : str
        ``damage``, ``brand`` or ``model``.
    classes : tuple of str
        In the order of the model's outputs.
    positive : str or None
        With two classes: the one looked for, to which `threshold` applies.
    threshold : float
        Chosen from this probability on.
    temperature : float
        Divides the logits (see `train.metrics.classification.temper`).
    side : int
        Of the square input, in pixels.
    equalise : Mapping or None
        Parameters of `bodyshop_core.imaging.Equalise`.
    grey : bool
        Whether colour is taken out.
    gate : Mapping or None
        Name and rule of the gate that goes first, as the caller gave it.
    seed : int
        Of everything random.
    split_set : str
        What it was trained on.
    data : Mapping
        ``digest`` of the pictures and labels, ``counts`` per split and class.
    versions : Mapping
        Packages and machine.
    created_at : str
        UTC, ISO 8601.
    extra : Mapping
        Anything else, such as the size of the network.
    tta_views : tuple of str
        In which of `train.data.pixels.TTA_VIEWS` the model is shown a picture; their mean is the
        prediction.
    """

    run: str
    kind: str
    recipe: Mapping[str, Any]
    target: str
    classes: tuple[str, ...]
    positive: str | None
    threshold: float
    temperature: float
    side: int
    equalise: Mapping[str, Any] | None
    grey: bool
    gate: Mapping[str, Any] | None
    seed: int
    split_set: str
    data: Mapping[str, Any]
    versions: Mapping[str, Any]
    created_at: str
    extra: Mapping[str, Any]
    tta_views: tuple[str, ...] = ("centre",)

    @property
    def view(self) -> View:
        """How a picture is brought to the model's input."""
        spec = Equalise(**self.equalise) if self.equalise else None
        return View(self.side, spec, self.grey)


def save_record(folder: Path, record: RunRecord) -> None:
    """Write ``run.json``."""
    data = {"format": FORMAT, **asdict(record)}
    write_json(folder / RECORD_FILE, data)


def load_record(folder: Path | str) -> RunRecord:
    """Read ``run.json`` and check that the folder is whole.

    Raises
    ------
    UsageError
        No such folder, or it is not a run's.
    BodyshopError
        A file is missing or damaged, or another version of bodyshop wrote it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="give a run's folder or its name")
    file = folder / RECORD_FILE
    if not file.exists():
        unfinished = (folder / "plan.json").exists()
        raise UsageError(
            f"{folder} holds an unfinished run" if unfinished else f"{folder} holds no run",
            hint=f"finish it with: bodyshop train --resume {folder.name}"
            if unfinished
            else f"a run's folder has {RECORD_FILE} and {MODEL_FILE}",
        )
    data = read_json(file)
    if data.get("format") != FORMAT:
        raise BodyshopError(
            f"{file} has format {data.get('format')}, this bodyshop reads format {FORMAT}",
            hint="use the bodyshop that made it, or train again",
        )
    if not (folder / MODEL_FILE).exists():
        raise BodyshopError(
            f"{folder} has no {MODEL_FILE}: it was copied without it",
            hint="copy the whole run folder",
        )
    data.pop("format")
    try:
        data["classes"] = tuple(data["classes"])
        data["tta_views"] = tuple(data.get("tta_views", ("centre",)))
        return RunRecord(**data)
    except (TypeError, KeyError) as error:
        raise BodyshopError(f"{file} is not a run's record: {error}") from error


def load_model(folder: Path, record: RunRecord) -> Any:
    """Load ``model.keras`` and check that it fits the record.

    Raises
    ------
    BodyshopError
        The file is damaged, or takes or gives other shapes than the record says.
    """
    from bodyshop_core.backbones.quiet_tensorflow import import_tensorflow

    import_tensorflow()
    import keras

    file = folder / MODEL_FILE
    try:
        # Safe mode refuses code inside the file: a run's folder may come from anywhere.
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly anything on a damaged or foreign file
        written = record.versions.get("keras")
        raise BodyshopError(
            f"{file} can't be loaded (written by Keras {written}, this is {keras.__version__}): "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}",
            hint="copy the run folder again, or install the Keras version that wrote it",
        ) from error
    side = model.input_shape[1]
    if model.input_shape[1:] != (record.side, record.side, 3):
        raise BodyshopError(
            f"{file} takes pictures of {side} x {model.input_shape[2]} pixels, "
            f"but {RECORD_FILE} says {record.side}",
            hint="the two files are from different runs: copy the whole run folder",
        )
    outputs = model.output_shape[-1]
    if record.kind == "classifier" and outputs not in (
        {1, 2} if len(record.classes) == 2 else {len(record.classes)}
    ):
        raise BodyshopError(
            f"{file} has {outputs} outputs, but {RECORD_FILE} names {len(record.classes)} classes",
            hint="the two files are from different runs: copy the whole run folder",
        )
    return model


def write_json(path: Path, data: Any) -> None:
    """Write readable JSON atomically."""
    atomic.write_text(path, json.dumps(data, ensure_ascii=False, indent=1, default=_plain) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises
    ------
    BodyshopError
        The file is absent or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BodyshopError(
            f"{path} can't be read: {error}", hint="copy the whole run folder again"
        ) from error


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    return str(value)
