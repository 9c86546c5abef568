"use strict";
// The grid holds only the tiles in sight; rows come in pages from /api/pictures. Everything from the
// catalog is set as text, never as markup.
const PAGE = 200, TILE = { width: 176, height: 196 };
const token = document.querySelector("meta[name=desk-token]").content;
const field = document.querySelector("meta[name=desk-field]").content;
const readOnly = document.querySelector("meta[name=desk-read-only]").content === "yes";
const $ = (id) => document.getElementById(id);
const grid = $("grid"), scroller = $("scroller");
const TEXT_FILTERS = [...document.querySelectorAll("#text, aside > input, #sort")].map((each) => each.id);
const QUEUES = {
  borderline: { p_car: "0.05..0.95", sort: "p_car" },
  conflicts: { reason: "label_conflict" },
  copies: { reason: "near_duplicate", sort: "cluster" },
  quota: { reason: "over_quota" },
};
const KEYS = {
  "arrows": "move", "x": "choose or unchoose", "Shift+arrows": "choose while moving", "a": "choose everything shown by the filters",
  "Esc": "choose nothing", "k": "keep", "r": "reject (asks for the reason)", "l": "label (asks which)", "1 … 9": "give the label of that number",
  "f": "framing: full, part, interior", "g": "gold: what is said was checked (again: not any more)", "m": "merge the duplicate clusters of those chosen",
  "t": "split those chosen off their duplicate cluster", "d": "its duplicate cluster", "p": "side by side with its representative", "v": "the map", "c": "clear what people decided", "u": "undo", "Enter": "look closely", "b": "blink against its representative",
  "s": "the most similar pictures", "/": "search", "?": "these keys",
};
let view = new URLSearchParams(location.search), pages = new Map(), total = 0, decided = 0, current = 0;
let chosen = new Map(), all = false, labels = [], only = null, generation = 0;

async function ask(path, body, raw) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "X-Desk-Token": token, "Content-Type": raw ? "application/octet-stream" : "application/json" },
    body: raw ? body : JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const found = await answer.json().catch(() => ({ error: `the desk answered ${answer.status}` }));
  if (!answer.ok) throw new Error([found.error, found.hint].filter(Boolean).join(" – "));
  return found;
}
function say(text, isError = false) {
  for (const place of [$("said"), $("pairsaid")]) { place.textContent = text; place.className = isError ? "error" : ""; }
}
function safely(work) { return (...all) => Promise.resolve(work(...all)).catch((error) => say(error.message, true)); }

