"""What all parts of one crawl share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from bodyshop_core.workspace import Workspace
from collector.brands import Brands
from collector.ledger.journal import Journal
from collector.ledger.tombstones import Tombstones
from collector.net.address import AddressGuard, address_group
from collector.net.api_keys import Keys, keys_of
from collector.net.download import DownloadLimits
from collector.net.host_states import HostStates
from collector.net.http import user_agent
from collector.net.politeness import HostGate

INCOMING = "incoming"


def _no_log(_text: str) -> None:
    return None


@dataclass(frozen=True)
class CrawlContext:
    """What all parts of one crawl share; make it with `open`.

    Parameters
    ----------
    brands : Brands
        What to collect, and with which limits.
    workspace : Workspace
        Where pictures, evidence and ledger go.
    guard : AddressGuard
        Checks every connection.
    gate : HostGate
        When each host may be asked.
    agent : str
        The User-Agent.
    keys : Keys
        API keys from the environment.
    journal : Journal
        Finished downloads that are not in the catalog yet.
    tombstones : Tombstones
        What was erased on request when the crawl began.
    log : callable
        Takes messages for people.
    stopping : threading.Event
        Set when the run ends early; every wait for a host ends at once.
    """

    brands: Brands
    workspace: Workspace
    guard: AddressGuard
    gate: HostGate
    agent: str
    keys: Keys
    journal: Journal
    tombstones: Tombstones = field(default_factory=Tombstones)
    log: Callable[[str], None] = _no_log
    stopping: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(
        cls,
        brands: Brands,
        workspace: Workspace,
        journal: Journal,
        *,
        tombstones: Tombstones | None = None,
        log: Callable[[str], None] = _no_log,
        states: HostStates | None = None,
    ) -> CrawlContext:
        """Return the context of a brands.yaml and a workspace.

        `states` are those of the hosts, if several collectors share them.

        Raises
        ------
        MissingPartError, UsageError
            An API key is missing or not valid; see `keys_of`.
        """
        guard, stopping = AddressGuard(brands.allow_hosts), threading.Event()
        return cls(
            brands=brands,
            workspace=workspace,
            guard=guard,
            gate=gate_for(brands, guard, log, states, stopping),
            agent=user_agent(brands.contact),
            keys=keys_of(brands.active_angles()),
            journal=journal,
            tombstones=tombstones or Tombstones(),
            log=log,
            stopping=stopping,
        )

    @property
    def download_limits(self) -> DownloadLimits:
        """The bounds of one download."""
        limits = self.brands.limits
        return DownloadLimits(limits.max_bytes, limits.min_side, limits.request_seconds)


def gate_for(
    brands: Brands,
    guard: AddressGuard,
    log: Callable[[str], None] = _no_log,
    states: HostStates | None = None,
    stopping: threading.Event | None = None,
) -> HostGate:
    """Return the host gate with the politeness of a brands.yaml."""
    limits = brands.limits
    return HostGate(
        limits.per_host_interval,
        limits.per_host_connections,
        is_private=lambda host: guard.exempt_url(f"http://{host}/"),
        log=log,
        states=states,
        group=address_group if limits.count_by_address else None,
        stopping=stopping,
    )
