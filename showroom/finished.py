"""What an interrupted build has finished, so that the next one goes on with the rest."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import PIL

from bodyshop_core.atomic import write_text
from bodyshop_core.version import __version__
from showroom.plan import RenderJob
from showroom.truth import VERSION, Picture

FOLDER = "finished"
"""Holds a note per picture while a showroom is being built."""


def write_note(root: Path, job: RenderJob, picture: Picture) -> None:
    """Note that all files of a picture are written."""
    note = {"recipe": _recipe(job), "picture": asdict(picture)}
    write_text(_note(root, job), json.dumps(note, ensure_ascii=False) + "\n")


def noted(root: Path, job: RenderJob) -> Picture | None:
    """Return the truth of a picture that an earlier build has finished in the same way.

    None for one of another plan or of other versions of the program, NumPy or Pillow, and for one
    whose files are not what the note says.
    """
    try:
        note = json.loads(_note(root, job).read_text(encoding="utf-8"))
        if note["recipe"] != _recipe(job):
            return None
        said = note["picture"]
        picture = Picture(**{**said, "damage_classes": tuple(said["damage_classes"])})
        data = (root / picture.file).read_bytes()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    whole = hashlib.sha256(data).hexdigest() == picture.sha256
    return picture if whole and all((root / file).is_file() for file in picture.files()) else None


def discard_notes(root: Path) -> None:
    """Remove the notes: ``truth.json`` says the same of all pictures."""
    shutil.rmtree(root / FOLDER, ignore_errors=True)


def _note(root: Path, job: RenderJob) -> Path:
    return root / FOLDER / f"{job.picture.id}.json"


def _recipe(job: RenderJob) -> str:
    """Return a digest of all that a picture's bytes depend on."""
    made_by = (VERSION, __version__, np.__version__, PIL.__version__)
    return hashlib.sha256(repr((made_by, job)).encode()).hexdigest()
