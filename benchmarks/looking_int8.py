"""What the default gate decides in 8 bits: decisions, scores and CPU time beside float32.

    python -m benchmarks.looking_int8 DATA [--pictures N]
    python -m benchmarks.looking_int8 DATA --keep FILE [--calibration N]

DATA holds damage/, models/, not_car/ and abroad/. The gate of ``precision: int8`` is compared with
the default one on at most N pictures, without those that it was calibrated on. With ``--keep`` the
network is calibrated on N pictures spread over all folders, and written to FILE for
`benchmarks.make_lite0_template`. One thread; the two take turns, square by square.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bodyshop_core.backbones.registry import get
from bodyshop_core.backbones.scorer import scorer_model
from bodyshop_core.backbones.weights import locate
from bodyshop_core.imaging.types import SUFFIXES
from bodyshop_core.inference import FrozenNetwork
from bodyshop_core.workspace import Workspace
from curate import Gate, load_gate
from curate.gate.extract import read_square, score_squares
from curate.gate.stage import open_gate
from curate.policy import GatePolicy, Policy

KINDS = {
    "cars": ("damage", "models", "abroad/damage", "abroad/models", "abroad/closeups"),
    "others": ("not_car", "abroad/not_car"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--calibration", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=1000, help="to compare on, at most")
    parser.add_argument("--keep", type=Path, help="calibrate anew, and write the network here")
    options = parser.parse_args()
    files = [
        (kind, file)
        for kind, places in KINDS.items()
        for place in places
        for file in sorted((options.data / place).rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    every = max(1, len(files) // options.calibration)
    with tempfile.TemporaryDirectory() as folder:
        empty = Workspace.open(Path(folder) / "empty")
        gate = load_gate(empty)
        if options.keep is not None:
            convert(gate, options.keep, squares(gate, files[::every]))
            return
        rounded = open_gate(empty, policy=Policy(gate=GatePolicy(precision="int8")))
        rest = [each for at, each in enumerate(files) if at % every]
        rest = rest[:: max(1, len(rest) // options.pictures)]
        pixels = squares(gate, rest)
        expected, found = (
            score_squares(each.scorer, [""] * len(pixels), list(pixels)) for each in (gate, rounded)
        )
        print(f"{len(pixels)} pictures; {rounded.id}")
        compare(gate, rest, expected, found)
        networks = {"float32": gate, "8 bits": rounded}
        spend({name: FrozenNetwork(each.scorer.file) for name, each in networks.items()}, pixels)


def squares(gate: Gate, files: Sequence[tuple[str, Path]]) -> Any:
    return np.stack([read_square(file, gate.input_size) for _, file in files])


def convert(gate: Gate, file: Path, calibration: Any) -> None:
    """Write the gate's network in 8 bits; input and outputs stay float32."""
    import keras
    import tensorflow as tf

    def each() -> Iterator[list[Any]]:
        for square in calibration:
            yield [square[None].astype(np.float32)]

    top = locate(get(gate.backbone), gate.weights, top=True)
    model = scorer_model(gate.backbone, gate.weights, top)
    shape = (1, *model.inputs[0].shape[1:])
    signature = [keras.InputSpec(shape=shape, dtype="float32", name="pictures")]
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = each
        file.write_bytes(converter.convert())


def compare(gate: Gate, files: Sequence[tuple[str, Path]], expected: Any, found: Any) -> None:
    """Print how the answers differ."""
    a, b = expected.features.astype(np.float32), found.features.astype(np.float32)
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    before, after = gate.read(expected), gate.read(found)
    pairs = list(zip(before, after, strict=True))
    moved = np.array([abs(one.p_car - two.p_car) for one, two in pairs])
    middle, most = np.quantile(moved, [0.5, 0.99])
    print(f"  features: cosine {np.median(cosine):.4f}, smallest {cosine.min():.4f}")
    print(f"  p_car moves by {middle:.4f}, 99 % by less than {most:.3f}, at most {moved.max():.3f}")
    for kind in KINDS:
        own = [pair for (each, _), pair in zip(files, pairs, strict=True) if each == kind]
        print(
            f"  {kind}: {len(own)}, of which {sum(one.is_car for one, _ in own)} pass in float32, "
            f"{sum(two.is_car for _, two in own)} in 8 bits; "
            f"{sum(one.is_car != two.is_car for one, two in own)} are decided differently, "
            f"{sum(one.framing != two.framing for one, two in own)} framed differently"
        )


def spend(networks: dict[str, FrozenNetwork], pixels: Any) -> None:
    """Print the processor time per square, the median of squares seen in turn."""
    spent: dict[str, list[float]] = {name: [] for name in networks}
    for square in pixels[:200]:
        for name, network in networks.items():
            begun = time.process_time()
            network.run(square[None])
            spent[name].append(1e3 * (time.process_time() - begun))
    print("  CPU-ms per square:", {n: round(statistics.median(s), 2) for n, s in spent.items()})


if __name__ == "__main__":
    main()
