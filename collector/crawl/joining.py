"""One of several collectors: what it shares with the others, and what it gets to do."""

from __future__ import annotations

import errno
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, select, update

from bodyshop_core import atomic
from bodyshop_core.catalog import CatalogError, schema
from bodyshop_core.errors import UsageError
from bodyshop_core.locking import is_locked, locked
from bodyshop_core.storage.local_blobs import LocalBlobs
from bodyshop_core.workspace import Workspace
from collector.candidate import Task
from collector.crawl.context import INCOMING
from collector.ledger import membership
from collector.ledger.journal import Journal
from collector.ledger.leases import AT_ONCE, LeasedWork, Leases, complete_addresses
from collector.ledger.membership import Membership, end_collector
from collector.ledger.shared_hosts import reset_hosts
from collector.ledger.store import SUCCESSES, TEMPORARY, CrawlLedger, enter_tasks

LOCK = ".collect.lock"
"""In the workspace; held while a crawl runs alone, and while one of several begins or ends."""

LISTS = 8
"""Tasks without a browser that one collector holds."""

LOOK_SECONDS = 0.25
WAIT_SECONDS = 0.5
"""How often a collector asks for more, and how often when there was nothing."""


class Shift:
    """The work of one of several collectors; from `joined`.

    Parameters
    ----------
    workspace : Workspace
        Its folder, with the catalog of all.
    member : Membership
        Registered by `begin`.
    folder : Path
        For its journal and ``.part`` files.
    place : str
        The same text for all whose pictures go to one place.
    log : callable
        Takes messages for people.
    """

    def __init__(
        self, workspace: Workspace, member: Membership, folder: Path, place: str,
        log: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._workspace, self._catalog, self._place = workspace, workspace.catalog, place
        self.member, self.folder, self._log = member, folder, log
        self.leases: Leases | None = None
        self.finished = False
        self.on_failure: Callable[[BaseException], None] = lambda _error: None
        self.pending: list[Task] = []
        self._next, self._waited = 0.0, False

    def begin(
        self,
        tasks: Sequence[Task],
        *,
        scope: set[tuple[str, str]],
        per_model: int,
        needs_browser: Callable[[Task], bool],
        again: str = "",
        refresh: bool = False,
    ) -> Leases:
        """Become one of the collectors; the first of them starts a run, the others join it.

        Parameters
        ----------
        tasks : sequence of Task
            Of this collector's plan.
        scope, per_model, needs_browser
            As for `Leases`.
        again : str
            The option that makes work again, for a message; only the first may use it.
        refresh : bool
            Do finished tasks again.

        Raises
        ------
        UsageError
            Others are at work, and `again` is given, or their pictures go elsewhere.
        """
        complete_addresses(self._catalog)
        with self._catalog.begin() as connection:
            _refuse_other_place(connection, self._place)
            enter_tasks(connection, tasks)
            machine = socket.gethostname()
            first = self.member.register(connection, machine=machine, blobs=self._place)
            if again and not first:
                raise UsageError(
                    f"{again}: other collectors are at work (or were killed less than "
                    f"{membership.LEASE_SECONDS:g} s ago)",
                    hint="give it to the first collector; those that join take part in its run",
                )
            if first:
                _start_run(connection, tasks, refresh)
            self.member.count_from_now(connection)
        self.leases = Leases(self.member, scope, per_model, needs_browser)
        self.pending = list({task.key: task for task in tasks}.values())
        return self.leases

    def restock(self, room: Mapping[bool, int]) -> LeasedWork | None:
        """Lease more work when there is room for it; None when it is not time to ask.

        Sets `finished` when nothing is left, also with the others.
        """
        assert self.leases is not None, "begin was called"
        wants = AT_ONCE - len(self.leases.candidates)
        idle = wants >= AT_ONCE // 2
        now = time.monotonic()
        if now < self._next or not (idle or any(count > 0 for count in room.values())):
            return None
        if has_ended_folders(self._workspace):  # before somebody downloads again what is there
            with locked(self._workspace.root / LOCK, wait=True):
                recover_ended(self._workspace, alone=False)
        with self._catalog.begin() as connection:
            work = self.leases.take(
                connection, room=wants if idle else 0, pending=self.pending, free=room
            )
        self._next = time.monotonic() + (LOOK_SECONDS if work else WAIT_SECONDS)
        if not (work or self.leases.candidates or self.leases.tasks):
            self.finished = work.elsewhere == 0
            if not self.finished and not self._waited:
                self._waited = True
                self._log(f"waiting for other collectors: they are at {work.elsewhere} pages, "
                          "queries and pictures")  # fmt: skip
        return work

    def beat(self, connection: Connection, ended: threading.Event) -> None:
        """Say regularly that this collector is alive; report when it no longer is."""
        while not ended.wait(membership.LEASE_SECONDS / 6):
            if self.leases is None:
                continue
            try:
                with self._catalog.explained():
                    self.member.renew(connection)
            except BaseException as error:  # noqa: BLE001 - handed to the driving thread
                self.on_failure(error)
                return


@contextmanager
def joined(workspace: Workspace, log: Callable[[str], None]) -> Iterator[Shift]:
    """Be one of several collectors for the block.

    Raises
    ------
    UsageError
        The catalog is a file, or a collector works alone on it.
    """
    catalog = workspace.catalog
    if not catalog.on_server:
        raise UsageError(
            f"--join: several collectors need a catalog on PostgreSQL, but {catalog.label} is a "
            "file of SQLite",
            hint="bodyshop workspace copy moves a workspace to PostgreSQL, see docs/scale.md; "
            "without --join one collector works on it",
        )
    with (
        catalog.limited_silence(membership.LEASE_SECONDS / 2),
        catalog.claimed(
            "collect",
            shared=True,
            taken=f"a 'bodyshop collect' without --join is running on {catalog.label}",
            hint="it is alone on purpose: stop it, and start all of them with --join; "
            "the same command continues",
        ) as connection,
        _own_folder(workspace) as (member, folder, place),
    ):
        shift, ended = Shift(workspace, member, folder, place, log), threading.Event()
        heart = threading.Thread(target=shift.beat, args=(connection, ended), name="heartbeat")
        heart.daemon = True
        heart.start()
        try:
            yield shift
        finally:
            ended.set()
            heart.join()
            # What can't be given back runs out.
            with suppress(CatalogError), catalog.begin() as last:
                end_collector(last, member.id)
                member.ended = True


def recover_ended(workspace: Workspace, *, alone: bool) -> None:
    """Bring in what killed collectors of this folder have finished, and end their leases.

    Call this with `LOCK` held.
    """
    for folder in _folders(workspace):
        if is_locked(folder / "lock"):
            continue
        with locked(folder / "lock", wait=True):  # others only look whether it is free
            bring_in(workspace, Journal(folder), alone=alone)
            with workspace.catalog.begin() as connection:
                end_collector(connection, folder.name)
        _remove(folder)


def has_ended_folders(workspace: Workspace) -> bool:
    """Return whether `recover_ended` has something to do; others may come and go meanwhile."""
    locks = (folder / "lock" for folder in _folders(workspace))
    return any(lock.exists() and not is_locked(lock) for lock in locks)


def _folders(workspace: Workspace) -> list[Path]:
    return sorted((workspace.root / INCOMING).glob("*/"))


def _remove(folder: Path) -> None:
    """Remove a collector's folder, with `LOCK` held; what can't be removed yet is left to the next.

    A file that another has open just now stays there for a moment on NFS.
    """
    try:
        shutil.rmtree(folder)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY}:
            raise


