"""Options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from bodyshop_core.errors import UsageError

BackboneOption = Annotated[
    str, typer.Option("--gate", help="Backbone: efficientnet-lite0, vgg16, resnet50, …")
]
WeightsOption = Annotated[
    Path | None,
    typer.Option(help="Weights file, if Keras' cache does not have it."),
]
TrainWeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="Weights file of the backbone; none for random weights."),
]
TargetOption = Annotated[
    str | None, typer.Option(help="damage, brand or model; by default the target of the split set.")
]
SplitSetOption = Annotated[str | None, typer.Option(help="Split set; by default the newest.")]
RunOption = Annotated[
    str | None,
    typer.Option("--run", metavar="ID|FOLDER", help="Run; by default the newest finished one."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe; repeatable."),
]
EpochsOption = Annotated[
    int | None, typer.Option(min=1, help="Epochs of every stage that counts them.")
]
CostOption = Annotated[
    str | None,
    typer.Option(
        metavar="missed=N,false=N",
        help="Costs of a missed picture and of a false alarm: choose the cheapest threshold.",
    ),
]
EngineOption = Annotated[str, typer.Option(help="local, dask, or the address of a Dask scheduler.")]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="Number of worker processes.")]
NoEqualiseOption = Annotated[
    bool,
    typer.Option("--no-equalise", help="Train on pictures as they are, even if the audit fails."),
]
ObjectsOption = Annotated[
    str | None,
    typer.Option(
        "--objects", metavar="NAME,NAME", help="What to cut out in place of cars: bottle,cup."
    ),
]
SeedOption = Annotated[int, typer.Option(help="Seed of all random numbers.")]


def object_names(text: str | None) -> tuple[str, ...]:
    """Return the names of ``--objects``; cars, trucks and buses by default.

    Raises
    ------
    UsageError
        It names nothing.
    """
    from curate.detection.detector import CARS

    if text is None:
        return CARS
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UsageError("--objects names nothing", hint='write --objects bottle,cup,"wine glass"')
    return names


def read_costs(text: str) -> dict[str, float]:
    """Parse ``missed=20,false=1``.

    Raises
    ------
    UsageError
        It does not name both costs, each a number above 0.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            found[name.strip()] = math.nan
    if found.keys() != {"missed", "false"} or not all(0 < v < math.inf for v in found.values()):
        raise UsageError(
            f"'{text}' does not name two costs above 0", hint="such as --cost missed=20,false=1"
        )
    return found


def read_overrides(pairs: list[str] | None) -> dict[str, object]:
    """Parse ``KEY=VALUE`` arguments; the values are YAML.

    Raises
    ------
    UsageError
        An argument has no equals sign.
    ConfigError
        A value is not valid YAML.
    """
    from bodyshop_core.config import read_yaml

    found: dict[str, object] = {}
    for pair in pairs or []:
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageError(f"'{pair}' has no equals sign", hint="write KEY=VALUE")
        found[key] = read_yaml(value, name=f"value of {key}")
    return found
