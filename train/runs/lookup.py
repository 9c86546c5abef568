"""Finding a run: by name, by folder, or the newest finished one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from bodyshop_core.catalog import schema
from bodyshop_core.errors import NothingFoundError, UsageError
from bodyshop_core.workspace import Workspace
from train.models.classifier import Classifier
from train.models.open_run import load_run
from train.models.run_folder import RECORD_FILE


def resolve_run(run: str | Path | Classifier | None, workspace: Workspace | None) -> Classifier:
    """Find a classifier run.

    Parameters
    ----------
    run : str, Path, Classifier or None
        A run's name in the workspace, its folder, or loaded; None: the newest finished one.
    workspace : Workspace or None
        Needed for names and for the newest run.

    Raises
    ------
    NothingFoundError
        The workspace has no finished run, or none of that name.
    UsageError
        Neither a run nor a workspace is given, or the folder holds no classifier.
    """
    if isinstance(run, Classifier):
        return run
    if run is None:
        if workspace is None:
            raise UsageError("no run is given", hint="give a run's folder or a workspace")
        return load_run(workspace.runs / newest_run(workspace))
    if Path(run).is_dir():
        return load_run(Path(run))
    if workspace is not None and (workspace.runs / str(run)).is_dir():
        return load_run(workspace.runs / str(run))
    raise NothingFoundError(
        f"there is no run '{run}'", hint="bodyshop status lists the runs of a workspace"
    )


def newest_run(workspace: Workspace, *, command: str = "train") -> str:
    """Return the name of the workspace's newest finished run.

    Raises
    ------
    NothingFoundError
        There is none.
    """
    table = schema.runs
    query = (
        select(table.c.id)
        .where(table.c.command == command, table.c.state == "done")
        .order_by(table.c.started_at.desc(), table.c.id.desc())
    )
    with workspace.catalog.read() as connection:
        for name in connection.execute(query).scalars():
            if (workspace.runs / name / RECORD_FILE).exists():
                return str(name)
    raise NothingFoundError(
        f"{workspace.root} has no finished run yet", hint=f"run: bodyshop {command}"
    )
