"""A self-contained run folder: what prediction needs, and the checks on opening one."""

from __future__ import annotations

import csv
import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, UsageError
from bodyshop_core.imaging import Equalise
from train.data.pixels import View
from train.data.samples import SPLITS, is_class_name
from train.recipes.recipe import Recipe, TtaViews
from train.recipes.segment_recipe import SegmentRecipe
from train.recipes.window_recipe import WindowRecipe
from train.windows.classifier import MODEL_FILE as WINDOW_MODEL_FILE

FORMAT = 2
MODEL_FILE = "model.keras"
RECORD_FILE = "run.json"
SAMPLES_FILE = "samples.csv"
NETWORKS_FOLDER = "networks"
"""Converted networks that a run brings along to a machine that can't convert them."""

RECORD_LIMIT = 4 << 20
"""Bytes of ``run.json``; a record takes a few thousand."""

COPY_AGAIN = "copy the whole run folder again"


def _plain_name(name: str) -> str:
    if not name or name in {".", ".."} or set(name) & set("/\\") or not is_class_name(name):
        raise ValueError("a run's name is a folder name, without '/' or control characters")
    return name


def _class_names(classes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(classes)) != len(classes):
        raise ValueError("class names must be unique")
    if not all(is_class_name(name) for name in classes):
        raise ValueError("class names must not be empty or hold control characters")
    return classes


def _equalise_settings(settings: dict[str, int] | None) -> dict[str, int] | None:
    if settings is not None:
        if settings.keys() != {"longest_side", "jpeg_quality"}:
            raise ValueError("equalise has the keys longest_side and jpeg_quality")
        if not (16 <= settings["longest_side"] <= 100_000 and 1 <= settings["jpeg_quality"] <= 100):
            raise ValueError("longest_side is 16 to 100000, jpeg_quality 1 to 100")
    return settings


@dataclass(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class RunRecord:
    """What ``run.json`` holds: how to feed the model and how to read what comes out.

    Every value is checked, since a run folder may come from elsewhere.

    Parameters
    ----------
    run : str
        Its name.
    kind : str
        ``classifier`` or ``segmenter``.
    recipe : dict
        The whole recipe.
    target : str
        ``damage``, ``brand``, ``model``, or ``mask``.
    classes : tuple of str
        In the order of the model's outputs.
    positive : str or None
        With two classes: the one to detect, to which `threshold` applies.
    threshold : float
        A class or pixel is chosen from this probability on, 0 to 1.
    temperature : float
        Divides the logits (see `train.metrics.classification.temper`), above 0.
    side : int
        Of the square input, in pixels, 16 to 4096.
    equalise : dict or None
        Parameters of `bodyshop_core.imaging.Equalise`.
    grey : bool
        Whether colour is removed.
    gate : dict or None
        Name and rule of the gate that goes first, as the caller gave it.
    seed : int
        Of everything random.
    split_set : str
        What it was trained on.
    data : dict
        ``digest`` of the pictures and labels, ``counts`` per split, and ``samples``: the SHA-256 of
        ``samples.csv``.
    versions : dict
        Packages and machine.
    created_at : str
        UTC, ISO 8601.
    extra : dict
        Anything else, such as the size of the network.
    tta_views : tuple of str
        In which of `train.data.pixels.TTA_VIEWS` the model is shown a picture; their mean is the
        prediction.
    """

    run: Annotated[str, Field(max_length=255), AfterValidator(_plain_name)]
    kind: Literal["classifier", "segmenter"]
    recipe: dict[str, Any]
    target: str
    classes: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_class_names)]
    positive: str | None
    threshold: Annotated[float, Field(ge=0, le=1)]
    temperature: Annotated[float, Field(gt=0)]
    side: Annotated[int, Field(ge=16, le=4096)]
    equalise: Annotated[dict[str, int] | None, AfterValidator(_equalise_settings)]
    grey: bool
    gate: dict[str, Any] | None
    seed: int
    split_set: str
    data: dict[str, Any]
    versions: dict[str, Any]
    created_at: str
    extra: dict[str, Any]
    tta_views: TtaViews = ("centre",)

    def __post_init__(self) -> None:
        """Check what depends on several fields."""
        if self.kind == "classifier" and len(self.classes) < 2:
            raise ValueError("a classifier has at least two classes")
        if self.positive is not None and (
            len(self.classes) != 2 or self.positive not in self.classes
        ):
            raise ValueError("positive is one of two classes")
        if self.by_windows:
            if len(self.classes) != 2:
                raise ValueError("a damage model by windows has two classes")
            WindowRecipe.model_validate(self.recipe)
        else:
            model = Recipe if self.kind == "classifier" else SegmentRecipe
            model.model_validate(self.recipe)

    @property
    def by_windows(self) -> bool:
        """Whether this is a damage model by windows, without a Keras network."""
        return self.kind == "classifier" and self.recipe.get("family") == "windows"

    def network_recipe(self) -> Recipe:
        """Return the recipe of a classifier that is a network.

        Raises
        ------
        UsageError
            It is a damage model by windows.
        """
        if self.by_windows:
            raise UsageError(
                f"run '{self.run}' is a damage model by windows: this is for recipes of a network",
                hint="give a run of another recipe; to measure a damage model on other origins, "
                "set splits: {by: origin} in curate.yaml, curate, and train damage --set "
                "near=nothing: its test split is of origins then that were not learned from",
            )
        return Recipe.model_validate(self.recipe)

    @property
    def view(self) -> View:
        """How a picture is converted to the model's input."""
        spec = Equalise(**self.equalise) if self.equalise else None
        return View(self.side, spec, self.grey)


