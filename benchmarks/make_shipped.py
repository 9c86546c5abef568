"""Make the damage model that comes with the package, and measure it on sources left out.

    python -m benchmarks.make_shipped DATA --work DIR [--only-measure] [--into FOLDER]

DATA holds damage/, masks/, models/, not_car/ and abroad/. Every figure is of photos of sources
that the weights, the calibration and the threshold behind it have not seen; the threshold of a fold
comes from models without both that fold and the one they are asked about. Seen by all: ImageNet
(other photos of it), the principal components (no labels), and the choice of the constants below.
What was computed is kept in --work. Without --only-measure the files in train/windows/shipped/, or
in another folder to compare with it, are written anew, from all sources.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.linalg import eigh

from benchmarks.abroad_photos import Photo, photos
from benchmarks.shipped_card import card
from benchmarks.shipped_cells import look_at_maps, sampled_cells
from benchmarks.shipped_features import look
from benchmarks.shipped_figures import depth_limit, gate_threshold, measure, threshold
from benchmarks.shipped_folds import Data, HeldOut, depth_of, fit, fit_gate, held_out
from bodyshop_core import atomic
from bodyshop_core.imaging import load_rgb
from bodyshop_core.inference import FrozenNetwork
from bodyshop_core.inference.convert import convert
from train.windows.cells import CellHead
from train.windows.classifier import CARD_FILE, MODEL_FILE, NETWORK_FILE, shipped_folder
from train.windows.grid import squeeze
from train.windows.model import DamageModel, digest_of, save_model
from train.windows.network import build_window_network

FEATURES = 512
"""Principal components of the window features that are kept."""

BASIS_PHOTOS, BASIS_WINDOWS = 1200, 10
"""How many photos, and windows of each, the components are computed from."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only-measure", action="store_true")
    parser.add_argument("--into", type=Path, default=shipped_folder())
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    listed = photos(options.data)
    basis = options.work / "basis.npz"
    if not basis.exists():
        make_basis(listed, basis)
    run = FrozenNetwork(base_network(basis))

    def features(squares: np.ndarray) -> np.ndarray:
        return run.run(squares)["windows"]

    parts = [look_at_maps(listed, options.work, cuts=cuts) for cuts in (False, True)]
    data = Data(
        listed,
        look(listed, features, options.work / "whole.npz", cuts=False),
        look(listed, features, options.work / "cuts.npz", cuts=True),
        parts[0],
        sampled_cells(listed, parts, options.work / "cells.npz"),
    )
    held = held_out(data)
    figures = measure(data, held)
    print(json.dumps(figures, indent=1))
    (options.work / "figures.json").write_text(json.dumps(figures, indent=1))
    if options.only_measure:
        return
    folder = options.into
    folder.mkdir(parents=True, exist_ok=True)
    model, head = final_model(data, held)
    with np.load(basis) as stored, atomic.replacing(folder / NETWORK_FILE) as temporary:
        convert(build_window_network(**stored, head=head), temporary, half=True)
    save_model(replace(model, network=digest_of(folder / NETWORK_FILE)), folder / MODEL_FILE)
    with atomic.replacing(folder / CARD_FILE) as temporary:
        temporary.write_text(card(figures), encoding="utf-8")


def make_basis(listed: list[Photo], file: Path) -> None:
    """Find the principal components of the window features."""
    plain = file.with_suffix(".plain.tflite")
    if not plain.exists():
        convert(build_window_network(), plain)
    run, rng = FrozenNetwork(plain), np.random.default_rng(7)
    cars = [photo for photo in listed if photo.label != "none"]
    rows = []
    for place in rng.choice(len(cars), BASIS_PHOTOS, replace=False):
        windows = run.run(squeeze(load_rgb(cars[place].file))[None])["windows"][0]
        rows.append(windows[rng.choice(len(windows), BASIS_WINDOWS, replace=False)])
    matrix = np.concatenate(rows)
    mean, deviation = matrix.mean(axis=0), matrix.std(axis=0) + 1e-3
    matrix = (matrix - mean) / deviation
    size = matrix.shape[1]
    _, vectors = eigh(matrix.T @ matrix / len(matrix), subset_by_index=[size - FEATURES, size - 1])
    projection = (vectors[:, ::-1] / deviation[:, None]).astype(np.float32)
    np.savez(file, projection=projection, offset=(mean @ projection).astype(np.float32))


def base_network(basis: Path) -> Path:
    """Convert the network with its projection and no head, once."""
    file = basis.with_suffix(".tflite")
    if not file.exists():
        with np.load(basis) as stored:
            convert(build_window_network(**stored), file, half=True)
    return file


def final_model(data: Data, held: HeldOut) -> tuple[DamageModel, CellHead]:
    """Fit and calibrate on all sources; the thresholds come from the held-out scores."""
    everything, asked = np.ones(len(data.photos), bool), held.figures
    fitted = fit(data, everything)
    gate = fit_gate(data, everything)
    mean, scale = depth_of(data, everything, fitted.features)
    # the car gate does not look at the cells
    car = [np.append(part, 0.0) for part in np.split(gate.coef_[0], 2)]
    model = DamageModel(
        network="",
        weights=fitted.weights,
        bias=fitted.bias,
        slope=fitted.slope,
        offset=fitted.offset,
        threshold=float(1 / (1 + np.exp(-threshold(data, asked, everything)))),
        car_weights=np.concatenate(car).astype(np.float32),
        car_bias=float(gate.intercept_[0]),
        car_threshold=gate_threshold(data, asked, everything),
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        limit=depth_limit(data, asked, everything),
    )
    return model, fitted.head


if __name__ == "__main__":
    main()
