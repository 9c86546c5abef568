"""Pictures per second of bodyshop, icrawler and img2dataset on the same addresses.

A server in a process of its own serves N different pictures from several loopback hosts, after a
latency of 0 or 50 ms. Each tool runs in a fresh process on the same list of addresses: bodyshop
from this checkout, the two others as installed from the package index into virtual environments of
their own: in a temporary folder, or in that of `--environments`, where they stay. Afterwards
bodyshop runs with politeness on, and the server's log says how close to the allowed rate it came.

    python -m benchmarks.collect --pictures 3000 --rounds 2

In parts, for a machine that is only quiet for minutes:

    python -m benchmarks.collect --environments /tmp/peers --prepare
    python -m benchmarks.collect --environments /tmp/peers --latency 0 --no-politeness
    python -m benchmarks.collect --environments /tmp/peers --latency 50 --no-politeness
    python -m benchmarks.collect --latency
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOSTS = 8
PEERS = {"icrawler": ["icrawler", "setuptools"], "img2dataset": ["img2dataset", "setuptools<81"]}

BODYSHOP = """
import sys
import collector
from bodyshop_core.workspace import Workspace
summary = collector.collect(collector.load_brands(sys.argv[1]), Workspace.open(sys.argv[2]))
print(summary.downloaded)
"""
ICRAWLER = """
import logging, sys
from icrawler.builtin import UrlListCrawler
crawler = UrlListCrawler(
    downloader_threads=16, storage={"root_dir": sys.argv[2]}, log_level=logging.ERROR
)
crawler.crawl(url_list=sys.argv[1], max_num=10**6)
"""
IMG2DATASET = """
import sys
from img2dataset import download
if __name__ == "__main__":
    download(
        url_list=sys.argv[1], output_folder=sys.argv[2], input_format="txt", output_format="files",
        processes_count=2, thread_count=16, resize_mode="no", disable_all_reencoding=True,
        number_sample_per_shard=1000, retries=0, compute_hash="sha256", enable_wandb=False,
    )
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bodyshop-benchmark-") as name:
        folder = Path(name)
        home = options.environments or folder
        peers = [tool for tool in options.tools if tool in PEERS] if options.latency else []
        pythons = {"bodyshop": Path(sys.executable)}
        pythons |= {peer: _environment(home, peer, PEERS[peer]) for peer in peers}
        if options.prepare:
            return
        rows = [
            _measure(tool, pythons[tool], folder / f"{latency}-{turn}", options.pictures, latency)
            for latency in (each / 1000 for each in options.latency)
            for turn in range(options.rounds)
            for tool in options.tools
        ]
        polite = [_politeness(folder, each) for each in (0.5, 0.1) if options.politeness]
    text = _report(rows, polite, options.pictures)
    print(text)
    if options.out:
        Path(options.out).write_text(text, encoding="utf-8")


def _measure(tool: str, python: Path, folder: Path, count: int, latency: float) -> dict:
    work = folder / tool
    work.mkdir(parents=True)
    with Farm(count, latency) as farm:
        command = [str(python), *_command(tool, work, farm.urls)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=ROOT if tool == "bodyshop" else work, env=_plain_environment(),
            stdout=subprocess.DEVNULL, stderr=(work / "errors.txt").open("wb"),
        )  # fmt: skip
        with Memory(process.pid) as memory:
            process.wait()
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        asked = farm.log()
    stored = _stored(work)
    first, last = min(at for _, at in asked), max(at for _, at in asked)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if stored < count:
        print((work / "errors.txt").read_text(errors="replace")[-800:], file=sys.stderr)
    row = {
        "tool": tool, "latency": latency, "stored": stored, "seconds": seconds,
        "rate": stored / max(last - first, 1e-9), "whole": stored / seconds,
        "cpu": 1000 * cpu / max(stored, 1), "memory": memory.peak,
    }  # fmt: skip
    print(row, file=sys.stderr)
    return row


