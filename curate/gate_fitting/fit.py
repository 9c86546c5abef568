"""Fitting a gate to examples: which pictures to accept, which to reject."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bodyshop_core.backbones import fingerprint
from bodyshop_core.errors import LostBlobError, NothingFoundError, UnreadableImageError, UsageError
from bodyshop_core.progress import SILENT, Progress
from bodyshop_core.summary import Summary
from curate.gate.named_probes import named_probe_path
from curate.gate.probe import Probe, fitted_probe_path, unit_length
from curate.gate_fitting.framing import FRAMING_VIEWS, fit_framing, read_framing
from curate.gate_fitting.groups import Example, group_examples
from curate.gate_fitting.intervals import proportion, table_cells
from curate.gate_fitting.logistic import FOLDS, fit_logistic
from curate.gate_fitting.threshold import choose_threshold
from curate.gate_fitting.unseen_source import evaluate_unseen
from curate.gate_fitting.views import NAMED_VIEWS, VIEWS, varied

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.backbones import Scorer
    from bodyshop_core.workspace import Workspace


RELIABLE = 0.75
"""Share of either kind of examples that a fit without them must get right; guessing gets half."""


@dataclass(frozen=True)
class FitSummary(Summary):
    """The outcome of `fit_gate`.

    Parameters
    ----------
    probe : Path
        Where it was written.
    gate : str
        The backbone it is for.
    threshold : float
        Smallest probability that passes.
    accept, reject : dict
        Group -> ``{"k", "n", "share", "ci95"}``: accepted out of fold, of how many.
    framing : dict
        ``full`` and ``part`` -> the same, classified correctly; empty without framing labels.
    unseen : dict
        Group -> how many of it are accepted by a gate that was fitted, threshold included, without
        any picture of it.
    """

    probe: str
    gate: str
    threshold: float
    accept: dict[str, dict[str, Any]]
    reject: dict[str, dict[str, Any]]
    framing: dict[str, dict[str, Any]]
    unseen: dict[str, dict[str, Any]]

    columns: ClassVar[tuple[str, ...]] = ("group", "expected", "accepted", "share", "95 % interval")

    @property
    def right_out_of_fold(self) -> dict[str, float]:
        """``accept`` and ``reject`` -> share of those examples that a fit without them gets right.

        1 where there are none.
        """
        shares = {}
        for side in ("accept", "reject"):
            groups = (self.accept if side == "accept" else self.reject).values()
            count = sum(row["n"] for row in groups)
            passed = sum(row["k"] for row in groups)
            right = passed if side == "accept" else count - passed
            shares[side] = right / count if count else 1.0
        return shares

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return one row per group, for a table: out of fold, then held out, then framing."""
        table = [
            (name, wanted, *table_cells(row))
            for wanted, groups in (("accept", self.accept), ("reject", self.reject))
            for name, row in groups.items()
        ]
        table += [
            (f"{name}, held out", "accept" if name in self.accept else "reject", *table_cells(row))
            for name, row in self.unseen.items()
        ]
        return table + [
            (f"framing {name}", "classified correctly", *table_cells(row))
            for name, row in self.framing.items()
        ]

    def notes(self) -> list[str]:
        """Return the threshold and what the rows mean, to print below the table."""
        notes = [
            f"{self.probe}: a probability of {self.threshold:.4g} or more is accepted.",
            "Each picture was scored by a fit without it and its near-duplicates (out of fold).",
        ]
        right = self.right_out_of_fold
        if min(right.values()) < RELIABLE:
            notes.append(
                "Not to be relied on: of pictures it has not seen it accepts "
                f"{right['accept']:.0%} of those to accept and rejects {right['reject']:.0%} of "
                "those to reject. Give more examples of both, that differ in nothing else."
            )
        if self.unseen:
            notes.append(
                "Held out: scored by a fit, threshold included, without the group's pictures."
            )
        return notes


