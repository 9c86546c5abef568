"""One, two and four collectors on one ledger in PostgreSQL: speed, and the gap that hosts see.

    python -m benchmarks.collectors --hosts 50 --pictures 20

Needs PostgreSQL (Debian: apt-get install postgresql). The hosts are 50 ports of one server on
loopback, in a process of its own; its log says when each request arrived.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

CHILD = """
import json, resource, sys
import collector
from bodyshop_core.workspace import Workspace
brands, join = collector.load_brands(sys.argv[1]), sys.argv[3] == "join"
summary = collector.collect(brands, Workspace.open(sys.argv[2]), join=join)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"new": summary.new, "have": summary.downloaded,
                  "cpu": used.ru_utime + used.ru_stime}))
"""

Log = list[tuple[int, str, float]]
"""Host, path, time of arrival."""


def serve(hosts: int, pictures: int, pipe: Connection) -> None:
    """Serve until told to end; send the ports, then the log whenever it is asked for."""
    from picture_server import PictureServer, picture

    with suppress(PermissionError):  # its log has to be right also where others take the processor
        os.nice(-10)
    running = [PictureServer() for _ in range(hosts)]
    for number, server in enumerate(running):
        for n in range(pictures):
            server.add(f"/p/{n}.jpg", picture(number * pictures + n))
    pipe.send([server.host for server in running])
    while pipe.recv():
        log: Log = []
        for number, server in enumerate(running):
            log += [(number, each.path, each.at) for each in server.asked]
            server.asked.clear()
        pipe.send(log)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--pictures", type=int, default=20, help="per host")
    parser.add_argument("--gap", type=float, default=0.25, help="seconds")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    import postgres

    ours, theirs = multiprocessing.Pipe()
    arguments = (options.hosts, options.pictures, theirs)
    serving = multiprocessing.Process(target=serve, args=arguments, daemon=True)
    serving.start()
    hosts = ours.recv()
    programs = postgres.programs()
    assert programs is not None, "apt-get install postgresql"
    database = postgres.PostgresServer(programs)
    database.start()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    print(
        "collectors | s | pictures/s | CPU-ms per picture | smallest gap, its 1 % | twice | shares"
    )
    try:
        for number in range(options.rounds):
            for count in (0, 1, 2, 4):
                url = database.url(f"r{number}n{count}")
                with tempfile.TemporaryDirectory() as folder:
                    results = run(Path(folder), url, hosts, options, count)
                ours.send(True)
                print(line(count, results, ours.recv(), options), flush=True)
    finally:
        database.close()
        ours.send(False)
        serving.join()


def run(
    folder: Path, url: str, hosts: list[str], options: argparse.Namespace, count: int
) -> list[dict[str, float]]:
    """Collect with so many collectors, 0: one without --join; return what each did."""
    workspace, file = folder / "workspace", folder / "brands.yaml"
    workspace.mkdir()
    (workspace / "workspace.toml").write_text(f'catalog = "{url}"\n')
    urls = [f"http://{host}/p/{n}.jpg" for n in range(options.pictures) for host in hosts]
    models = [{"name": f"M{n}", "lists": [{"urls": urls[n::10]}]} for n in range(10)]
    plan = {
        "version": 1, "contact": "test@example.org", "allow_hosts": ["127.0.0.1"],
        "limits": {"per_host_interval": options.gap, "min_side": 100},
        "brands": [{"name": "Norden", "models": models}],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(plan))
    how = "join" if count else "alone"
    command = [sys.executable, "-c", CHILD, str(file), str(workspace), how]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count or 1)
    ]
    results = [json.loads(each.communicate()[0]) for each in running]
    assert {each["have"] for each in results} == {len(urls)}, results
    return results


def line(count: int, results: list[dict[str, float]], log: Log, options: argparse.Namespace) -> str:
    """Return a row of the table."""
    times = [at for *_, at in log]
    seconds, pictures = max(times) - min(times), options.hosts * options.pictures
    gaps = sorted(
        later - earlier
        for host in range(options.hosts)
        for earlier, later in pairwise(sorted(at for number, _, at in log if number == host))
    )
    asked = Counter((host, path) for host, path, _ in log if path.startswith("/p/"))
    cpu = 1000 * sum(each["cpu"] for each in results) / pictures
    shares = ", ".join(f"{each['new']:.0f}" for each in results)
    return (
        f"{count or 'one without --join'} | {seconds:.1f} | {pictures / seconds:.0f} | {cpu:.1f} | "
        f"{gaps[0]:.3f}, {gaps[len(gaps) // 100]:.3f} | {asked.total() - len(asked)} | {shares}"
    )


if __name__ == "__main__":
    main()
