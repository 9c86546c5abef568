"""What augmentation is worth: test accuracy with and without it, on three splits of real photos.

    python benchmarks/augment_worth.py PHOTOS --workspace DIR [--recipe bottleneck] [--copies 2]

PHOTOS holds class folders (damage/{training,validation}/{damaged,whole}, say). They are imported
and curated once and split three times with different seeds; each split is trained without variants
and once with each policy, with the split's seed, everything else equal. The test pictures of all
splits count together, and the difference is judged on them pair by pair (McNemar, exact binomial).
A picture may be tested under more than one seed, so the interval is a little too narrow.

What is in DIR already is not done again: the same command continues where it stopped, and
``--seeds 7`` does a third of the work.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path
from typing import Any

# A script's own folder comes first, and augment.py lies in it.
sys.path[0] = str(Path(__file__).resolve().parents[1])

Right = dict[str, bool]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--workspace", type=Path, required=True)
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
    from bodyshop_core.workspace import Workspace

    workspace = Workspace.open(options.workspace)
    collector.import_folder(options.photos, workspace)
    curate.curate(workspace, target="damage")
    right: dict[str, dict[int, Right]] = {}

    def run(condition: str, seed: int, **settings: Any) -> None:
        summary = train.train(
            workspace, options.recipe, split_set=f"seed{seed}", seed=seed, **settings
        )
        found = correct(Path(summary.folder) / "predictions-test.csv")
        right.setdefault(condition, {})[seed] = found
        print(f"{condition}, seed {seed}: {sum(found.values())} of {len(found)}", flush=True)

    for seed in options.seeds:
        rules = options.workspace / f"curate-{seed}.yaml"
        rules.write_text(f"splits: {{seed: {seed}}}\n", encoding="utf-8")
        curate.split(workspace, target="damage", policy=rules, split_set=f"seed{seed}")
        curate.audit_shortcuts(workspace, split_set=f"seed{seed}")
        run("none", seed, overrides={"data.variants": False})
        for policy in options.policies:
            # The newest set of a split set is the one that is trained on.
            augment.augment(workspace, policy, copies=options.copies, split_set=f"seed{seed}")
            run(policy, seed)
    print(table(right))
    print(f"\n{time.process_time():.0f} s of processor time in this process")


def correct(predictions: Path) -> Right:
    """Read sha256 -> whether the test picture was classified correctly."""
    with predictions.open(encoding="utf-8", newline="") as file:
        return {row["sha256"]: row["label"] == row["predicted"] for row in csv.DictReader(file)}


def table(right: dict[str, dict[int, Right]]) -> str:
    from scipy.stats import binomtest

    seeds = list(right["none"])
    lines = [
        f"| augmentation | {' | '.join(f'seed {seed}' for seed in seeds)} | together "
        "| 95 % interval | better / worse than none | p |",
        f"|---|{'---|' * len(seeds)}---|---|---|---|",
    ]
    base = flat(right["none"])
    for name, of_seed in right.items():
        verdicts = flat(of_seed)
        each = [sum(of_seed[seed].values()) / len(of_seed[seed]) for seed in seeds]
        hits, n = sum(verdicts.values()), len(verdicts)
        low, high = binomtest(hits, n).proportion_ci(method="wilson")
        row = f"| {name} | {' | '.join(f'{share:.1%}' for share in each)} "
        row += f"| {hits / n:.1%} of {n} | {low:.1%} to {high:.1%} "
        if name == "none":
            lines.append(row + "| | |")
            continue
        better = sum(verdicts[key] and not base[key] for key in base)
        worse = sum(base[key] and not verdicts[key] for key in base)
        p = binomtest(better, better + worse).pvalue if better + worse else 1.0
        lines.append(row + f"| {better} / {worse} | {p:.2f} |")
    return "\n".join(lines)


def flat(of_seed: dict[int, Right]) -> Right:
    """Join the seeds: the same picture under another seed is another trial."""
    return {
        f"{seed}:{sha}": value for seed, found in of_seed.items() for sha, value in found.items()
    }


if __name__ == "__main__":
    main()
