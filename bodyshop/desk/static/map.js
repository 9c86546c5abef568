"use strict";
// The map: a point per picture on a canvas. A line around some, or the circle that the keys move, fills the grid.
const INK = [[0x80, 0x86, 0x90], [0xd9, 0x5f, 0x02], [0x1f, 0x78, 0xc8], [0x2c, 0xa0, 0x5a], [0xb8, 0x3f, 0xb0], [0xc9, 0x9a, 0x00], [0x0f, 0x9f, 0xa8]];
const CORNERS = 100;
const cloud = $("cloud");
let places = new Float32Array(0), pixels = new Float32Array(0), colours = new Uint8Array(0), drawn = null, scale = null;
let line = [], circle = null;

async function laidOut() {
  let found = await ask("/api/map", {});
  const waited = found.state === "running";
  if (waited) say("the pictures are laid out …");
  while (found.state === "running") { await new Promise((done) => setTimeout(done, 500)); found = await ask("/api/map"); }
  if (found.state === "failed") throw new Error(found.error);
  if (waited) say("");
}
function bytes(text) { return Uint8Array.from(atob(text), (each) => each.charCodeAt(0)); }
async function openMap() {
  await laidOut();
  const found = await ask(`/api/map/points?${view}`);
  if (document.querySelector("dialog[open]")) return;  // something else was opened while this was waited for
  places = new Float32Array(bytes(found.points).buffer); colours = bytes(found.colours);
  $("legend").replaceChildren(...["other or no label", ...found.labels].map((label, number) => {
    const item = document.createElement("li"), dot = document.createElement("span");
    dot.style.background = `rgb(${INK[number]})`; item.append(dot, label); return item;
  }));
  $("map").showModal(); line = []; circle = null; fit(); paint(); cloud.focus();
  $("inside").textContent = `${colours.length.toLocaleString("en")} pictures`;
}
// Points in pixels, and all of them drawn once; a repaint copies that and adds the line.
function fit() {
  const wide = cloud.width = cloud.clientWidth, high = cloud.height = cloud.clientHeight, edge = 12;
  let left = Infinity, right = -Infinity, low = Infinity, top = -Infinity;
  for (let i = 0; i < places.length; i += 2) {
    left = Math.min(left, places[i]); right = Math.max(right, places[i]); low = Math.min(low, places[i + 1]); top = Math.max(top, places[i + 1]);
  }
  const x = (wide - 2 * edge) / (right - left || 1), y = (high - 2 * edge) / (top - low || 1);
  scale = { x, y, left, top, edge };
  pixels = new Float32Array(places.length);
  for (let i = 0; i < places.length; i += 2) { pixels[i] = edge + (places[i] - left) * x; pixels[i + 1] = edge + (top - places[i + 1]) * y; }
  drawn = new ImageData(Math.max(1, wide), Math.max(1, high));
  const into = new Uint32Array(drawn.data.buffer), ink = INK.map(([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
  const size = colours.length > 5000 ? 2 : colours.length > 500 ? 4 : 7, back = (size - 1) >> 1;
  for (let i = 0; i < colours.length; i++) {
    const at = (Math.round(pixels[2 * i + 1]) - back) * wide + Math.round(pixels[2 * i]) - back;
    for (let row = 0; row < size; row++) into.fill(ink[colours[i]], at + row * wide, at + row * wide + size);
  }
}
function paint() {
  const context = cloud.getContext("2d");
  context.putImageData(drawn, 0, 0);
  const around = outline(); if (around.length < 2) return;
  context.beginPath(); around.forEach(([x, y]) => context.lineTo(x, y)); context.closePath();
  context.lineWidth = 2; context.strokeStyle = getComputedStyle(cloud).color; context.stroke();
}
function outline() {
  if (!circle) return line;
  return Array.from({ length: 32 }, (_, step) => [circle.x + circle.r * Math.cos(step * Math.PI / 16), circle.y + circle.r * Math.sin(step * Math.PI / 16)]);
}
function inside(around) {
  let count = 0;
  for (let i = 0; i < pixels.length; i += 2) {
    let is = false;
    for (let a = 0, b = around.length - 1; a < around.length; b = a++) {
      const [x1, y1] = around[a], [x2, y2] = around[b];
      if (y1 > pixels[i + 1] !== y2 > pixels[i + 1] && pixels[i] < (x2 - x1) * (pixels[i + 1] - y1) / (y2 - y1) + x1) is = !is;
    }
    count += is;
  }
  return count;
}
async function choosePlaces() {
  const around = outline(); if (around.length < 3) return;
  const step = Math.ceil(around.length / CORNERS), corners = around.filter((_, number) => number % step === 0);
  const now = new URLSearchParams(view);
  now.set("map", corners.map(([x, y]) => [(x - scale.edge) / scale.x + scale.left, scale.top - (y - scale.edge) / scale.y].map((one) => one.toFixed(4))).join(","));
  $("map").close(); await show(now); scroller.focus();
}
function tell() { $("inside").textContent = `${inside(outline()).toLocaleString("en")} pictures inside`; }
function at(event) { const box = cloud.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; }
cloud.addEventListener("pointerdown", (event) => { cloud.setPointerCapture(event.pointerId); circle = null; line = [at(event)]; });
cloud.addEventListener("pointermove", (event) => { if (event.buttons & 1 && line.length) { line.push(at(event)); paint(); } });
cloud.addEventListener("pointerup", safely(() => { if (line.length < 3) { line = []; return paint(); } tell(); return choosePlaces(); }));
cloud.addEventListener("keydown", (event) => {
  const far = event.shiftKey ? 40 : 10, step = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
  const grow = { "+": 10, "=": 10, "-": -10 }[event.key];
  if (event.key === "Enter" && circle) { event.preventDefault(); event.stopPropagation(); safely(choosePlaces)(); return; }
  if (!step && !grow) return;
  event.preventDefault(); event.stopPropagation();
  line = []; circle = circle || { x: cloud.width / 2, y: cloud.height / 2, r: 60 };
  if (step) { circle.x = Math.min(cloud.width, Math.max(0, circle.x + step[0])); circle.y = Math.min(cloud.height, Math.max(0, circle.y + step[1])); }
  if (grow) circle.r = Math.max(10, circle.r + grow);
  paint(); tell();
});
addEventListener("resize", () => { if ($("map").open) { fit(); paint(); } });
$("openmap").addEventListener("click", safely(openMap));
