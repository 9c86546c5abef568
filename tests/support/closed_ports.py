"""A page that makes requests with every feature of a browser, and ports that none may reach."""

from __future__ import annotations

import select
import socket
import threading


class Closed:
    """A TCP and a UDP port that nothing may reach; counts what does."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.connections = self.packets = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        while not self._over.is_set():
            ready, _, _ = select.select([self.tcp, self.udp], [], [], 0.1)
            if self.tcp in ready:
                connection, _ = self.tcp.accept()
                connection.close()
                self.connections += 1
            if self.udp in ready:
                self.udp.recv(2048)
                self.packets += 1

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.tcp.close()
        self.udp.close()

    @property
    def ports(self) -> tuple[int, int]:
        """The TCP and the UDP port."""
        return self.tcp.getsockname()[1], self.udp.getsockname()[1]


def add_everything(server, closed: Closed) -> str:
    """Have a server answer with the page; return its address."""
    tcp, udp = map(str, closed.ports)
    html = EVERYTHING.replace("BASE", f"http://127.0.0.1:{tcp}")
    html = html.replace("TCP", tcp).replace("UDP", udp)
    worker = f"fetch('http://127.0.0.1:{tcp}/worker').catch(() => 0); setInterval(() => 0, 1000)"
    server.add("/worker.js", worker.encode(), "text/javascript")
    return server.add("/everything", html.encode(), "text/html")


EVERYTHING = """<!doctype html><title>requests</title>
<link rel=prefetch href="BASE/prefetch">
<link rel=preload as=image href="BASE/preload">
<link rel=preconnect href="BASE">
<link rel=dns-prefetch href="//127.0.0.1:TCP">
<link rel=modulepreload href="BASE/module.js">
<link rel=stylesheet href="BASE/style.css">
<script type=speculationrules>{"prerender": [{"urls": ["BASE/prerender"]}]}</script>
<img src="BASE/image"><video src="BASE/video"></video>
<iframe src="BASE/frame"></iframe><iframe name=target></iframe>
<object data="BASE/object"></object>
<form action="BASE/form" method=post target=target><input name=a></form>
<p>a page with every feature</p>
<script>
window.tried = [];
const tries = {
  fetch: () => fetch("BASE/fetch", { mode: "no-cors" }).catch(() => 0),
  keep: () => fetch("BASE/keep", { mode: "no-cors", keepalive: true }).catch(() => 0),
  xhr: () => { const x = new XMLHttpRequest(); x.open("GET", "BASE/xhr"); x.send(); },
  beacon: () => navigator.sendBeacon("BASE/beacon", "x"),
  socket: () => new WebSocket("ws://127.0.0.1:TCP/socket"),
  events: () => new EventSource("BASE/events"),
  transport: () => new WebTransport("https://127.0.0.1:TCP/transport").ready.catch(() => 0),
  worker: () => new Worker("/worker.js"),
  shared: () => new SharedWorker("/worker.js"),
  image: () => { new Image().src = "BASE/image2"; },
  audio: () => { new Audio("BASE/audio").load(); },
  font: () => new FontFace("f", "url(BASE/font)").load().catch(() => 0),
  form: () => document.forms[0].submit(),
  module: () => import("BASE/module2.js").catch(() => 0),
  ping: () => Object.assign(document.createElement("a"), { href: "#", ping: "BASE/ping" }).click(),
  rtc: () => {
    const login = { username: "a", credential: "b" };
    const peer = new RTCPeerConnection({ iceServers: [
      { urls: "stun:127.0.0.1:UDP" },
      { urls: "turn:127.0.0.1:TCP?transport=tcp", ...login },
      { urls: "turn:127.0.0.1:UDP?transport=udp", ...login },
    ] });
    peer.createDataChannel("x");
    peer.createOffer().then((offer) => peer.setLocalDescription(offer));
  },
};
for (const [name, go] of Object.entries(tries))
  try { go(); tried.push(name); } catch (error) { console.log(name, error); }
</script>"""