def fit_gate(
    workspace: Workspace | None,
    *,
    accept: Sequence[Path] = (),
    reject: Sequence[Path] = (),
    name: str | None = None,
    framing: Path | None = None,
    from_review: bool = False,
    gate: str = "efficientnet-lite0",
    weights: Path | str | None = None,
    out: Path | None = None,
    seed: int = 7,
    progress: Progress = SILENT,
) -> FitSummary:
    """Fit a probe and put it where ``curate`` finds it.

    Each picture is scored as it is and in equalised and cropped views, so that the probe learns the
    car and not the camera. The figures are out of fold: near-duplicates, and all
    views of a picture, are in one fold.

    Parameters
    ----------
    workspace : Workspace, optional
        Gets the probe; needed for `from_review` and unless `out` is given.
    accept, reject : sequence of Path
        Folders of pictures to accept and to reject; searched with their subfolders.
    name : str, optional
        Of a probe beside the gate, such as ``watermark``: a policy with ``probes: {watermark: {}}``
        rejects what looks like its rejected examples, with the reason ``probe_watermark``. Without
        a name the gate itself is fitted.
    framing : Path, optional
        A CSV file with columns ``file`` (path, or the end of one) and ``framing`` (full or part)
        about some of the `accept` pictures: examples of close-ups.
    from_review : bool
        Also learn from the human decisions in the workspace: keep, reject, framing. A rejected
        picture that has another reason (blurry, a duplicate) is left out; with a `name`, that is
        every reason but the probe's own.
    gate : str
        A backbone of `bodyshop_core.backbones.names`.
    weights : Path, optional
        Its weights file.
    out : Path, optional
        Where to write the probe, in place of the workspace.
    seed : int
        Of folds and views.
    progress : Progress
        Told how many pictures are done.

    Raises
    ------
    UsageError
        No examples were given.
    NothingFoundError
        A folder holds no picture, or there are too few of either kind.
    """
    if name is not None and framing is not None:
        raise UsageError("framing belongs to the gate, not to a named probe")
    if name is not None:
        named_probe_path(Path(), "", name)
    examples = _examples(workspace, accept, reject, from_review, name)
    from bodyshop_core.backbones import Scorer

    scorer = Scorer(gate, weights)
    views = VIEWS if name is None else NAMED_VIEWS
    rows, features = _extract(scorer, examples, views, seed, progress)
    accepted = [row.example.accept for row in rows]
    groups = group_examples([row.example for row in rows])
    coefficients, bias, chances = fit_logistic(features, accepted, groups, seed)
    originals = [index for index, row in enumerate(rows) if row.view == "original"]
    threshold = choose_threshold(
        [chances[i] for i in originals if accepted[i]],
        [chances[i] for i in originals if not accepted[i]],
    )
    known = read_framing(framing, examples) if framing is not None else {}
    part = fit_framing(
        [
            (index, known.get(row.example.path, row.example.framing))
            for index, row in enumerate(rows)
            if row.view in FRAMING_VIEWS
        ],
        features,
        groups,
        originals,
        seed,
    )
    figures = {
        side: _figures(
            [
                (rows[i].example.folder, chances[i] >= threshold)
                for i in originals
                if accepted[i] == (side == "accept")
            ]
        )
        for side in ("accept", "reject")
    }
    unseen = evaluate_unseen(
        features,
        accepted,
        groups,
        [Path(row.example.folder).name for row in rows],
        originals,
        seed,
    )
    card = {
        "folds": FOLDS,
        "seed": seed,
        "name": name,
        "views": list(views),
        "pictures": len({row.example.path for row in rows}),
        "groups": len(set(groups)),
        "out_of_fold": figures,
        "framing": part.figures,
        "unseen": unseen,
    }
    network = fingerprint(gate, weights)
    probe = Probe(coefficients, bias, threshold, network, part.weights, part.bias, card)
    path = out or _path_in(workspace, probe.fingerprint, name)
    probe.save(path)
    return FitSummary(
        str(path), probe.fingerprint, threshold, **figures, framing=part.figures, unseen=unseen
    )


@dataclass(frozen=True)
class _Row:
    example: Example
    view: str