def _command(tool: str, work: Path, urls: list[str]) -> list[str]:
    listing = work / "urls.txt"
    listing.write_text("\n".join(urls))
    if tool == "bodyshop":
        return ["-c", BODYSHOP, str(_brands(work, listing, 0.0)), str(work / "out")]
    script = work / "run.py"
    script.write_text(ICRAWLER if tool == "icrawler" else IMG2DATASET)
    return [str(script), str(listing), str(work / "out")]


def _brands(work: Path, listing: Path, interval: float) -> Path:
    plan = {
        "version": 1,
        "contact": "benchmark@example.org",
        "allow_hosts": ["127.0.0.1"],
        "limits": {
            "per_host_interval": interval, "per_host_connections": 2, "per_model": 10**6,
            "min_side": 64,
        },
        "brands": [{"name": "B", "models": [{"name": "M", "lists": [{"file": str(listing)}]}]}],
    }  # fmt: skip
    file = work / "brands.yaml"
    file.write_text(json.dumps(plan))  # JSON is YAML
    return file


def _politeness(folder: Path, interval: float) -> dict:
    """Run bodyshop at `interval` seconds per host; hold the server log against the limit."""
    count = HOSTS * round(12 / interval / 2)
    work = folder / f"polite-{interval}"
    work.mkdir()
    listing = work / "urls.txt"
    with Farm(count, 0.02) as farm:
        listing.write_text("\n".join(farm.urls))
        brands = _brands(work, listing, interval)
        command = [sys.executable, "-c", BODYSHOP, str(brands), str(work / "out")]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        asked = farm.log()
    by_host: dict[str, list[float]] = {}
    for host, at in asked:
        by_host.setdefault(host, []).append(at)
    rates = [(len(at) - 1) / (max(at) - min(at)) for at in by_host.values()]
    gaps = [after - before for at in by_host.values() for before, after in pairwise(sorted(at))]
    return {
        "interval": interval, "allowed": 1 / interval, "rate": sum(rates) / len(rates),
        "fastest": max(rates), "shortest": min(gaps), "requests": len(asked),
    }  # fmt: skip


class Farm:
    """Several loopback hosts in one asyncio process; remembers when each was asked."""

    def __init__(self, count: int, latency: float) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, count, latency), daemon=True)
        self._count = count

    def __enter__(self) -> Farm:
        self._process.start()
        ports = self._pipe.recv()
        self.urls = [
            f"http://127.0.0.1:{ports[n % len(ports)]}/{n}.jpg" for n in range(self._count)
        ]
        return self

    def log(self) -> list[tuple[str, float]]:
        """Return (host, seconds on the monotonic clock) of every request."""
        self._pipe.send("log")
        return self._pipe.recv()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _serve(pipe: Connection, count: int, latency: float) -> None:
    pictures = _pictures(min(count, 64))
    asked: list[tuple[str, float]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                at = time.monotonic()
                path = head.split(b" ", 2)[1]
                name = path.rpartition(b"/")[2].partition(b".jpg")
                if latency:
                    await asyncio.sleep(latency)
                asked.append((str(port), at))
                if name[1] and name[0].isdigit():
                    number = int(name[0])
                    # A comment of its own after the end mark makes every picture's bytes unique.
                    body = pictures[number % len(pictures)] + b"#%d" % number
                    status = b"200 OK"
                else:
                    body, status = b"", b"404 Not Found"
                writer.write(
                    b"HTTP/1.1 %s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                    % (status, len(body)) + body
                )  # fmt: skip
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        servers = [await asyncio.start_server(answer, "127.0.0.1", 0) for _ in range(HOSTS)]
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        loop = asyncio.get_running_loop()
        loop.add_reader(pipe.fileno(), lambda: (pipe.recv(), pipe.send(asked)))
        await asyncio.Event().wait()

    asyncio.run(run())


def _pictures(count: int) -> list[bytes]:
    from PIL import Image

    found = []
    for seed in range(count):
        rng = random.Random(seed)
        small = Image.frombytes("RGB", (80, 60), rng.randbytes(80 * 60 * 3))
        out = io.BytesIO()
        small.resize((800, 600)).save(out, "JPEG", quality=88)
        found.append(out.getvalue())
    return found


class Memory:
    """Largest resident set of a process and all its descendants together, in MiB."""

    def __init__(self, pid: int) -> None:
        self._pid, self.peak = pid, 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        import psutil

        while not self._over.wait(0.1):
            total = 0
            try:
                root = psutil.Process(self._pid)
                for process in (root, *root.children(recursive=True)):
                    total += process.memory_info().rss
            except psutil.Error:
                continue
            self.peak = max(self.peak, total / 2**20)


def _stored(work: Path) -> int:
    endings = {".jpg", ".jpeg", ".png"}
    return sum(1 for path in (work / "out").rglob("*") if path.suffix in endings)


def _environment(folder: Path, peer: str, packages: list[str]) -> Path:
    home = folder / f"venv-{peer}"
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    if python.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return python


def _plain_environment() -> dict[str, str]:
    return os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}


