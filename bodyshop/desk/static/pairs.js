"use strict";
// A copy beside the picture that represents it, one pair after the other through the view.
let pair = null, flicker = 0;
const sides = ["", ""];  // what of each side is in sight: "", "shown" or "broken"

async function openPair() {
  const here = row(current); if (!here) return;
  if (!here.representative || here.representative === here.sha256) throw new Error("this picture is no copy of another one");
  const [other] = (await ask(`/api/pictures?sha256=${here.representative}`)).pictures, before = pair;
  pair = [here, other || here];
  pair.forEach((one, number) => {
    if (!before || before[number].sha256 !== one.sha256 || sides[number] !== "shown") showSide(one, number);
    $(`about${number}`).textContent = [number ? "represents it" : "copy", one.decision ? `${one.decision} (person)` : one.verdict, one.label || "no label",
      one.width ? `${one.width} × ${one.height}` : "", one.origin, one.gold ? "gold" : "", one.placed ? "cluster by a person" : ""].filter(Boolean).join(", ");
  });
  $("which").textContent = `${(current + 1).toLocaleString("en")} of ${total.toLocaleString("en")}`;
  if (!$("pairs").open) $("pairs").showModal();
}
// The picture before goes at once: nothing is said about one that is not in sight.
function showSide(one, number) {
  const image = $(`side${number}`);
  sides[number] = "";
  image.onload = image.onerror = null; image.removeAttribute("src");
  image.onload = () => { sides[number] = "shown"; };
  image.onerror = () => { sides[number] = "broken"; };
  image.src = `/show/${one.sha256}.jpg`; image.alt = `${number ? "the picture that represents it" : "the copy"}: ${one.label || "no label"}`;
}
function stopFlicker() { clearInterval(flicker); flicker = 0; $("pairbox").className = "sides"; }
function startFlicker() {
  if (flicker) return stopFlicker();
  $("pairbox").className = "sides blink";
  flicker = setInterval(() => $("pairbox").classList.toggle("second"), 500);
}
async function pairAct(kind, both) {
  if (sides.includes("broken")) throw new Error("a picture can't be shown, so that nothing can be said about the two");
  if (sides.includes("")) throw new Error("the pictures are loaded …");
  await act(kind, "", both ? pair.map((one) => one.sha256) : [pair[0].sha256]);
  await openPair().catch(() => $("pairs").close());
}
const PAIR_KEYS = {
  ArrowRight: () => { go(current + 1); return openPair(); }, ArrowLeft: () => { go(current - 1); return openPair(); },
  b: startFlicker, k: () => pairAct("keep"), r: () => pairAct("reject"), t: () => pairAct("split"), m: () => pairAct("merge", true),
  g: () => pairAct("gold"), u: async () => { await COMMANDS.u(); return openPair(); },
};
let pairBusy = false;  // a key that comes too early would be about a pair that is decided already
function inPairs(work) {
  return async () => {
    if (pairBusy) return;
    pairBusy = true;
    try { await safely(work)(); } finally { pairBusy = false; }
  };
}
$("pairs").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !PAIR_KEYS[event.key]) return;
  event.preventDefault(); event.stopPropagation();
  if (!event.repeat || event.key.startsWith("Arrow")) inPairs(PAIR_KEYS[event.key])();
});
$("pairs").addEventListener("close", stopFlicker);
$("openpairs").addEventListener("click", inPairs(openPair));
