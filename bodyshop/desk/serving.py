"""Start the desk on this machine only."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bodyshop_core.errors import UsageError
from bodyshop_core.extras import need_extra

if TYPE_CHECKING:
    from bodyshop_core.workspace import Workspace

HOST = "127.0.0.1"
THREADS = 8


@dataclass(frozen=True)
class Desk:
    """A desk that is being served.

    Parameters
    ----------
    address : str
        With the token of this start: the first browser that opens it may decide, no other.
    pictures : int
        How many it shows.
    """

    address: str
    pictures: int


@contextmanager
def serve_desk(
    workspace: Workspace,
    *,
    by: str,
    port: int = 0,
    read_only: bool = False,
    allow_hosts: Iterable[str] = (),
) -> Iterator[Desk]:
    """Serve the desk on the loopback interface for the block.

    Parameters
    ----------
    workspace : Workspace
        What is shown.
    by : str
        Name under which decisions are written.
    port : int
        Port; 0: any free one.
    read_only : bool
        Refuse every decision.
    allow_hosts : iterable of str
        Hosts, or host:port pairs, in a private network that photos to try may come from.

    Raises
    ------
    MissingPartError
        The extra ``desk`` is not installed.
    UsageError
        The port is taken.
    """
    need_extra("desk", "the desk")
    import waitress

    from bodyshop.desk.app import create_app
    from bodyshop.desk.state import DeskState

    token = secrets.token_urlsafe(24)
    state = DeskState(workspace, by, read_only=read_only, allow_hosts=allow_hosts)
    try:
        server = waitress.create_server(
            create_app(state, token), host=HOST, port=port, threads=THREADS, ident=None
        )
    except OSError as error:
        raise UsageError(
            f"port {port} is in use", hint="choose another one, or none: bodyshop desk --port 0"
        ) from error
    thread = threading.Thread(target=server.run, name="desk", daemon=True)
    thread.start()
    try:
        yield Desk(f"http://{HOST}:{server.effective_port}/?token={token}", len(state.table))
    finally:
        state.hiding.stop()
        server.task_dispatcher.shutdown(timeout=5)
        # in the thread that waits on the sockets: closed by another, they are bad descriptors there
        server.trigger.pull_trigger(server.close)
        thread.join(5)