def save_record(folder: Path, record: RunRecord) -> None:
    """Write ``run.json``."""
    write_json(folder / RECORD_FILE, {"format": FORMAT, **asdict(record)})


def load_record(folder: Path | str) -> RunRecord:
    """Read ``run.json``, check every value in it, and check that the folder is complete.

    Raises
    ------
    UsageError
        No such folder, or it is not a run's.
    BodyshopError
        A file is missing, damaged or not valid, or another version of bodyshop wrote it.
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
    if file.stat().st_size > RECORD_LIMIT:
        raise BodyshopError(
            f"{file} is larger than {RECORD_LIMIT >> 20} MiB: it is no run's record"
        )
    data = read_json(file)
    if not isinstance(data, dict):
        raise BodyshopError(f"{file} is not a run's record: it holds no object", hint=COPY_AGAIN)
    written = data.pop("format", None)
    if written != FORMAT:
        raise BodyshopError(
            f"{file} has format {str(written)[:20]}, this bodyshop reads format {FORMAT}",
            hint="use the bodyshop that made it, or train again",
        )
    recipe = data.get("recipe")
    by_windows = isinstance(recipe, dict) and recipe.get("family") == "windows"
    model = WINDOW_MODEL_FILE if by_windows else MODEL_FILE
    if not (folder / model).exists():
        raise BodyshopError(
            f"{folder} has no {model}: it was copied without it", hint="copy the whole folder"
        )
    try:
        return TypeAdapter(RunRecord).validate_python(data)
    except ValidationError as error:
        raise BodyshopError(
            f"{file} is not a valid run record: {_spell(error)}", hint=COPY_AGAIN
        ) from error


def save_samples(folder: Path, splits: Mapping[str, str]) -> str:
    """Write ``samples.csv``: which picture was in which split when the run was trained.

    Parameters
    ----------
    folder : Path
        The run's folder.
    splits : Mapping
        SHA-256 of each original picture -> its split.

    Returns
    -------
    str
        The file's SHA-256, which belongs into the record's ``data`` as ``samples``.
    """
    text = "\n".join(["sha256,split", *(f"{sha},{split}" for sha, split in splits.items())]) + "\n"
    atomic.write_text(folder / SAMPLES_FILE, text)
    return hashlib.sha256(text.encode()).hexdigest()


def pictures_seen(
    folder: Path, record: RunRecord, splits: Sequence[str] = SPLITS
) -> frozenset[str]:
    """Return the SHA-256 of the pictures that were in some splits when a run was trained.

    Parameters
    ----------
    folder : Path
        The run's folder, or that of an exported model.
    record : RunRecord
        Its record.
    splits : Sequence of str
        ``train``, ``validation`` or ``test``.

    Raises
    ------
    BodyshopError
        ``samples.csv`` is missing, or is not the file that was written with the record: it is
        then unknown which pictures the run was trained on.
    """
    file = folder / SAMPLES_FILE
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise BodyshopError(
            f"{folder} has no {SAMPLES_FILE}: it is not known which pictures run '{record.run}' "
            "was trained on",
            hint=f"copy {SAMPLES_FILE} from the run's original folder",
        ) from error
    if hashlib.sha256(content).hexdigest() != record.data.get("samples"):
        raise BodyshopError(
            f"{file} does not belong to {RECORD_FILE}: it was changed, or is from another run",
            hint=f"copy {SAMPLES_FILE} from the run's original folder",
        )
    rows = csv.DictReader(content.decode().splitlines())
    return frozenset(row["sha256"] for row in rows if row["split"] in splits)


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
    except (OSError, ValueError, RecursionError) as error:
        raise BodyshopError(f"{path} can't be read: {error}", hint=COPY_AGAIN) from error


def _spell(error: ValidationError, most: int = 3) -> str:
    """Return the first problems with their places; not the values, which may be of any size."""
    problems = error.errors(include_url=False, include_input=False)
    words = [f"{_place(each['loc'])}: {each['msg']}"[:200] for each in problems[:most]]
    return "; ".join(words) + ("; and more" if len(problems) > most else "")


def _place(location: Iterable[int | str]) -> str:
    name = ".".join(str(part) for part in location)[:80] or "record"
    return "".join(c if unicodedata.category(c)[0] != "C" else "?" for c in name)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    return str(value)
