"""Say what a release still lacks; ends with exit code 1 where it lacks something.

``python scripts/release_ready.py`` reads ``pyproject.toml``, ``CHANGELOG.md`` and the wheel in
``dist/``. It is the last step of ``make release-check``.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parents[1]
ADDRESSES = ("Repository", "Documentation", "Issues", "Changelog")
NOT_REAL = re.compile(r"//([\w-]+\.)*(example\.(com|org|net)|localhost|127\.)|[<>{}]|OWNER|TODO")


def main(root: Path = REPOSITORY) -> None:
    """Print one sentence for each thing that is missing."""
    wheels = sorted((root / "dist").glob("*.whl"))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    version = parse_wheel_filename(wheels[0].name)[1] if len(wheels) == 1 else None
    lacking = [*missing_addresses(project.get("urls", {})), *wrong_version(version, changelog)]
    if lacking:
        sys.exit("not ready for a release:\n" + "\n".join(f"- {each}" for each in lacking))
    print(f"bodyshop {version} is ready for a release")


def missing_addresses(urls: dict[str, str]) -> list[str]:
    """Return what [project.urls] lacks, in words."""
    wanted = [
        name
        for name in ADDRESSES
        if not urls.get(name, "").startswith("https://") or NOT_REAL.search(urls[name])
    ]
    if not wanted:
        return []
    return [
        f"pyproject.toml: fill in {', '.join(wanted)} below [project.urls], with the https:// "
        "addresses at which this repository is public"
    ]


def wrong_version(version: Version | None, changelog: str) -> list[str]:
    """Return why a version can't be published, in words."""
    if version is None:
        return ["dist/: there has to be one wheel; make dist builds it"]
    if version.is_devrelease or version.local:
        return [
            f"the wheel in dist/ is {version}, between two releases: commit everything, "
            f"git tag v{version.base_version}, then make release-check again"
        ]
    if not re.search(rf"^## {re.escape(str(version))}\b", changelog, re.MULTILINE):
        return [
            f'CHANGELOG.md: give what is below "## Unreleased" the heading "## {version}" and the '
            "day of the release"
        ]
    return []


if __name__ == "__main__":
    main()
