"""Every stage goes through the stores: nothing needs pictures or masks below the workspace."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from blob_stores import make_store
from curated import fill, splits
from filling import pretend_scores
from PIL import Image

import augment
import curate
from bodyshop.versions.page import _thumbnails
from bodyshop_core.catalog import now, schema
from bodyshop_core.errors import LostBlobError, UsageError
from bodyshop_core.imaging import load_rgb
from bodyshop_core.progress import SILENT
from bodyshop_core.workspace import Workspace
from bodyshop_core.workspace_settings import derived_files
from curate.gate_fitting.fit import _reviewed
from curate.gate_fitting.groups import group_examples
from curate.verdicts.explain import explain
from labeling.exchange.mask_export import _copy
from labeling.records.pictures import load_pictures
from labeling.sync.picture_urls import picture_urls_for
from train.data.pixels import View, squares
from train.data.samples import load_samples


@pytest.fixture
def away(tmp_path):
    """Return a curated workspace whose originals, masks and variants are elsewhere, by fsspec."""
    pytest.importorskip("fsspec", reason="the extra 's3' is not installed")
    workspace = Workspace.open(tmp_path / "workspace")
    workspace.blobs = make_store("file", tmp_path / "store").store
    workspace.derived = derived_files(workspace.root, workspace.blobs)
    fill(workspace, 12)
    pretend_scores(workspace)
    curate.curate(workspace, workers=1)
    assert not (workspace.root / "blobs").exists()
    return workspace


def test_training_and_augmenting_read_from_the_store(away, tmp_path):
    summary = augment.augment(away, "light", copies=1, workers=0)
    assert summary.variants > 0 and not summary.failed
    checked = augment.verify(away)
    assert (checked.different, checked.not_reproducible) == ((), ())
    assert augment.augment(away, "light", copies=1, workers=0).made == 0
    assert not list(away.variants.rglob("*.jpg"))
    samples = load_samples(away)
    view = View(32)
    shown = list(squares([sample.source for sample in samples.items], view))
    assert len(shown) == len(samples.items) > 12 and all(each.std() > 0 for each in shown)


def test_labelers_and_their_models_get_the_pictures_as_files(away, tmp_path):
    picture = load_pictures(away)[0]
    with Image.open(picture.path) as image:  # as a model of a user's own may do
        assert image.size == (picture.width, picture.height)
    _copy(picture, tmp_path / "copy.jpg")
    assert (tmp_path / "copy.jpg").read_bytes() == picture.path.read()
    client = SimpleNamespace(connection=SimpleNamespace(document_root=away.root, url="http://ls"))
    for mode, prefix in (("local", None), ("url", "https://example.org/workspace")):
        with pytest.raises(UsageError, match="does not reach"):
            picture_urls_for(away, client, 1, mode, prefix)
    urls = picture_urls_for(away, client, 1, "auto", None)
    assert urls.mode == "upload" and urls._file(picture).read_bytes() == picture.path.read()


def test_pages_and_examples_read_from_the_store_and_pass_over_what_is_lost(away):
    names = sorted(splits(away))
    assert explain(away, names[0]).facts["file"].startswith("file://")
    row = {"sha256": names[0], "decision": "keep", "framing": None, "note": None, "by": "me"}
    away.catalog.upsert(schema.decisions, [row | {"at": now()}])
    (example,) = _reviewed(away)
    assert group_examples([example, example])[0] == group_examples([example])[0]
    away.blobs.remove([names[1]])
    assert set(_thumbnails(away, names[:2], SILENT)) == {names[0]}
    with pytest.raises(LostBlobError):
        load_rgb(away.picture(names[1]))
    assert np.asarray(load_rgb(away.picture(names[0]))).ndim == 3