function columns() { return Math.max(1, Math.floor(scroller.clientWidth / TILE.width)); }
function row(index) {
  if (only) return only[index];
  const page = pages.get(Math.floor(index / PAGE));
  return page && page[index % PAGE];
}
async function load(number) {
  if (only || pages.has(number)) return;
  pages.set(number, []);
  const asked = generation;
  const query = new URLSearchParams(view); query.set("offset", number * PAGE);
  const found = await ask(`/api/pictures?${query}`);
  if (asked !== generation) return;
  pages.set(number, found.pictures); total = found.total; decided = found.said;
  draw();
}
function draw() {
  const wide = columns(), first = Math.max(0, Math.floor(scroller.scrollTop / TILE.height) - 1);
  const last = Math.ceil((scroller.scrollTop + scroller.clientHeight) / TILE.height) + 1;
  grid.style.height = `${Math.ceil(total / wide) * TILE.height}px`;
  const from = first * wide, to = Math.min(total, last * wide), there = new Map();
  for (const tile of [...grid.children]) {
    const index = Number(tile.dataset.index), picture = row(index);
    if (index < from || index >= to || !picture || picture.sha256 !== tile.dataset.sha256) tile.remove();
    else there.set(index, tile);
  }
  for (let index = from; index < to; index++) {
    const picture = row(index);
    if (!picture) { load(Math.floor(index / PAGE)).catch((error) => say(error.message, true)); continue; }
    const tile = there.get(index) || make(picture, index);
    tile.style.transform = `translate(${(index % wide) * TILE.width}px, ${Math.floor(index / wide) * TILE.height}px)`;
    tile.classList.toggle("current", index === current);
    const isChosen = all || chosen.has(picture.sha256);
    tile.classList.toggle("chosen", isChosen); tile.setAttribute("aria-selected", isChosen);
  }
  if ($(`tile-${current}`)) scroller.setAttribute("aria-activedescendant", `tile-${current}`);
  else scroller.removeAttribute("aria-activedescendant");  // it is out of sight, or there is none
  $("count").textContent = `${total.toLocaleString("en")} picture${total === 1 ? "" : "s"}${!only && decided ? `, ${decided.toLocaleString("en")} decided by people` : ""}`;
  const number = all ? total : chosen.size;
  $("chosen").textContent = number ? `${number.toLocaleString("en")} chosen` : "nothing chosen";
}
function make(picture, index) {
  const tile = document.createElement("div"), image = document.createElement("img");
  tile.className = "tile"; tile.style.width = `${TILE.width - 6}px`; tile.style.height = `${TILE.height - 6}px`;
  tile.dataset.index = index; tile.dataset.sha256 = picture.sha256; tile.setAttribute("role", "option"); tile.id = `tile-${index}`;
  const what = picture.label || "no label";
  image.src = `/thumbnail/${picture.sha256}.jpg`; image.alt = `${what}, ${picture.verdict || "not judged"}`; image.loading = "lazy";
  const verdict = picture.decision ? `${picture.decision} (person)` : picture.verdict || "not judged";
  const lines = [
    [`${verdict}${picture.reasons ? `: ${picture.reasons.replaceAll(";", ", ")}` : ""}`, (picture.decision || picture.verdict) === "keep" ? "keep" : "reject"],
    [what + (picture.predicted && picture.predicted !== picture.label ? ` → ${picture.predicted}?` : ""), ""],
    [[picture.split, picture.framing, picture.p_car === null ? "" : `p_car ${picture.p_car.toFixed(2)}`, picture.gold ? "gold" : "", picture.placed ? "cluster by a person" : ""].filter(Boolean).join(", "), ""],
  ];
  tile.append(image);
  for (const [text, name] of lines) {
    const line = document.createElement("p"); line.textContent = text; line.title = text; line.className = name; tile.append(line);
  }
  tile.addEventListener("click", (event) => { if (event.ctrlKey || event.metaKey) choose(picture); go(index); });
  tile.addEventListener("dblclick", safely(() => look(picture)));
  grid.append(tile);
  return tile;
}
function choose(picture) {
  if (all) { all = false; chosen.clear(); }
  if (!chosen.delete(picture.sha256)) chosen.set(picture.sha256, true);
}
function go(index) {
  if (!total) return;
  current = Math.min(Math.max(index, 0), total - 1);
  const top = Math.floor(current / columns()) * TILE.height;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  if (top + TILE.height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + TILE.height - scroller.clientHeight;
  draw();
}
async function show(wanted, { keepPlace = false } = {}) {
  view = new URLSearchParams([...wanted].filter(([, value]) => value !== ""));
  history.replaceState(null, "", `/?${view}`);
  generation++; only = null; pages.clear(); chosen.clear(); all = false;
  grid.replaceChildren();
  if (!keepPlace) { current = 0; scroller.scrollTop = 0; }
  for (const name of TEXT_FILTERS) $(name).value = view.get(name) || "";
  for (const box of document.querySelectorAll("#facets input")) box.checked = (view.get(box.name) || "").split("|").includes(box.value);
  if (view.has("map")) await laidOut();
  await load(0);
  if (current >= total) current = Math.max(0, total - 1);
  draw();
}
async function loadFacets() {
  const found = await ask("/api/facets"), place = $("facets");
  place.replaceChildren();
  for (const [name, values] of Object.entries(found)) {
    if (values.length < 1 || (values.length === 1 && values[0][0] === "-")) continue;
    const title = document.createElement("h2"); title.textContent = name; place.append(title);
    for (const [value, count] of values.slice(0, 40)) {
      const line = document.createElement("label"), box = document.createElement("input"), number = document.createElement("span");
      line.className = "value"; box.type = "checkbox"; box.name = name; box.value = value; number.textContent = count;
      line.append(box, value === "-" ? "none" : value, number); place.append(line);
      box.checked = (view.get(name) || "").split("|").includes(value);
      box.addEventListener("change", safely(() => {
        const now = new URLSearchParams(view), of = [...document.querySelectorAll(`#facets input[name="${name}"]:checked`)];
        now.set(name, of.map((each) => each.value).join("|"));
        return show(now);
      }));
    }
  }
  // A label keeps its digit for as long as the page is open, also when no picture has it any more.
  for (const value of (found.label || []).map(([each]) => each).filter((each) => each !== "-").sort()) if (!labels.includes(value)) labels.push(value);
  for (const span of document.querySelectorAll("#facets input[name=label] + kbd")) span.remove();
  for (const box of document.querySelectorAll("#facets input[name=label]")) {
    const digit = labels.indexOf(box.value) + 1;
    if (digit >= 1 && digit <= 9) { const key = document.createElement("kbd"); key.textContent = digit; box.after(key); }
  }
}
function targets() { const here = row(current); return chosen.size ? [...chosen.keys()] : here ? [here.sha256] : []; }
async function act(kind, value = "", pictures = null) {
  if (readOnly) throw new Error("this desk is read-only");
  const wanted = { kind, value, field }, number = pictures ? pictures.length : all ? total : targets().length;
  if (!number) return;
  if (number > 1 && !pictures && !confirm(`${kind}${value ? ` ${value}` : ""}: ${number.toLocaleString("en")} pictures?`)) return;
  if (pictures) wanted.pictures = pictures;
  else if (all) { wanted.view = Object.fromEntries(view); wanted.confirmed = number; } else wanted.pictures = targets();
  const place = current, isSingle = number === 1 || pictures;
  const done = await ask("/api/act", wanted);
  say(`${kind}${value ? ` ${value}` : ""}: ${done.pictures.toLocaleString("en")} picture${done.pictures === 1 ? "" : "s"} – u takes it back`);
  if (only) return refreshOnly(isSingle ? place + 1 : place);
  const before = total;
  await show(view, { keepPlace: true });
  // A picture that left the view makes room for the next one; else the cursor moves on.
  if (isSingle) go(total < before ? place : place + 1);
  loadFacets().catch((error) => say(error.message, true));
}
async function refreshOnly(place) {
  const query = new URLSearchParams({ sha256: only.map((one) => one.sha256).join("|") });
  const fresh = new Map((await ask(`/api/pictures?${query}`)).pictures.map((one) => [one.sha256, one]));
  only = only.map((one) => fresh.get(one.sha256) || one);
  chosen.clear(); grid.replaceChildren(); go(place);
}
async function look(picture) {
  $("large").src = `/show/${picture.sha256}.jpg`; $("large").alt = picture.label || "picture"; $("large").hidden = false;
  $("other").hidden = true; $("other").removeAttribute("src"); $("near").replaceChildren(); $("facts").textContent = ""; $("title").textContent = "…";
  if (picture.representative && picture.representative !== picture.sha256) $("other").src = `/show/${picture.representative}.jpg`;
  $("detail").showModal();
  const found = await ask(`/api/picture/${picture.sha256}`);
  $("title").textContent = found.title; $("facts").textContent = JSON.stringify(found.facts, null, 2);
  const near = await ask(`/api/similar/${picture.sha256}`).catch(() => []);
  $("near").replaceChildren(...near.slice(0, 20).map(small));
}
function small(one) {
  const image = document.createElement("img");
  image.src = `/thumbnail/${one.sha256}.jpg`; image.alt = `${one.label || "no label"}, similarity ${one.similarity.toFixed(2)}`;
  image.title = image.alt; image.loading = "lazy";
  return image;
}
async function similar() {
  const here = row(current); if (!here) return;
  const near = await ask(`/api/similar/${here.sha256}`);
  generation++; only = [here, ...near.map((one) => ({ reasons: "", p_car: null, ...one }))];
  total = only.length; current = 0; scroller.scrollTop = 0; await refreshOnly(0);
  say("the most similar pictures; Esc goes back");
}
let blinking = 0;
function blink() {
  const large = $("large"), other = $("other");
  if (!$("detail").open || !other.hasAttribute("src") || blinking) { clearInterval(blinking); blinking = 0; return; }
  other.hidden = true;
  blinking = setInterval(() => {
    if (!$("detail").open) { clearInterval(blinking); blinking = 0; return; }
    const now = large.hidden; large.hidden = !now; other.hidden = now;
  }, 500);
}
let asking = false;
async function effect() {
  if (asking) return;
  asking = true;
  try {
    $("effect").textContent = "accuracy …";
    let found = await ask("/api/effect", {});
    while (found.state === "running") { await new Promise((done) => setTimeout(done, 500)); found = await ask("/api/effect"); }
    $("effect").textContent = found.error ? `accuracy: ${found.error}` : effectText(found);
  } finally { asking = false; }
}
function effectText(found) {
  const percent = (value) => (value * 100).toFixed(1), between = ([low, high]) => `${percent(low)} to ${percent(high)}`;
  const points = (value) => `${value < 0 ? "−" : "+"}${percent(Math.abs(value))}`, [low, high] = found.difference_interval;
  return `linear probe, balanced accuracy: ${percent(found.before)} % (${between(found.before_interval)}) before the decisions, ${
    percent(found.after)} % (${between(found.after_interval)}) after; ${points(found.after - found.before)} points (${points(low)} to ${
    points(high)}); learned before, judged by the labels of now ${percent(found.before_by_now)} %; n = ${found.pictures}${
    found.of > found.pictures ? ` of ${found.of}` : ""} pictures in ${found.groups} groups, ${found.changed} changed`;
}
async function queue(name) {
  effect().catch((error) => { $("effect").textContent = `accuracy: ${error.message}`; });
  if (name !== "suspects") { say(""); return show(new URLSearchParams(QUEUES[name])); }
  say("a classifier is fitted without each picture in turn …");
  let found = await ask("/api/suspects", {});
  while (found.state === "running") { await new Promise((done) => setTimeout(done, 700)); found = await ask("/api/suspects"); }
  if (found.state === "failed") throw new Error(found.error);
  await show(new URLSearchParams({ sort: "-disagreement", disagreement: "0.5..1" }));
  loadFacets().catch((error) => say(error.message, true));
  say(`${found.suspected} of ${found.checked} labels are suspected; it agrees with ${(found.agreement * 100).toFixed(1)} %${
    found.agreement_before === null ? "" : `, ${(found.agreement_before * 100).toFixed(1)} % before what was decided since`}`);
}
async function tryPhoto(file, address) {
  if (!$("trying").open) $("trying").showModal();
  $("answer").textContent = "…"; $("heat").hidden = $("card").hidden = $("tried").hidden = true; $("neighbours").replaceChildren();
  if (file) { $("tried").src = URL.createObjectURL(file); $("tried").hidden = false; }
  const found = await ask(file ? "/api/try" : "/api/try/address", file || address, true)
    .catch((error) => ({ prediction: { error: error.message } }));
  const p = found.prediction, parts = (p.regions || []).length;
  $("answer").textContent = p.error || [
    p.p_car === null ? "" : `${p.is_car ? "a car" : "no car"} (${(p.p_car * 100).toFixed(0)} %)`,
    p.label ? `${p.label}${p.probability === null ? "" : ` (${(p.probability * 100).toFixed(0)} %)`}` : "",
    parts ? `${parts} ${parts === 1 ? "place" : "places"} outlined` : "", `by ${p.run}`,
  ].filter(Boolean).join(", ");
  if (found.picture) {
    const bytes = Uint8Array.from(atob(found.picture), (each) => each.charCodeAt(0));
    $("tried").src = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" })); $("tried").hidden = false;
  }
  if (found.heat) { await $("tried").decode().catch(() => null); heat(found.heat, p.regions || []); }
  if (found.card) { $("card").hidden = false; $("card").querySelector("pre").textContent = found.card; }
  $("neighbours").replaceChildren(...(found.neighbours || []).map(small));
}
function heat(values, regions) {
  const canvas = $("heat"), photo = $("tried"), wide = canvas.width = photo.naturalWidth || 640, high = canvas.height = photo.naturalHeight || 480;
  const context = canvas.getContext("2d"), x1 = wide / values[0].length, y1 = high / values.length; canvas.hidden = false;
  values.forEach((line, y) => line.forEach((value, x) => {
    context.fillStyle = `rgba(255, 210, 0, ${1 / (1 + Math.exp(-value))})`; context.fillRect(x * x1, y * y1, x1 + 1, y1 + 1);
  }));
  context.strokeStyle = "rgb(140, 30, 200)"; context.lineWidth = Math.max(2, wide / 200);
  for (const { polygon } of regions) {
    context.beginPath(); polygon.forEach(([x, y]) => context.lineTo(x * wide, y * high)); context.closePath(); context.stroke();
  }
}
function moved(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), PageUp: -columns() * 4, PageDown: columns() * 4 }[event.key];
  if (step === undefined && event.key !== "Home" && event.key !== "End") return false;
  if (event.shiftKey && row(current)) chosen.set(row(current).sha256, true);
  go(event.key === "Home" ? 0 : event.key === "End" ? total - 1 : current + step);
  if (event.shiftKey && row(current)) { chosen.set(row(current).sha256, true); draw(); }
  return true;
}
const COMMANDS = {
  k: () => act("keep"),
  r: () => { const why = prompt("Reject: why? (may stay empty)", ""); return why === null ? null : act("reject", why); },
  l: () => { const value = prompt(`Label (${labels.join(", ")})`, ""); return value ? act("label", value) : null; },
  f: () => {
    const steps = ["full", "part", "interior"], here = row(current);
    return here && act("framing", steps[(steps.indexOf(here.framing) + 1) % 3]);
  },
  c: () => act("clear"),
  g: () => row(current) && act("gold", row(current).gold ? "no" : ""),
  m: () => act("merge"),
  t: () => act("split"),
  d: () => { const here = row(current); return here && (here.cluster ? show(new URLSearchParams({ cluster: here.cluster })) : say("it is in no duplicate cluster")); },
  p: () => inPairs(openPair)(),
  v: () => openMap(),
  u: async () => {
    const done = await ask("/api/undo", {});
    const stays = done.changed_since ? `; ${done.changed_since} stay: something newer was said` : "";
    say(done.pictures || stays ? `taken back: ${done.pictures} picture${done.pictures === 1 ? "" : "s"}${stays}` : "nothing to take back");
    if (only) return refreshOnly(current);
    await show(view, { keepPlace: true }); loadFacets().catch((error) => say(error.message, true));
  },
  x: () => { if (row(current)) choose(row(current)); draw(); },
  a: () => { if (!only) { all = !all; chosen.clear(); draw(); } },
  Escape: () => { if (only) { say(""); return show(view); } all = false; chosen.clear(); draw(); },
  Enter: () => row(current) && look(row(current)),
  s: similar,
  b: blink,
  "/": () => $("text").focus(),
  "?": () => $("keys").showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) { if (event.key === "Escape") scroller.focus(); return; }
  if (document.querySelector("dialog[open]")) { if (event.key === "b") blink(); return; }
  if (event.target.matches("button, a") && (event.key === "Enter" || event.key === " ")) return;
  if (moved(event)) { event.preventDefault(); return; }
  if (event.repeat) return;  // a key that is held decides once
  const digit = Number(event.key), command = digit >= 1 && digit <= 9 ? () => labels[digit - 1] && act("label", labels[digit - 1]) : COMMANDS[event.key];
  if (command) { event.preventDefault(); safely(command)(); }
});
for (const [key, meaning] of Object.entries(KEYS)) {
  const term = document.createElement("dt"), text = document.createElement("dd"); term.textContent = key; text.textContent = meaning;
  $("keylist").append(term, text);
}
for (const name of TEXT_FILTERS) $(name).addEventListener("change", safely(() => { const now = new URLSearchParams(view); now.set(name, $(name).value); return show(now); }));
$("search").addEventListener("submit", (event) => { event.preventDefault(); $("text").blur(); scroller.focus(); });
for (const button of document.querySelectorAll("[data-queue]")) button.addEventListener("click", safely(() => queue(button.dataset.queue)));
$("everything").addEventListener("click", safely(() => show(new URLSearchParams())));
$("help").addEventListener("click", () => $("keys").showModal());
$("try").addEventListener("click", () => $("trying").showModal());
$("photo").addEventListener("change", safely(() => $("photo").files[0] && tryPhoto($("photo").files[0])));
document.addEventListener("dragover", (event) => event.preventDefault());
$("fetch-photo").addEventListener("click", safely(() => $("photo-address").value && tryPhoto(null, $("photo-address").value)));
document.addEventListener("drop", (event) => { event.preventDefault(); const file = event.dataTransfer.files[0]; if (file) safely(tryPhoto)(file); });
scroller.addEventListener("scroll", () => requestAnimationFrame(draw));
addEventListener("resize", draw);
// When all scripts are there.
document.addEventListener("DOMContentLoaded", () => Promise.all([show(view), loadFacets()]).then(() => { scroller.focus(); document.body.dataset.ready = "yes"; }).catch((error) => say(error.message, true)));
