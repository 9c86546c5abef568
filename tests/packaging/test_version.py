"""The version comes from git's tags; where there are none, or no git, there is one all the same."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

import bodyshop
from bodyshop_core.engine import handshake

CHECKOUT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
NEXT = PROJECT["tool"]["hatch"]["version"]["fallback-version"]


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "commit", "--allow-empty", "--message", "a change")


def makefile_packages() -> str:
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    return re.search(r"^PACKAGES := (.+)$", text, re.MULTILINE)[1]


def version_of(folder: Path) -> str:
    command = [sys.executable, "-m", "hatchling", "version"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the build backend reads, with no repository around it."""
    (tmp_path / "scripts").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts/readme_for_pypi.py"):
        shutil.copy(CHECKOUT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def repository(folder: Path) -> Path:
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    commit(folder)
    return folder


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_commit_that_changes_no_file_of_the_packages_makes_the_wheel_anew(repository):
    shutil.copy(CHECKOUT / "Makefile", repository)
    for folder in ("dist", ".venv", *re.findall(r"\w+", makefile_packages())):
        (repository / folder).mkdir()
    for file in (".venv/.build", "dist/.built"):
        (repository / file).touch()

    # The make that runs the tests hands its own settings on, such as VENV.
    own = {name: text for name, text in os.environ.items() if not re.match("MAKE|VENV$", name)}

    def is_built() -> bool:
        command = ["make", "--question", "dist/.built"]
        done = subprocess.run(command, cwd=repository, env=own, capture_output=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    assert is_built()
    commit(repository)
    assert not is_built()
    (repository / "dist" / ".built").touch()
    assert is_built()
    git(repository, "reset", "--quiet", "--hard", "HEAD^")
    assert not is_built()
    shutil.rmtree(repository / ".git")
    (repository / "dist" / ".built").touch()
    assert is_built()


def test_without_git_the_version_is_that_of_the_next_release_in_work(folder):
    assert version_of(folder) == NEXT
    assert Version(NEXT).is_devrelease


def test_a_clone_without_tags_counts_towards_the_next_release(repository):
    commit(repository)
    assert re.fullmatch(rf"{re.escape(NEXT[:-1])}2\+g[0-9a-f]+", version_of(repository))


def test_a_shallow_clone_without_tags_has_a_version(repository, tmp_path_factory):
    commit(repository)
    there = tmp_path_factory.mktemp("shallow") / "clone"
    git(repository, "clone", "--depth", "1", repository.as_uri(), str(there))
    assert Version(version_of(there)).base_version == Version(NEXT).base_version


def test_a_tag_is_the_version_and_what_follows_is_ahead_of_it(repository):
    git(repository, "tag", "v1.4.0")
    assert version_of(repository) == "1.4.0"
    commit(repository)
    assert version_of(repository).startswith("1.4.1.dev1+g")
    git(repository, "tag", "v1.5.0rc1")
    assert version_of(repository) == "1.5.0rc1"


def test_what_is_not_committed_is_no_release(repository):
    git(repository, "tag", "v1.4.0")
    (repository / "README.md").write_text("changed", encoding="utf-8")
    assert Version(version_of(repository)).local


def test_tags_of_other_things_are_not_versions(repository):
    git(repository, "tag", "v1.4.0")
    commit(repository)
    for name in ("demo-2026", "0.9", "good"):
        git(repository, "tag", name)
    assert version_of(repository).startswith("1.4.1.dev1+g")


def test_an_unpacked_sdist_has_the_version_that_it_was_built_with(repository, tmp_path_factory):
    git(repository, "tag", "v1.4.0")
    for package in PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        (repository / package).mkdir()
        (repository / package / "__init__.py").touch()
    git(repository, "add", ".")
    commit(repository)
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", str(out)]
    subprocess.run(build, cwd=repository, check=True, capture_output=True)
    (sdist,) = out.glob("*.tar.gz")
    shutil.unpack_archive(sdist, out, filter="data")
    (unpacked,) = (each for each in out.iterdir() if each.is_dir())
    assert sdist.name == f"bodyshop-{version_of(repository)}.tar.gz"
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out)]
    subprocess.run(build, cwd=unpacked, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    assert wheel.name == f"bodyshop-{version_of(repository)}-py3-none-any.whl"


def test_make_installs_what_the_build_system_asks_for():
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["build"])


def test_command_package_and_metadata_name_the_same_version():
    printed = subprocess.run(
        [Path(sys.executable).with_name("bodyshop"), "--version"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert printed.strip() == bodyshop.__version__ == metadata.version("bodyshop")


@pytest.mark.parametrize(
    ("version", "advice"),
    [
        ("1.4.0", "pip install 'bodyshop[dask,train]==1.4.0'"),
        ("1.4.1.dev3+g1a2b3c4", "the wheel of bodyshop 1.4.1.dev3+g1a2b3c4"),
        ("1.4.0.dev3", "the wheel of bodyshop 1.4.0.dev3"),
    ],
)
def test_a_worker_is_not_sent_to_an_index_for_a_version_that_is_not_there(
    version, advice, monkeypatch
):
    monkeypatch.setattr(handshake, "__version__", version)
    ours = handshake.Identity("3.11", "a" * 64, ())
    theirs = handshake.Greeting(handshake.Identity("3.12", "a" * 64, ()), "")
    with pytest.raises(handshake.HandshakeError) as caught:
        handshake.refuse_differences(ours, {"a worker": theirs})
    assert advice in caught.value.hint


@pytest.fixture(scope="module")
def release():
    place = CHECKOUT / "scripts" / "release_ready.py"
    spec = importlib.util.spec_from_file_location("release_ready", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_release_without_addresses_is_refused_with_what_to_fill_in(release):
    (sentence,) = release.missing_addresses({})
    assert "fill in Repository, Documentation, Issues, Changelog below [project.urls]" in sentence
    there = dict.fromkeys(release.ADDRESSES, "https://code.test/bodyshop")
    assert release.missing_addresses(there) == []


@pytest.mark.parametrize("address", ["http://code.test/", "https://example.org/x", "https://<x>/"])
def test_a_placeholder_is_no_address(release, address):
    there = dict.fromkeys(release.ADDRESSES, "https://code.test/bodyshop")
    (sentence,) = release.missing_addresses(there | {"Issues": address})
    assert "fill in Issues below" in sentence


def test_a_version_between_releases_is_refused_and_a_tagged_one_needs_its_changelog(release):
    (sentence,) = release.wrong_version(Version("1.4.1.dev3+g1a2b3c4"), "")
    assert "git tag v1.4.1" in sentence
    (sentence,) = release.wrong_version(Version("1.4.1"), "## Unreleased\n")
    assert "CHANGELOG.md" in sentence
    assert release.wrong_version(Version("1.4.1"), "## 1.4.1 - 2030-01-01\n") == []


def test_the_script_ends_with_1_and_names_everything(release, folder):
    (folder / "dist").mkdir()
    (folder / "dist" / "bodyshop-0.2.0.dev3+g1a2b3c4-py3-none-any.whl").touch()
    (folder / "CHANGELOG.md").write_text("## Unreleased\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        release.main(folder)
    assert "[project.urls]" in ended.value.code and "between two releases" in ended.value.code
