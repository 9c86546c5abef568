"""Make the probe that is shipped: ``python -m curate.gate_fitting.make_probe --help``.

The photos it is fitted on are not published; the package holds 2,562 numbers and a
card that says what they were fitted on and how well they perform on held-out pictures.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bodyshop_core import atomic
from curate import gate
from curate.gate_fitting.fit import FitSummary, fit_gate
from curate.gate_fitting.intervals import table_cells

PROBES = Path(gate.__file__).parent / "probes"


def main(arguments: Sequence[str] | None = None) -> FitSummary:
    """Fit, write the probe and its card, and return the figures."""
    parser = argparse.ArgumentParser(prog="python -m curate.gate_fitting.make_probe")
    parser.add_argument("--accept", type=Path, nargs="+", required=True, help="folders of cars")
    parser.add_argument("--reject", type=Path, nargs="+", required=True, help="folders without")
    parser.add_argument("--framing", type=Path, help="CSV: file, framing")
    parser.add_argument("--sources", type=Path, help="text about the pictures, for the card")
    parser.add_argument("--gate", default="efficientnet-lite0")
    parser.add_argument("--weights", type=Path)
    parser.add_argument(
        "--out", type=Path, help="folder for the probe and its card", default=PROBES
    )
    chosen = parser.parse_args(arguments)
    summary = fit_gate(
        None,
        accept=chosen.accept,
        reject=chosen.reject,
        framing=chosen.framing,
        gate=chosen.gate,
        weights=chosen.weights,
        out=chosen.out / f"{chosen.gate}.npz",
    )
    sources = chosen.sources.read_text(encoding="utf-8") if chosen.sources else ""
    atomic.write_text(chosen.out / f"{chosen.gate}.md", model_card(summary, sources))
    return summary


def model_card(summary: FitSummary, sources: str) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    summary : FitSummary
        The figures.
    sources : str
        Markdown about the pictures: where they are from, under which licence.
    """
    lines = [
        f"# Gate probe for {summary.gate}",
        "",
        "Logistic regression on unit-length feature vectors: is this a car, or a part of one? "
        f"Pictures with a probability of {summary.threshold} or more are accepted. "
        "Made by `python -m curate.gate_fitting.make_probe`.",
        "",
        "## Out-of-fold figures",
        "",
        "Five folds; near-duplicates (64-bit hashes within 8 bits) and all views of a picture are "
        "in one fold. Intervals: Wilson, 95 %.",
        "",
        "| group | expected | accepted | share | 95 % interval |",
        "|---|---|---|---|---|",
        *(_row(name, "accept", row) for name, row in summary.accept.items()),
        *(_row(name, "reject", row) for name, row in summary.reject.items()),
        "",
    ]
    if summary.unseen:
        lines += [
            "## Held-out sources",
            "",
            "Fitted without any picture of the group or its near-duplicates; the threshold is "
            "chosen on the others alone.",
            "",
            "| group | expected | accepted | share | 95 % interval |",
            "|---|---|---|---|---|",
            *(
                _row(name, "accept" if name in summary.accept else "reject", row)
                for name, row in summary.unseen.items()
            ),
            "",
        ]
    if summary.framing:
        lines += [
            "## Framing: close-up or whole car",
            "",
            "| framing, labelled by a person | classified correctly | share | 95 % interval |",
            "|---|---|---|---|",
            *(_row(name, None, row) for name, row in summary.framing.items()),
            "",
        ]
    return "\n".join(lines) + (f"\n{sources.strip()}\n" if sources else "")


def _row(name: str, wanted: str | None, row: dict[str, Any]) -> str:
    return f"| {' | '.join([name, *([wanted] if wanted else []), *table_cells(row)])} |"


if __name__ == "__main__":
    main()
