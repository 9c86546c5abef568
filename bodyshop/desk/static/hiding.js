"use strict";
// Number plates and faces that a cascade proposes, drawn over the picture: a key each to say what they are.
let looked = null, region = 0, acted = [], watching = 0;
let note = "";  // what undo did, until the next key
let shown = "", broken = "";  // sha256 of the picture that is in sight, and of one that can't be
const MEANS = { plates: "number plate", faces: "face" };

function many(number, what) { return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`; }
async function openHiding() {
  await ask("/api/hiding", {});
  looked = null; acted = []; note = "";
  clearPicture();
  $("hiding").showModal();
  tellHiding("…");
  await countHiding();
  watching = watching || setInterval(safely(watchHiding), 1000);
  await nextHiding(1);
}
// While the search goes on, the count grows, and a first picture may turn up.
async function watchHiding() {
  if (!$("hiding").open) { clearInterval(watching); watching = 0; return; }
  const running = await countHiding();
  if (!looked) await nextHiding(1, running);
  if (!running) { clearInterval(watching); watching = 0; }
}
async function countHiding() {
  const found = await ask("/api/hiding");
  $("hidingleft").textContent = found.error || `${many(found.waiting, "region")} in ${many(found.pictures, "picture")} to look at; ${
    found.searched.toLocaleString("en")} of ${found.of.toLocaleString("en")} kept pictures searched${found.unread ? `, ${found.unread} can't be read` : ""}`;
  return found.state === "running";
}
async function nextHiding(step, running = false) {
  const found = await ask(`/api/hiding/next?step=${step}&after=${looked ? looked.sha256 : ""}`);
  if (found) return showHiding(found);
  if (!looked) return tellHiding(running ? "the kept pictures are searched …" : readOnly ? "nothing waits; a read-only desk searches no pictures" : "nothing waits");
  tellHiding(step > 0 ? "none behind this one waits" : "none before this one waits");
}
function undecided() { return looked.regions.findIndex((one) => one.hide === null); }
function showHiding(found) {
  const isNew = !looked || looked.sha256 !== found.sha256;
  looked = found;
  region = Math.max(0, undecided());
  if (isNew) showPicture(found.sha256);
  drawHiding();
}
// No region lies over a picture that is not its own, and nothing is said about what is not in sight.
function showPicture(sha256) {
  const picture = clearPicture();
  picture.onload = () => { shown = sha256; drawHiding(); };
  picture.onerror = () => { broken = sha256; drawHiding(); };
  picture.src = `/show/${sha256}.jpg`; picture.alt = `picture ${sha256.slice(0, 12)} with proposed regions`;
}
function clearPicture() {
  const picture = $("hidingpicture");
  shown = broken = "";
  picture.onload = picture.onerror = null; picture.removeAttribute("src");
  $("hidingboxes").replaceChildren();
  return picture;
}
function isShown() { return looked.sha256 === shown; }
function whyNotShown() { return looked.sha256 === broken ? "this picture can't be shown, so that nothing can be said about it" : "the picture is loaded …"; }
function drawHiding() {
  enlarge();
  if (!isShown()) { $("hidingboxes").replaceChildren(); return tellHiding(whyNotShown(), looked.sha256 === broken); }
  const boxes = $("hidingboxes"), space = "http://www.w3.org/2000/svg";
  boxes.setAttribute("viewBox", `0 0 ${looked.width} ${looked.height}`); boxes.setAttribute("preserveAspectRatio", "none");
  boxes.replaceChildren(...looked.regions.map((one, number) => {
    const rect = document.createElementNS(space, "rect"), [x, y, width, height] = one.box;
    for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, value);
    rect.setAttribute("class", `${one.hide === null ? "" : one.hide ? "yes" : "no"}${number === region ? " now" : ""}`);
    return rect;
  }));
  const one = looked.regions[region], said = one.hide === null ? "not looked at" : one.hide ? "it is one: hidden" : "it is none: stays";
  tellHiding(`${note}${MEANS[one.kind]}? ${region + 1} of ${looked.regions.length}: ${said}`);
}
function enlarge() {
  const canvas = $("hidingclose"), picture = $("hidingpicture"), context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!isShown()) return;
  const [x, y, width, height] = looked.regions[region].box, scale = picture.naturalWidth / looked.width;
  const wide = Math.max(width * 1.6, height * 1.6 * canvas.width / canvas.height), high = wide * canvas.height / canvas.width;
  context.drawImage(picture, (x + width / 2 - wide / 2) * scale, (y + height / 2 - high / 2) * scale, wide * scale, high * scale, 0, 0, canvas.width, canvas.height);
}
function tellHiding(text, isError = false) { $("hidingabout").textContent = text; $("hidingabout").className = isError ? "error" : ""; }
async function sayHiding(kind, every) {
  if (!looked) return;
  if (readOnly) throw new Error("this desk is read-only");
  if (!isShown()) throw new Error(whyNotShown());
  const regions = (every ? looked.regions : [looked.regions[region]]).map(({ kind: what, box, hide }) => ({ kind: what, box, hide }));
  const what = every ? `all ${looked.regions.length} regions` : `${MEANS[looked.regions[region].kind]} ${region + 1} of ${looked.regions.length}`;
  const done = await ask("/api/act", { kind, pictures: [looked.sha256], regions }).catch(lookAgain);
  acted.push({ act: done.act, sha256: looked.sha256, words: `${what}: ${kind === "hide" ? "hidden" : "stays"}` });
  showHiding(await ask(`/api/hiding/${looked.sha256}`));
  await countHiding();
  if (undecided() >= 0) return;
  const found = await ask(`/api/hiding/next?step=1&after=${looked.sha256}`) || await ask("/api/hiding/next?step=1");
  if (found) showHiding(found); else tellHiding("all that was found is looked at");
}
// Somebody else may have said something: what stands now is drawn before the error is told.
async function lookAgain(error) {
  const at = region;
  showHiding(await ask(`/api/hiding/${looked.sha256}`));
  region = Math.min(at, looked.regions.length - 1);
  drawHiding();
  throw error;
}
async function undoHiding() {
  if (readOnly) throw new Error("this desk is read-only");
  const last = acted[acted.length - 1];
  if (!last) return tellHiding("nothing was said here since this was opened; what was said before, u in the grid takes back");
  const done = await ask("/api/undo", { act: last.act });
  acted.pop();
  await countHiding();
  note = done.pictures ? `taken back: ${last.words} – ` : done.changed_since ? "it stays, since something newer was said – " : "it was taken back before – ";
  showHiding(await ask(`/api/hiding/${last.sha256}`));
}
function moveRegion(step) {
  if (!looked) return;
  region = (region + step + looked.regions.length) % looked.regions.length;
  drawHiding();
}
const HIDING_KEYS = {
  y: () => sayHiding("hide"), n: () => sayHiding("show"), Y: () => sayHiding("hide", true), N: () => sayHiding("show", true),
  u: undoHiding, ArrowLeft: () => moveRegion(-1), ArrowRight: () => moveRegion(1), ArrowUp: () => nextHiding(-1), ArrowDown: () => nextHiding(1),
};
let busy = false;  // a key that comes too early would be about a region that is decided already
function inHiding(work) {
  return async () => {
    if (busy) return;
    busy = true; note = "";
    try { await work(); } catch (error) { tellHiding(error.message, true); } finally { busy = false; }
  };
}
$("hiding").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // A key that is held says one thing; on a button, Enter is one.
  if (event.repeat && !event.key.startsWith("Arrow") && (HIDING_KEYS[event.key] || event.key === "Enter")) { event.preventDefault(); event.stopPropagation(); return; }
  if (!HIDING_KEYS[event.key]) return;
  event.preventDefault(); event.stopPropagation(); inHiding(HIDING_KEYS[event.key])();
});
for (const button of document.querySelectorAll("#hidingkeys button")) button.addEventListener("click", inHiding(HIDING_KEYS[button.dataset.key]));
$("openhiding").addEventListener("click", safely(openHiding));
