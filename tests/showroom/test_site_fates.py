"""The collector makes of every bad answer what the corner's list says it deserves."""

from __future__ import annotations

import pytest
import yaml
from sqlalchemy import text

import collector
from bodyshop_core.workspace import Workspace
from showroom import Site

# What the ledger says of a candidate, by the fate that the list names.
STATES = {"accept": {"done"}, "refuse": {"refused", "failed"}, "retry": {"failed", "queued"}}


@pytest.mark.slow
def test_every_bad_answer_meets_its_fate_and_no_private_host_is_asked(
    site: Site, workspace: Workspace
) -> None:
    # Refusing statuses make the breaker leave the host alone: they have tests of their own.
    threats = {t.name: t for t in site.hostile if not t.name[0].isdigit() and t.name != "stall"}
    plan = yaml.safe_load(site.brands_yaml(spinners=False, search=False))
    plan["limits"] |= {"request_seconds": 5, "max_bytes": 5_000_000}
    urls = [f"{site.base_url}/hostile/{name}" for name in threats]
    plan["brands"] = [{"name": "Hostile", "models": [{"name": "all", "lists": [{"urls": urls}]}]}]

    summary = collector.collect(collector.parse_brands(yaml.safe_dump(plan)), workspace)

    with workspace.catalog.read() as connection:
        rows = connection.execute(text("SELECT url, state, error_class FROM candidates")).all()
    fates = {url.rpartition("/")[2]: (state, why) for url, state, why in rows}
    assert set(fates) == set(threats)
    for name, (state, why) in fates.items():
        assert state in STATES[threats[name].fate], (name, state, why)
        assert (why is None) == (state == "done"), (name, state, why)
    accepted = [t for t in threats.values() if t.fate == "accept"]
    assert summary.as_dict()["downloaded"] == len(accepted)
    assert site.log.of("private") == []