def bring_in(workspace: Workspace, journal: Journal, *, alone: bool) -> None:
    """Bring in what a killed run has finished."""
    ledger = CrawlLedger(workspace, journal, alone=alone)
    ledger.ingest(journal.recover(workspace.blobs))
    journal.discard()


@contextmanager
def _own_folder(workspace: Workspace) -> Iterator[tuple[Membership, Path, str]]:
    """Give a collector a folder for its journal, after bringing in what others left."""
    member = Membership()
    folder = workspace.root / INCOMING / member.id
    with ExitStack() as held:
        with locked(workspace.root / LOCK, wait=True):
            recover_ended(workspace, alone=False)
            bring_in(workspace, Journal(workspace.root / INCOMING), alone=False)
            held.enter_context(locked(folder / "lock", wait=True))
            place = _place_of_blobs(workspace)
        try:
            yield member, folder, place
        finally:
            with locked(workspace.root / LOCK, wait=True):
                # Lines that could not be written to the catalog stay for the next run. So does an
                # empty folder whose collector could not be ended: `recover_ended` does it then.
                if member.ended and [path.name for path in folder.iterdir()] == ["lock"]:
                    _remove(folder)


def _start_run(connection: Connection, tasks: Sequence[Task], refresh: bool) -> None:
    """Open again what held for the last run only."""
    reset_hosts(connection)
    c, p = schema.candidates.c, schema.pages.c
    connection.execute(
        update(schema.candidates)
        .where(c.error_class.in_(TEMPORARY))
        .values(state="queued", error_class=None, error=None, lease=None)
    )
    keys = sorted({task.key for task in tasks})
    for at in range(0, len(keys), 500):
        again = update(schema.pages).where(p.key.in_(keys[at : at + 500]))
        if not refresh:
            again = again.where(p.state.not_in(SUCCESSES))
        connection.execute(again.values(state="queued", lease=None))


def _place_of_blobs(workspace: Workspace) -> str:
    """Return a text that is the same for two collectors whose pictures go to one place."""
    blobs = workspace.blobs
    if not isinstance(blobs, LocalBlobs):
        return blobs.label
    # The same path on two machines may be two disks.
    file = workspace.root / INCOMING / "place"
    if not file.exists():
        atomic.write_text(file, uuid.uuid4().hex)
    return f"folder {file.read_text('utf-8')}"


def _refuse_other_place(connection: Connection, place: str) -> None:
    table = schema.collectors
    alive = select(table.c.blobs, table.c.machine).where(table.c.expires_at > membership.CLOCK)
    other = connection.execute(alive.where(table.c.blobs != place)).first()
    if other is not None:
        raise UsageError(
            f"the collector on {other.machine} puts its pictures elsewhere",
            hint='all of them need one place: a bucket (blobs = "s3://…" in workspace.toml), or '
            "one workspace folder that all machines see",
        )
