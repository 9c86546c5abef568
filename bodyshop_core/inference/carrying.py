"""Converted networks that travel to machines that can't convert them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from bodyshop_core import atomic
from bodyshop_core.errors import BodyshopError, NothingFoundError
from bodyshop_core.inference.network import FrozenNetwork

LIST = "networks.json"
"""Beside the files: name -> SHA-256 and what the network is of."""

_NAME = re.compile(r"[0-9a-f]{24}\.tflite")


def converted_networks(folder: Path) -> list[Path]:
    """Return the finished networks in a folder by name; a conversion in progress is none."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))


def pack_networks(files: Mapping[Path, str], folder: Path) -> list[Path]:
    """Copy converted networks into a folder, beside those that are there.

    Parameters
    ----------
    files : Mapping of Path to str
        Files of the cache, and what each is of, for people to read.
    folder : Path
        Created when missing.

    Returns
    -------
    list of Path
        The copies.
    """
    listed = _listed(folder) if (folder / LIST).is_file() else {}
    copies = []
    for file, of in files.items():
        copy = folder / file.name
        if copy.resolve() != file.resolve():
            folder.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(copy) as temporary:
                shutil.copyfile(file, temporary)
        listed[copy.name] = {"sha256": _digest(copy), "of": of}
        copies.append(copy)
    atomic.write_text(folder / LIST, json.dumps(listed, indent=1, sort_keys=True) + "\n")
    return copies


def unpack_networks(folder: Path, cache: Path) -> dict[Path, str]:
    """Copy the networks of a folder into the cache, each only if it is whole and opens.

    Whoever made the folder decides what all later predictions of these networks say: take it from
    people you trust.

    Parameters
    ----------
    folder : Path
        As `pack_networks` wrote it.
    cache : Path
        See `bodyshop_core.inference.convert.cache_folder`.

    Returns
    -------
    dict of Path to str
        The files in the cache, and what each is of.

    Raises
    ------
    NothingFoundError
        There is no list of networks in the folder.
    BodyshopError
        The list is damaged, or a file is missing or not the one that was listed.
    """
    if not (folder / LIST).is_file():
        raise NothingFoundError(
            f"there is no {LIST} in {folder}", hint="make it: bodyshop cache export FOLDER"
        )
    found: dict[Path, str] = {}
    for name, facts in _listed(folder).items():
        file = folder / name
        if not file.is_file() or _digest(file) != facts["sha256"]:
            raise BodyshopError(
                f"{file} is missing or not the file that {LIST} lists",
                hint="copy the whole folder again",
            )
        FrozenNetwork(file)
        with atomic.replacing(cache / name) as temporary:
            shutil.copyfile(file, temporary)
        found[cache / name] = facts["of"]
    return found


def _listed(folder: Path) -> dict[str, dict[str, str]]:
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
        for name, facts in listed.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name[:80]!r} is no name of a network")
            facts["sha256"], facts["of"] = str(facts["sha256"]), str(facts["of"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BodyshopError(
            f"{folder / LIST} is no list of networks: {error}", hint="copy the whole folder again"
        ) from error
    return dict(listed)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
