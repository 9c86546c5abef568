"""Event files that TensorBoard reads, written without the TensorBoard package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bodyshop_core.quiet_tensorflow import import_tensorflow
from train.fit.loop import History


def write_events(folder: Path, histories: Sequence[History]) -> None:
    """Write each stage's epoch figures and step losses as scalars.

    Parameters
    ----------
    folder : Path
        Log directory, one subfolder per stage.
    histories : Sequence of History
        Of a run's stages.
    """
    tf = import_tensorflow()
    for history in histories:
        writer = tf.summary.create_file_writer(str(folder / history.stage))
        with writer.as_default():
            for entry in history.epochs:
                for name in entry.keys() - {"epoch", "seconds"}:
                    _scalar(tf, f"epoch_{name}", entry[name], int(entry["epoch"]))
            for step, loss in enumerate(history.step_losses):
                _scalar(tf, "step_loss", loss, step)
        writer.close()


def _scalar(tf: Any, tag: str, value: float, step: int) -> None:
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    metadata.data_class = 1  # DATA_CLASS_SCALAR
    tf.summary.write(tag, tf.constant(value, tf.float32), step=step, metadata=metadata)
