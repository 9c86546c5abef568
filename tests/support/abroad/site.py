"""A loopback server with the pages, their libraries, and pictures by resizing addresses."""

from __future__ import annotations

import json
import re
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from picture_server import picture

from abroad.foreign import FOREIGN
from abroad.further import FURTHER, MENDED
from abroad.habits import HABITS, respond
from abroad.pages import CASES, FULL
from abroad.photos import photo, sheet, spin
from abroad.reports import REPORTS, SERVICE_WORKER
from abroad.searches import SEARCH_PAGES
from abroad.sixth import SIXTH, SIXTH_MENDED
from abroad.unseen import UNSEEN, UNSEEN_MENDED

_TYPES = {
    ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css",
    ".html": "text/html; charset=utf-8", ".json": "application/json",
}  # fmt: skip


class AbroadSite:
    """Serves every case; use as a context manager."""

    def __init__(self, modules: Path) -> None:
        mended = (*MENDED, *UNSEEN_MENDED, *SIXTH_MENDED)
        cases = (*CASES, *FOREIGN, *mended, *FURTHER, *UNSEEN, *SIXTH, *HABITS, *REPORTS)
        pages = {f"/{case.name}.html": case.html for case in cases}
        pages |= SEARCH_PAGES
        asked = self.asked = []
        downloads = self.downloads = []
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with lock:
                    asked.append(self.path)
                    if not self.headers.get("Sec-Fetch-Dest"):  # no browser asked
                        downloads.append(self.path)
                try:
                    if respond(self, unquote(urlsplit(self.path).path)):
                        return
                    origin = f"http://{self.headers['host']}"
                    status, body, kind = answer(self.path, pages, modules, origin)
                    self.send_response(status)
                    self.send_header("Content-Type", kind)
                    if self.path == "/http-cookie.html":
                        self.send_header("Set-Cookie", "sess=1; Path=/")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *_: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> AbroadSite:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}.html"


def answer(
    address: str, pages: dict[str, str], modules: Path, origin: str
) -> tuple[int, bytes, str]:
    parts = urlsplit(address)
    path, query = unquote(parts.path), {k: v[0] for k, v in parse_qs(parts.query).items()}
    if slow := re.match(r"/slow/(\d+)(/.*)", path):
        time.sleep(int(slow[1]) / 1000)
        path = slow[2]
    if path in pages:
        return 200, pages[path].replace("ORIGIN", origin).encode(), _TYPES[".html"]
    if path.startswith("/npm/"):
        file = modules / path[5:]
        if not file.is_file():
            return 404, b"", "text/plain"
        return 200, file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream")
    if path == "/list.json":
        return 200, json.dumps([f"/pics/{n}.jpg" for n in range(10)]).encode(), _TYPES[".json"]
    if path == "/sw.js":
        return 200, SERVICE_WORKER.encode(), _TYPES[".js"]
    if path == "/chunk.js":
        code = "export const draw = (at) => { at.innerHTML = Array.from({ length: 10 }, (_, k) => "
        code += "`<p><img width=600 height=400 src=/pics/${k}.jpg></p>`).join(''); };"
        return 200, code.encode(), _TYPES[".js"]
    if path == "/box.glb":
        return 200, box(), "model/gltf-binary"
    if pano := re.fullmatch(r"/pano(?:-(\d+))?\.jpg", path):
        return 200, picture(777 + int(pano[1] or 0), (2048, 1024)), "image/jpeg"
    if path == "/sheet.jpg":
        return 200, sheet(), "image/jpeg"
    if frame := re.match(r"/spin/(\w+)-(\d+)\.jpg", path):
        return 200, spin(int(frame[2]) + 100 * len(frame[1])), "image/jpeg"
    return scaled(path, query)


def scaled(path: str, query: dict[str, str]) -> tuple[int, bytes, str]:
    """Answer the address of a picture, in the way of several image services."""
    rules = (
        (r"/pics/(?P<n>\d+)\.jpg", None),
        (r"/thumb/(?P<w>\d+)/(?P<n>\d+)\.jpg", None),
        (r"/image/upload/(?:[a-z]_[^/]*w_(?P<w>\d+)[^/]*/)?cars/(?P<n>\d+)\.jpg", None),
        (r"/cdn/shop/files/(?P<n>\d+)(?:_(?P<w>\d+)x)?\.jpg", None),
        (r"/cdn-cgi/image/width=(?P<w>\d+)/pics/(?P<n>\d+)\.jpg", None),
        (r"/is/image/brand/(?P<n>\d+)", "400" if not query.get("scl") else None),
    )
    if path == "/media":  # an address without the name of a picture
        path = f"/pics/{query['file']}.jpg"
    if path == "/_next/image":
        path = query["url"]
        query = {"wid": query["w"]}
    for pattern, default in rules:
        if match := re.fullmatch(pattern, path):
            found = match.groupdict()
            width = found.get("w") or query.get("wid") or default
            return 200, photo(int(found["n"]), int(width or FULL[0])), "image/jpeg"
    return 404, b"", "text/plain"


def box() -> bytes:
    """Return a box with six colours as glTF 2.0."""
    faces = [((0, 0, 1), (1, 0, 0), (0, 1, 0)), ((0, 0, -1), (-1, 0, 0), (0, 1, 0)),
             ((1, 0, 0), (0, 0, -1), (0, 1, 0)), ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
             ((0, 1, 0), (1, 0, 0), (0, 0, -1)), ((0, -1, 0), (1, 0, 0), (0, 0, 1))]  # fmt: skip
    colours = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1)]
    size, points, normals, paints, index = (2, 0.7, 1), [], [], [], []
    for (n, u, v), colour in zip(faces, colours, strict=True):
        at = len(points)
        for a, c in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            points.append([(n[i] + a * u[i] + c * v[i]) * size[i] for i in range(3)])
            normals.append(n)
            paints.append(colour)
        index += [at, at + 1, at + 2, at, at + 2, at + 3]
    blocks = [b"".join(struct.pack("<3f", *each) for each in rows)
              for rows in (points, normals, paints)]  # fmt: skip
    blocks.append(struct.pack(f"<{len(index)}H", *index))
    views, at = [], 0
    for block in blocks:
        views.append({"buffer": 0, "byteOffset": at, "byteLength": len(block)})
        at += len(block)
    vec = {"componentType": 5126, "count": 24, "type": "VEC3"}
    scene = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2},
                                    "indices": 3, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"metallicFactor": 0.1, "roughnessFactor": 0.6}}],
        "buffers": [{"byteLength": at}], "bufferViews": views,
        "accessors": [
            vec | {"bufferView": 0, "min": [-2, -0.7, -1], "max": [2, 0.7, 1]},
            vec | {"bufferView": 1}, vec | {"bufferView": 2},
            {"bufferView": 3, "componentType": 5123, "count": 36, "type": "SCALAR"}],
    }  # fmt: skip
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    data = b"".join(blocks)
    data += b"\0" * (-len(data) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data))
    return (head + struct.pack("<I4s", len(text), b"JSON") + text
            + struct.pack("<I4s", len(data), b"BIN\0") + data)  # fmt: skip
