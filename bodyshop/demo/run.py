"""The whole job on the embedded showroom: render, serve, collect, curate, augment, train, check."""

from __future__ import annotations

import json
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

from bodyshop.demo.checks import Finding, check_collected, check_curated, check_trained
from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from bodyshop_core.workspace import Workspace

if TYPE_CHECKING:
    from showroom import Site, Truth
    from train import TrainSummary

PORT_FILE = "port.json"
COPIES = 1
"""Augmented variants per train picture: enough to show the step within the demo's minutes."""


@dataclass
class DemoReport(Summary):
    """Outcome of the demo.

    Parameters
    ----------
    seconds : dict
        Stage -> seconds.
    findings : list of Finding
        Result of each check against the ground truth of the showroom.
    places : dict
        Description -> path or command.
    """

    derived = ("ok",)

    seconds: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(finding.ok for finding in self.findings)


def run_demo(
    folder: Path,
    *,
    size: Literal["demo", "tiny"] = "demo",
    seed: int = 7,
    recipe: str = "default",
    progress: Progress = SILENT,
) -> DemoReport:
    """Run every stage on the showroom and check it against the ground truth.

    Parameters
    ----------
    folder : Path
        Gets ``showroom/`` (pictures and ``truth.json``), ``brands.yaml`` and ``workspace/``. A
        second run on the same folder only does what is missing.
    size : str
        ``demo`` or ``tiny``.
    seed : int
        Of the rendered cars.
    recipe : str
        The training recipe.
    progress : Progress
        Receives the progress.

    Returns
    -------
    DemoReport
        Times, findings and places; `DemoReport.ok` says whether every check passed.

    Raises
    ------
    MissingPartError
        The extra ``demo`` is not installed, or there is no browser.
    """
    from showroom import build_showroom, require_extra, serve

    require_extra()

    report = DemoReport()
    folder = folder.absolute()
    with _timed(report, "render the showroom"):
        truth = build_showroom(folder / "showroom", seed=seed, size=size, progress=progress)
    workspace = Workspace.open(folder / "workspace")
    with _serving(serve, folder) as site:
        brands = _write_brands(folder, site)
        with _timed(report, "collect"):
            _collect(brands, workspace, progress)
    report.findings += check_collected(workspace, truth)
    with _timed(report, "curate"):
        curated = _curate(workspace, progress)
    report.findings += check_curated(workspace, truth)
    with _timed(report, "masks"):
        _bring_masks(workspace, truth, folder / "showroom", progress)
    with _timed(report, "augment"):
        _augment(workspace, progress)
    with _timed(report, "train"):
        trained = _train(workspace, recipe, progress)
    report.findings += check_trained(trained)
    pictures = folder / "showroom" / "pictures"
    report.places = {
        "curation report": str(curated["report"]),
        "training report": str(trained.report),
        "an example of a brands.yaml": str(brands),
        "try the model": shlex.join(
            ["bodyshop", "predict", str(pictures), "--run", str(trained.folder)]
        ),
    }
    return report


@contextmanager
def _timed(report: DemoReport, stage: str) -> Iterator[None]:
    begun = monotonic()
    yield
    report.seconds[stage] = round(monotonic() - begun, 2)


@contextmanager
def _serving(serve: Any, folder: Path) -> Iterator[Site]:
    """Serve on the ports of the last run if they are free, so that a crawl can resume."""
    known = folder / PORT_FILE
    port = json.loads(known.read_text()) if known.exists() else _free_ports()
    try:
        site = serve(folder / "showroom", port=port)
    except BodyshopError:
        port = _free_ports()
        site = serve(folder / "showroom", port=port)
    with site:
        atomic.write_text(known, json.dumps(port))
        yield site


def _free_ports(count: int = 6) -> int:
    """Return the first of `count` neighbouring ports that are free on loopback."""
    for _ in range(100):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
        if port + count < 65_536 and all(_is_free(port + offset) for offset in range(count)):
            return port
    raise OSError(f"no {count} neighbouring ports are free on this machine")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _write_brands(folder: Path, site: Site) -> Path:
    """Write the demo's brands.yaml: press pictures are collected but carry no damage label.

    They show only whole cars, all from the same direction: with a label, a model could learn to
    recognise the direction in the place of damage.
    """
    import yaml

    recipe = folder / "showroom-search.yaml"
    atomic.write_bytes(recipe, Path(site.recipe_path).read_bytes())
    plan = yaml.safe_load(site.brands_yaml(interval=0.0))
    plan["recipes"] = [recipe.name]
    for brand in plan["brands"]:
        for model in brand["models"]:
            for entry in [*model.get("pages", []), *model.get("spinners", [])]:
                entry.pop("label", None)
    brands = folder / "brands.yaml"
    atomic.write_text(brands, yaml.safe_dump(plan, allow_unicode=True, sort_keys=False))
    return brands


def _collect(brands: Path, workspace: Workspace, progress: Progress) -> None:
    import collector

    with workspace.record_run("collect", {"brands": brands}) as run:
        summary = collector.collect(collector.load_brands(brands), workspace, progress=progress)
        run.counts.update(summary.as_dict())


def _curate(workspace: Workspace, progress: Progress) -> dict[str, Any]:
    import curate

    with workspace.record_run("curate", {"gate": "efficientnet-lite0"}) as run:
        summary = curate.curate(workspace, target="damage", progress=progress)
        run.counts.update(summary.as_dict())
    return {**summary.as_dict(), "report": summary.report}


def _bring_masks(workspace: Workspace, truth: Truth, showroom: Path, progress: Progress) -> None:
    """Import the rendered damage masks as if annotators had drawn them."""
    from bodyshop.demo.masks import import_truth_masks

    import_truth_masks(workspace, truth, showroom, progress=progress)


def _augment(workspace: Workspace, progress: Progress) -> None:
    import augment

    with workspace.record_run("augment", {"policy": "car-damage", "copies": COPIES}) as run:
        policy = augment.load_policy("car-damage")
        summary = augment.augment(workspace, policy, copies=COPIES, progress=progress)
        run.counts.update(summary.as_dict())


def _train(workspace: Workspace, recipe: str, progress: Progress) -> TrainSummary:
    import curate
    import train

    gate = curate.load_gate(workspace).as_dict()
    return train.train(workspace, recipe, gate=gate, progress=progress)
