"""What `export` writes is read by the programs it is written for."""

from __future__ import annotations

from pathlib import Path

import pytest
from consumers import Reader

from bodyshop.export import export
from bodyshop_core.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Curated = tuple[Workspace, list[str]]

DATASETS = """
    import json, sys
    import datasets
    datasets.disable_progress_bars()
    sets = datasets.load_dataset(sys.argv[1])
    label = sets["train"].features["label"]
    rows = [row for part in sets.values() for row in part]
    print(json.dumps({
        "splits": {name: len(part) for name, part in sets.items()},
        "labels": sorted(label.int2str(row["label"]) for row in rows),
        "kind": type(label).__name__,
        "masks": [[row["mask_classes"], [mask.size == row["image"].size for mask in row["masks"]],
                   [sum(mask.convert("L").histogram()[128:]) for mask in row["masks"]]]
                  for row in rows if row["masks"]],
    }))
"""


def test_datasets_reads_labels_as_classes_and_masks_as_pictures(
    curated: Curated, reader: Reader, tmp_path: Path
) -> None:
    workspace, _ = curated
    export(workspace, "hf", tmp_path / "out")
    seen = reader(DATASETS, tmp_path / "out")
    assert seen["splits"] == {"train": 3, "validation": 2, "test": 1}
    assert seen["kind"] == "ClassLabel"
    assert seen["labels"] == ["whole"] * 3 + ["파손"] * 3
    boxes = sorted(seen["masks"], key=lambda each: each[2])
    assert boxes == [[["scratch"], [True], [128]], [["scratch"], [True], [189]]]


CROISSANT = """
    import json, logging, sys
    from absl import logging as absl_logging
    told = []
    class Listener(logging.Handler):
        def emit(self, record):
            told.append(record.getMessage())
    absl_logging.get_absl_logger().addHandler(Listener(logging.WARNING))
    logging.getLogger().addHandler(Listener(logging.WARNING))
    import mlcroissant
    data = mlcroissant.Dataset(jsonld=sys.argv[1])
    issues = data.metadata.ctx.issues
    rows = list(data.records("pictures"))
    print(json.dumps({"told": told, "issues": [*issues.errors, *issues.warnings],
                      "pictures": len(rows), "sizes": sorted(
                          row["pictures/picture"].size for row in rows)}))
"""


def test_mlcroissant_reads_every_picture_without_a_warning(
    curated: Curated, reader: Reader, tmp_path: Path
) -> None:
    workspace, _ = curated
    export(workspace, "croissant", tmp_path / "out")
    seen = reader(CROISSANT, tmp_path / "out" / "croissant.json")
    assert (seen["told"], seen["issues"]) == ([], [])
    assert seen["sizes"] == [[48, 32]] * 6


WEBDATASET = """
    import json, sys
    from pathlib import Path
    import webdataset
    shards = sorted(map(str, Path(sys.argv[1]).glob("*.tar")))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil"))
    seen = []
    for sample in samples:
        picture = sample.get("jpg", sample.get("png"))
        mask = sample.get("mask0.png")
        seen.append([sample["cls"], sample["json"]["label"],
                     mask and [mask.size == picture.size, sorted(sample["json"]["masks"])]])
    print(json.dumps(sorted(seen, key=str)))
"""


def test_webdataset_decodes_pictures_classes_and_masks(
    curated: Curated, reader: Reader, tmp_path: Path
) -> None:
    workspace, _ = curated
    export(workspace, "webdataset", tmp_path / "out")
    mask = [True, ["scratch"]]
    assert reader(WEBDATASET, tmp_path / "out") == [
        *[[0, "whole", None]] * 3, [1, "파손", None], *[[1, "파손", mask]] * 2
    ]  # fmt: skip


def test_keras_reads_class_folders_as_a_tf_data_set(curated: Curated, tmp_path: Path) -> None:
    import keras

    workspace, _ = curated
    export(workspace, "imagefolder", tmp_path / "out")
    data = keras.utils.image_dataset_from_directory(
        tmp_path / "out" / "train", image_size=(32, 48), batch_size=2, verbose=False
    )
    assert data.class_names == ["whole", "파손"]
    labels = [int(label) for _, batch in data for label in batch]
    assert sorted(labels) == [0, 1, 1]


def test_a_tf_data_pipeline_reads_pictures_with_their_labels_and_masks(
    curated: Curated, tmp_path: Path
) -> None:
    import pyarrow.parquet as parquet
    import tensorflow as tf

    workspace, _ = curated
    export(workspace, "hf", tmp_path / "out")
    folder = tmp_path / "out" / "train"
    columns = parquet.read_table(folder / "metadata.parquet").to_pydict()
    data = tf.data.Dataset.from_tensor_slices(
        (columns["file_name"], columns["label"],
         tf.ragged.constant(columns["masks_file_names"], dtype=tf.string))
    )  # fmt: skip

    def decoded(name: tf.Tensor, channels: int) -> tf.Tensor:
        content = tf.io.read_file(tf.strings.join([f"{folder}/", name]))
        return tf.io.decode_image(content, channels, expand_animations=False)

    def loaded(name: tf.Tensor, label: tf.Tensor, masks: tf.Tensor) -> tuple[tf.Tensor, ...]:
        picture = decoded(name, 3)
        mask = tf.zeros(tf.shape(picture)[:2], tf.uint8)
        for file in masks:
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(mask, tf.TensorShape([None, None]))]
            )
            # A picture and a mask of different shapes are an error here.
            mask = tf.maximum(mask, decoded(file, 1)[:, :, 0])
        return picture, label, mask

    rows = [
        (tuple(picture.shape), int(label), int(tf.math.count_nonzero(mask)))
        for picture, label, mask in data.map(loaded).as_numpy_iterator()
    ]
    # The second photo is turned by EXIF, which TensorFlow ignores: it is written upright.
    assert sorted(rows) == [
        ((32, 48, 3), 0, 0), ((32, 48, 3), 1, 128), ((48, 32, 3), 1, 189)
    ]  # fmt: skip


IMAGE_FOLDER = """
    import json, sys
    from torchvision.datasets import ImageFolder
    data = ImageFolder(sys.argv[1])
    print(json.dumps([data.classes, sorted(label for _, label in data)]))
"""


@pytest.mark.long
def test_torchvision_reads_class_folders(
    curated: Curated, heavy_reader: Reader, tmp_path: Path
) -> None:
    workspace, _ = curated
    export(workspace, "imagefolder", tmp_path / "out")
    assert heavy_reader(IMAGE_FOLDER, tmp_path / "out" / "train") == [["whole", "파손"], [0, 1, 1]]
