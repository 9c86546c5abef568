"""Loading a run's network from a file that may come from elsewhere."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop_core.errors import BodyshopError
from train.models.run_folder import COPY_AGAIN, MODEL_FILE, RECORD_FILE, RunRecord

if TYPE_CHECKING:
    import keras

CONFIG_LIMIT = 64 << 20
"""Bytes of the unpacked description of a network; that of a large backbone takes half a million."""

OTHER_RUN = "the two files are from different runs: copy the whole run folder"


def load_model(folder: Path, record: RunRecord) -> keras.Model:
    """Load ``model.keras`` and check that it fits the record.

    Raises
    ------
    BodyshopError
        The file is damaged, takes or gives other shapes than the record says, or holds weights that
        are no numbers.
    """
    from bodyshop_core.quiet_tensorflow import import_tensorflow

    file = folder / MODEL_FILE
    _check_archive(file)
    import_tensorflow()
    import keras

    try:
        # Safe mode refuses code inside the file: a run's folder may come from anywhere.
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
        takes, gives = tuple(model.input_shape), tuple(model.output_shape)
    except Exception as error:  # Keras raises nearly anything on a damaged or foreign file
        written = str(record.versions.get("keras"))[:20]
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise BodyshopError(
            f"{file} can't be loaded (written by Keras {written}, this is {keras.__version__}): "
            f"{reason}",
            hint="copy the run folder again, or install the Keras version that wrote it",
        ) from error
    side = record.side
    if takes[1:] != (side, side, 3):
        raise BodyshopError(
            f"{file} takes pictures of {' x '.join(map(str, takes[1:3]))} pixels, "
            f"but {RECORD_FILE} says {side}",
            hint=OTHER_RUN,
        )
    if gives[1:] not in output_shapes(record):
        raise BodyshopError(
            f"{file} gives {' x '.join(map(str, gives[1:]))} outputs, but {RECORD_FILE} names "
            f"{len(record.classes)} classes of a {record.kind}",
            hint=OTHER_RUN,
        )
    _check_weights(file, model)
    return model


def output_shapes(record: RunRecord) -> set[tuple[int, ...]]:
    """Return the shapes of one picture's outputs that fit a record."""
    count = len(record.classes)
    if record.kind == "segmenter":
        return {(record.side, record.side, count)}
    return {(1,), (2,)} if count == 2 else {(count,)}


def _check_archive(file: Path) -> None:
    """Refuse an archive whose description unpacks to more than any network needs."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise BodyshopError(f"{file} can't be loaded: {error}", hint=COPY_AGAIN) from error
    for entry in entries:
        if entry.filename.endswith(".json") and entry.file_size > CONFIG_LIMIT:
            raise BodyshopError(
                f"{file} can't be loaded: {entry.filename[:80]!r} in it unpacks to "
                f"{entry.file_size >> 20} MiB"
            )


def _check_weights(file: Path, model: Any) -> None:
    for weight in model.weights:
        values = np.asarray(weight.numpy())
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BodyshopError(
                f"{file} holds weights that are NaN or infinite ({weight.path})",
                hint=f"train again with a lower learning rate, or {COPY_AGAIN}",
            )
