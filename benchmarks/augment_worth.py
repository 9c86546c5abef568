"""What augmentation is worth: test accuracy with and without it, on three splits of real photos.

    python benchmarks/augment_worth.py PHOTOS [--workspace DIR] [--recipe bottleneck] [--copies 2]

PHOTOS holds class folders (damage/{training,validation}/{damaged,whole}, say). They are imported
and curated once and split three times with different seeds; each split is trained without variants
and once with each policy, everything else equal. Test pictures of all splits count together. The
difference is judged on the same pictures (McNemar, exact binomial).
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

# A script's own folder comes first, and augment.py lies in it.
sys.path[0] = str(Path(__file__).resolve().parents[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--recipe", default="bottleneck")
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="*", default=[7, 8, 9])
    parser.add_argument(
        "--policies", nargs="*", default=["light", "car-damage", "imagedatagenerator"]
    )
    options = parser.parse_args()
    import augment
    import collector
    import curate
    import train
    from bodyshop.workspace import Workspace

    folder = options.workspace or Path(tempfile.mkdtemp(prefix="augment-worth-"))
    workspace = Workspace.open(folder)
    collector.import_folder(options.photos, workspace)
    curate.curate(workspace, target="damage")
    verdicts: dict[str, dict[str, bool]] = {}

    def run(condition: str, seed: int, **settings: Any) -> None:
        summary = train.train(
            workspace, options.recipe, split_set=f"seed{seed}", seed=seed, **settings
        )
        right = correct(Path(summary.folder) / "predictions-test.csv")
        verdicts.setdefault(condition, {}).update(
            {f"{seed}:{sha256}": value for sha256, value in right.items()}
        )
        print(f"{condition}, seed {seed}: {sum(right.values())} of {len(right)}", flush=True)

    for seed in options.seeds:
        rules = folder / f"curate-{seed}.yaml"
        rules.write_text(f"splits: {{seed: {seed}}}\n", encoding="utf-8")
        curate.split(workspace, target="damage", policy=rules, new_split=f"seed{seed}")
        curate.audit(workspace, split_set=f"seed{seed}")
        run("none", seed, overrides={"data.variants": False})
        for policy in options.policies:
            # The newest set of a split set is the one that is trained on.
            augment.augment(workspace, policy, copies=options.copies, split_set=f"seed{seed}")
            run(policy, seed)
    print(table(verdicts))


def correct(predictions: Path) -> dict[str, bool]:
    """Read sha256 -> whether the test picture was told right."""
    with predictions.open(encoding="utf-8", newline="") as file:
        return {row["sha256"]: row["label"] == row["predicted"] for row in csv.DictReader(file)}


def table(verdicts: dict[str, dict[str, bool]]) -> str:
    from scipy.stats import binomtest

    lines = [
        "| augmentation | test accuracy | 95 % interval | better / worse than none | p |",
        "|---|---|---|---|---|",
    ]
    base = verdicts["none"]
    for name, right in verdicts.items():
        hits, n = sum(right.values()), len(right)
        low, high = binomtest(hits, n).proportion_ci(method="wilson")
        row = f"| {name} | {hits / n:.1%} of {n} | {low:.1%} to {high:.1%} "
        if name == "none":
            lines.append(row + "| | |")
            continue
        shared = right.keys() & base.keys()
        better = sum(right[key] and not base[key] for key in shared)
        worse = sum(base[key] and not right[key] for key in shared)
        p = binomtest(better, better + worse).pvalue if better + worse else 1.0
        lines.append(row + f"| {better} / {worse} | {p:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