def _report(rows: list[dict], polite: list[dict], count: int) -> str:
    size = len(_pictures(1)[0]) // 1000
    lines = [
        "# Collecting: speed",
        "",
        f"{count} different JPEGs of 800x600 (about {size} kB) on {HOSTS} loopback hosts, "
        f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, politeness off. "
        "bodyshop hashes, sniffs, checks the end mark and header, and keeps its ledger; icrawler "
        "hashes nothing; img2dataset hashes (sha256) without re-encoding. `pictures/s` is from the "
        "first request to the last, `whole run` includes starting Python.",
        "",
        "| latency | tool | stored | pictures/s | whole run, pictures/s | CPU s per 1,000 "
        "| pictures per CPU s | peak MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    by_tool: dict[tuple[float, str], list[dict]] = {}
    for row in rows:
        by_tool.setdefault((row["latency"], row["tool"]), []).append(row)
    for (latency, tool), turns in by_tool.items():
        told = [
            ", ".join(f"{each[name]:{form}}" for each in turns)
            for name, form in (("rate", ".0f"), ("whole", ".0f"), ("cpu", ".2f"))
        ]
        per_cpu = ", ".join(f"{1000 / each['cpu']:.0f}" for each in turns)
        peak = max(each["memory"] for each in turns)
        stored = min(each["stored"] for each in turns)
        lines.append(
            f"| {latency * 1000:.0f} ms | {tool} | {stored} | {' | '.join(told)} | {per_cpu} "
            f"| {peak:.0f} |"
        )
    lines += [
        "",
        "With politeness on (20 ms latency), per host:",
        "",
        "| interval | allowed/s | achieved/s | of allowed | fastest host/s | shortest gap |",
        "|---|---|---|---|---|---|",
    ]
    for each in polite:
        lines.append(
            f"| {each['interval']} s | {each['allowed']:.1f} | {each['rate']:.2f} "
            f"| {100 * each['rate'] / each['allowed']:.1f} % | {each['fastest']:.2f} "
            f"| {each['shortest']:.3f} s |"
        )
    command = f"python -m benchmarks.collect --pictures {count}"
    return "\n".join([*lines, "", f"Measured by `{command}`.", ""])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=1, help="the tools in turn, so many times")
    parser.add_argument("--tools", nargs="+", default=["bodyshop", *PEERS])
    parser.add_argument("--latency", type=float, nargs="*", default=[0, 50], help="ms")
    parser.add_argument("--politeness", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--environments", type=Path, help="where the peers are, or come to be")
    parser.add_argument("--prepare", action="store_true", help="only install the peers")
    parser.add_argument("--out")
    return parser.parse_args()


if __name__ == "__main__":
    if shutil.disk_usage(tempfile.gettempdir()).free < 4 << 30:
        sys.exit("4 GB of free disk are needed for the two virtual environments")
    main()
