"""Converted networks for machines without TensorFlow: out of the cache, into runs, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bodyshop_core.errors import NothingFoundError
from bodyshop_core.inference.carrying import converted_networks, pack_networks, unpack_networks
from bodyshop_core.inference.convert import cache_folder
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary


@dataclass(frozen=True)
class CarriedNetwork(Summary):
    """One converted network.

    Parameters
    ----------
    file : Path
        Where it is now.
    of : str
        What it is of, for people to read.
    bytes : int
        Its size.
    """

    file: Path
    of: str
    bytes: int


@dataclass(frozen=True)
class NetworksSummary(Summary):
    """The networks that were written.

    Parameters
    ----------
    folder : Path
        Where to.
    networks : tuple of CarriedNetwork
        The files.
    """

    folder: Path
    networks: tuple[CarriedNetwork, ...]


def networks_of_run(run: Path, *, progress: Progress = SILENT) -> dict[Path, str]:
    """Return the converted networks of a run, its gate's included; converts what is missing.

    Parameters
    ----------
    run : Path
        Folder of a classifier or segmenter run. A damage model by windows has its network in the
        folder as it is.
    progress : Progress
        Told when a network is converted.

    Raises
    ------
    UsageError
        The folder holds no finished run.
    BodyshopError
        A network can't be converted.
    MissingPartError
        The weights of its gate are not available.
    """
    import train
    from bodyshop.prediction.gate import gate_of
    from bodyshop_core.backbones import Scorer
    from train.models.run_folder import load_record

    record = load_record(run)
    classifier = train.load_run(run) if record.kind == "classifier" else None
    opened = classifier or train.load_segmenter(run)
    if not opened.use_litert(convert=False):
        progress.log(f"run {record.run}: the network is converted for LiteRT")
        opened.use_litert()
    files = {opened.network_file: f"network of run {record.run}"}
    gate = gate_of(classifier) if classifier is not None else None
    if gate is not None:
        scorer = Scorer(gate.backbone, gate.weights, carried=gate.carried, converted=True)
        files[scorer.file] = f"gate {gate.backbone}"
    return {file: of for file, of in files.items() if file is not None}


def bring_along(run: Path, *, progress: Progress = SILENT) -> NetworksSummary:
    """Put the converted networks of a run into its folder: it then predicts without TensorFlow."""
    from train.models.run_folder import NETWORKS_FOLDER

    folder = run / NETWORKS_FOLDER
    return _packed(networks_of_run(run, progress=progress), folder)


def export_networks(
    folder: Path,
    *,
    runs: Sequence[Path] = (),
    backbones: Sequence[str] = (),
    weights: Path | None = None,
    progress: Progress = SILENT,
) -> NetworksSummary:
    """Copy converted networks into a folder that another machine can import.

    Parameters
    ----------
    folder : Path
        Created when missing.
    runs : sequence of Path
        Runs whose networks and gates are copied.
    backbones : sequence of str
        Gates that are copied; without these and runs, all that the cache has.
    weights : Path, optional
        Weights file of the backbone.
    progress : Progress
        Told when a network is converted.

    Raises
    ------
    UsageError
        A named backbone is unknown.
    NothingFoundError
        The cache is empty, and nothing is named; or what is named has no converted network.
    """
    from bodyshop_core.backbones import Scorer

    files: dict[Path, str] = {}
    for run in runs:
        files |= networks_of_run(run, progress=progress)
    for name in backbones:
        progress.log(f"gate {name}")
        file = Scorer(name, weights, converted=True).file
        if file is not None:
            files[file] = f"gate {name}"
    if not runs and not backbones:
        files = dict.fromkeys(converted_networks(cache_folder()), "")
        if not files:
            raise NothingFoundError(
                f"no network has been converted yet in {cache_folder()}",
                hint="name what to convert: --run ID or --gate efficientnet-lite0",
            )
    if not files:
        raise NothingFoundError(
            f"{', '.join(run.name for run in runs)} has no converted network to copy",
            hint="copy the folder of the run: what it predicts with is in it",
        )
    return _packed(files, folder)


def import_networks(folder: Path) -> NetworksSummary:
    """Copy networks from a folder of `export_networks`, or a run's, into the user's cache.

    Raises
    ------
    NothingFoundError
        The folder has no networks.
    BodyshopError
        A file is missing or damaged.
    """
    cache = cache_folder()
    return _summary(unpack_networks(folder, cache), cache)


def _packed(files: dict[Path, str], folder: Path) -> NetworksSummary:
    if not files:  # a damage model by windows, without a gate
        return NetworksSummary(folder, ())
    copies = pack_networks(files, folder)
    return _summary(dict(zip(copies, files.values(), strict=True)), folder)


def _summary(files: dict[Path, str], folder: Path) -> NetworksSummary:
    networks = tuple(CarriedNetwork(file, of, file.stat().st_size) for file, of in files.items())
    return NetworksSummary(folder, networks)
