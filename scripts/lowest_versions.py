"""Print pip constraints that pin each dependency of users to the lowest version it allows.

``python scripts/lowest_versions.py > constraints.txt`` reads ``pyproject.toml``: the dependencies
and the extras; what developers need is in groups. A bound whose version does not
exist makes pip fail, as it should: nobody can have tested it.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

LOWEST = {">=", "==", "~="}


def main() -> None:
    """Write one constraint a line to standard output."""
    text = (Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    own = f"{project['name']}["  # an extra that is made of others
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *sorted(each for extra in extras.values() for each in extra if not each.startswith(own)),
    ]
    for requirement in map(Requirement, wanted):
        bounds = [bound.version for bound in requirement.specifier if bound.operator in LOWEST]
        if len(bounds) != 1:
            sys.exit(f"{requirement}: give it one lower bound in pyproject.toml")
        print(f"{requirement.name}=={bounds[0]}")


if __name__ == "__main__":
    main()