def _examples(
    workspace: Workspace | None,
    accept: Sequence[Path],
    reject: Sequence[Path],
    from_review: bool,
    name: str | None,
) -> list[Example]:
    examples = [
        example
        for folders, good in ((accept, True), (reject, False))
        for folder in folders
        for example in folder_examples(folder, accept=good)
    ]
    if from_review:
        if workspace is None:
            raise UsageError("--from-review needs a workspace")
        examples += _reviewed(workspace, name)
    if not examples:
        raise UsageError(
            "there are no examples to fit a gate to",
            hint="give --accept DIR and --reject DIR, or --from-review",
        )
    for good, name in ((True, "accept"), (False, "reject")):
        count = sum(example.accept is good for example in examples)
        if count < 2 * FOLDS:
            raise NothingFoundError(
                f"{count} pictures to {name} are too few to fit a gate: {2 * FOLDS} are needed"
            )
    return examples


def folder_examples(folder: Path, *, accept: bool) -> list[Example]:
    """Return the pictures below a folder, in a fixed order.

    Raises
    ------
    NothingFoundError
        The folder is absent or holds no picture.
    """
    from bodyshop_core.imaging import sniff

    found = []
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file():
            with path.open("rb") as file:
                if sniff(file.read(32)) is not None:
                    found.append(Example(path, accept, str(folder)))
    if not found:
        raise NothingFoundError(f"there is no picture in {folder}")
    return found


def _reviewed(workspace: Workspace, name: str | None = None) -> list[Example]:
    from sqlalchemy import select

    from bodyshop_core.catalog import ProbeReason, Reason, all_images, schema

    extensions = all_images(workspace.catalog)
    table, verdicts = schema.decisions, schema.verdicts
    with workspace.catalog.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.sha256)).all()
        reasons = dict(connection.execute(select(verdicts.c.sha256, verdicts.c.reasons)).all())
    # A blurred or duplicated car was not rejected for being no car.
    asked = Reason.NOT_A_CAR if name is None else ProbeReason.of(name)
    to_learn = {asked.value, Reason.HUMAN_REJECT.value}
    return [
        Example(
            workspace.blobs.ref(row.sha256, extensions[row.sha256]),
            row.decision == "keep",
            "human review",
            row.framing if row.framing in {"full", "part"} else None,
        )
        for row in rows
        if row.decision == "keep" or to_learn.issuperset(reasons.get(row.sha256) or ())
    ]


def _extract(
    scorer: Scorer,
    examples: Sequence[Example],
    views: Sequence[str],
    seed: int,
    progress: Progress,
) -> tuple[list[_Row], NDArray[np.float32]]:
    """Return one row per view, and the unit-length features of each."""
    import numpy as np

    from bodyshop_core.imaging import fit_square, load_rgb

    rows: list[_Row] = []
    vectors: list[NDArray[np.float32]] = []
    batch: list[NDArray[np.uint8]] = []

    def flush() -> None:
        if batch:
            vectors.append(unit_length(scorer.score(np.stack(batch)).features))
            batch.clear()

    with progress.task("fit", total=len(examples)) as tick:
        for example in examples:
            try:
                picture = load_rgb(example.path)
            except (UnreadableImageError, LostBlobError):
                tick(1, f"skipped {example.path.name}")
                continue
            for view, rgb in _views(picture, example, seed):
                if view not in views:
                    continue
                rows.append(_Row(example, view))
                batch.append(fit_square(rgb, scorer.input_size))
                if len(batch) >= 32:
                    flush()
            tick(1)
        flush()
    return rows, np.concatenate(vectors)


def _views(
    picture: NDArray[np.uint8], example: Example, seed: int
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    name = hashlib.sha256(f"{seed}:{example.path.name}".encode()).digest()
    return varied(picture, int.from_bytes(name[:8], "big"))


def _figures(passed: Sequence[tuple[str, bool]]) -> dict[str, dict[str, Any]]:
    """Count the accepted per folder name: train/damaged and test/damaged are one group."""
    table: dict[str, list[bool]] = {}
    for folder, value in passed:
        table.setdefault(Path(folder).name, []).append(bool(value))
    return {name: proportion(sum(values), len(values)) for name, values in table.items()}


def _path_in(workspace: Workspace | None, network: str, name: str | None) -> Path:
    if workspace is None:
        raise UsageError("fit_gate needs a workspace or an output file")
    if name is not None:
        return named_probe_path(workspace.root, network, name)
    return fitted_probe_path(workspace.root, network)
