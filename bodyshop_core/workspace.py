"""A workspace: a folder with the catalog, the original bytes and everything derived from them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import select

from bodyshop_core.catalog import BlobRef, Catalog, schema
from bodyshop_core.catalog.derived_names import rename
from bodyshop_core.catalog.identity import find_identity, identity, may_give_identity
from bodyshop_core.catalog.whereabouts import whereabouts
from bodyshop_core.errors import BodyshopError, ConfigError, InterruptedByUser, UsageError
from bodyshop_core.storage.derived_upload import upload_local
from bodyshop_core.storage.place_owner import Owner
from bodyshop_core.storage.remote_blobs import RemoteBlobs
from bodyshop_core.storage.remote_derived import RemoteDerived
from bodyshop_core.version import __version__
from bodyshop_core.workspace_settings import (
    SETTINGS_FILE,
    blob_store,
    catalog_url,
    derived_files,
)

CATALOG_FILE = "bodyshop.sqlite"


@dataclass
class RunningCommand:
    """A running command in the catalog; it may fill `counts` and `data_state` while it runs."""

    id: str
    folder: Path
    counts: dict[str, Any] = field(default_factory=dict)
    data_state: str | None = None


class Workspace:
    """Paths and stores of one workspace folder.

    Parameters
    ----------
    root : Path
        An existing folder; use `Workspace.open`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        file, url, self.blobs = root / CATALOG_FILE, catalog_url(root), blob_store(root)
        if url is not None and file.exists():
            raise ConfigError(
                f"there is a catalog in {file}, too: which one is it?",
                file=root / SETTINGS_FILE,
                key="catalog",
                hint="start the database with an empty workspace folder, or move that file away",
            )
        self.catalog = Catalog(file, url)
        if isinstance(self.blobs, RemoteBlobs):
            owner = Owner(
                partial(find_identity, self.catalog),
                partial(identity, self.catalog),
                partial(whereabouts, self.catalog),
            )
            if may_give_identity(self.catalog):  # now: later may be inside of a transaction
                owner.make()
            self.blobs = self.blobs.owned_by(owner, self.catalog.label)
        self.derived = derived_files(root, self.blobs)
        if isinstance(self.derived, RemoteDerived):
            upload_local(root, self.derived, self._rename)

    @classmethod
    def open(cls, root: Path | str, *, create: bool = True) -> Workspace:
        """Open a workspace folder.

        Parameters
        ----------
        root : Path or str
            The folder.
        create : bool
            Create it when it does not exist.

        Raises
        ------
        UsageError
            The folder is absent and `create` is false, or the path is a file.
        TransientError
            Masks and variants in the folder could not be moved into the workspace's bucket.
        """
        root = Path(root).absolute()
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file, but a workspace is a folder")
        if not create and not is_workspace(root):
            raise UsageError(
                f"{root} is not a workspace yet",
                hint="create one: bodyshop collect brands.yaml, or: bodyshop import FOLDER",
            )
        root.mkdir(parents=True, exist_ok=True)
        return cls(root)

    @property
    def features(self) -> Path:
        """Folder of the feature shards, one subfolder per gate."""
        return self.root / "features"

    @property
    def masks(self) -> Path:
        """Folder of damage masks, unless they are in a bucket: see `derived`."""
        return self.root / "masks"

    @property
    def variants(self) -> Path:
        """Folder of augmented pictures (but see `derived`), and of what tells about them."""
        return self.root / "variants"

    @property
    def runs(self) -> Path:
        """Folder of training runs."""
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        """Folder of HTML reports."""
        return self.root / "reports"

    def image_path(self, sha256: str) -> Path:
        """Return a file with a picture's original bytes: of an object, a copy in the cache.

        Raises
        ------
        BodyshopError
            No such picture is in the catalog.
        TransientError
            The bucket does not give it.
        """
        return self.picture(sha256).local()

    def picture(self, sha256: str) -> BlobRef:
        """Return where a picture's original bytes are.

        Raises
        ------
        BodyshopError
            No such picture is in the catalog.
        """
        query = select(schema.images.c.extension).where(schema.images.c.sha256 == sha256)
        with self.catalog.read() as connection:
            extension = connection.execute(query).scalar_one_or_none()
        if extension is None:
            raise BodyshopError(f"no picture {sha256} in {self.root}")
        return self.blobs.ref(sha256, extension)

    @contextmanager
    def record_run(
        self, command: str, arguments: Mapping[str, Any], *, run: str | None = None
    ) -> Iterator[RunningCommand]:
        """Record start, arguments, versions, end, counts and duration of a command in `runs`.

        Parameters
        ----------
        command : str
            Such as ``curate``.
        arguments : Mapping
            JSON-able arguments.
        run : str, optional
            Id of an interrupted run that is resumed: it keeps its row and its start.

        Yields
        ------
        RunningCommand
            Its `counts` and `data_state` are stored when the block ends (the latter at once with
            `note_data_state`); its `folder` is ``runs/<id>``, not created.
        """
        if run is None:
            run = self._new_run(command, arguments)
        else:
            self._note_run(run, state="running")
        record = RunningCommand(run, self.runs / run)
        started, state = monotonic(), "failed"
        try:
            yield record
            state = "done"
        except (InterruptedByUser, KeyboardInterrupt):
            state = "interrupted"
            raise
        finally:
            seconds = monotonic() - started
            # A run that is resumed keeps what it noted before.
            known = {} if record.data_state is None else {"data_state": record.data_state}
            self._note_run(run, state=state, counts=record.counts, seconds=seconds, **known)

    def note_data_state(self, record: RunningCommand, state: str) -> None:
        """Store at once what a run learns from, so that nobody removes it while the run goes on.

        Parameters
        ----------
        record : RunningCommand
            From `record_run`.
        state : str
            Id of the recorded state.
        """
        record.data_state = state
        self._note_run(record.id, data_state=state)

    def _rename(self, names: dict[str, str]) -> None:
        with self.catalog.begin() as connection:
            rename(connection, names)

    def _new_run(self, command: str, arguments: Mapping[str, Any]) -> str:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        run = f"{command}-{stamp}-{uuid.uuid4().hex[:6]}"
        row = {
            "id": run,
            "command": command,
            "arguments": json.loads(json.dumps(dict(arguments), default=str)),
            "versions": {"bodyshop": __version__},
            "state": "running",
            "folder": f"runs/{run}",
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": {},
            "seconds": None,
        }
        self.catalog.upsert(schema.runs, [row])
        return run

    def _note_run(self, run: str, **values: Any) -> None:
        with self.catalog.begin() as connection:
            connection.execute(schema.runs.update().where(schema.runs.c.id == run).values(**values))


def is_workspace(folder: Path | str) -> bool:
    """Return whether a folder is a workspace."""
    return any((Path(folder) / name).exists() for name in (CATALOG_FILE, SETTINGS_FILE))
