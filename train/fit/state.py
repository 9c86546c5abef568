"""The state of a stage of training after each epoch, on disk: what survives a kill."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core import atomic
from bodyshop_core.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import keras
    from numpy.typing import NDArray


@dataclass(frozen=True)
class State:
    """Everything that the next epoch depends on.

    Parameters
    ----------
    meta : dict
        JSON-able: the history, and the state of early stopping.
    model : list of ndarray
        Every variable, the random states of dropout layers among them.
    optimizer : list of ndarray
        Its variables.
    best : list of ndarray or None
        The model of the best epoch so far.
    """

    meta: dict[str, Any]
    model: list[NDArray[Any]]
    optimizer: list[NDArray[Any]]
    best: list[NDArray[Any]] | None


def save_state(
    path: Path,
    meta: Mapping[str, Any],
    model: keras.Model,
    optimizer: Any,
    best: Sequence[NDArray[Any]] | None,
) -> None:
    """Write a stage's state, whole or not at all."""
    groups = {
        "model": snapshot(model),
        "optimizer": [variable.numpy() for variable in optimizer.variables],
        "best": best or [],
    }
    arrays: dict[str, Any] = {
        f"{group}{index:05d}": value
        for group, values in groups.items()
        for index, value in enumerate(values)
    }
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    atomic.write_bytes(path, buffer.getvalue())


def load_state(path: Path | None, progress: Progress) -> State | None:
    """Read a stage's state; None when there is none, or when it is damaged (logged)."""
    if path is None or not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as content:
            groups: dict[str, list[NDArray[Any]]] = {"model": [], "optimizer": [], "best": []}
            for name in sorted(content.files):
                if name != "meta":
                    groups[name[:-5]].append(content[name])
            meta = json.loads(content["meta"].tobytes())
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        progress.log(f"{path} is damaged ({error}): this stage starts again")
        return None
    return State(meta, groups["model"], groups["optimizer"], groups["best"] or None)


def take_up(
    path: Path | None, model: keras.Model, optimizer: Any, progress: Progress
) -> State | None:
    """Read a stage's state into model and optimiser; None when there is none to resume."""
    saved = load_state(path, progress)
    if saved is not None:
        restore(model, saved.model)
        restore(optimizer, saved.optimizer)
    return saved


def snapshot(model: keras.Model) -> list[NDArray[Any]]:
    """Copy every variable of a model."""
    return [variable.numpy().copy() for variable in model.variables]


def restore(model: Any, values: Sequence[NDArray[Any]]) -> None:
    """Give every variable of a model or optimiser the value it had."""
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
