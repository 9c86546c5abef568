"use strict";
// A copy beside the picture that represents it, one pair after the other through the view.
let pair = null, flicker = 0;

async function openPair() {
  const here = row(current); if (!here) return;
  if (!here.representative || here.representative === here.sha256) throw new Error("this picture is no copy of another one");
  const [other] = (await ask(`/api/pictures?sha256=${here.representative}`)).pictures;
  pair = [here, other || here];
  pair.forEach((one, number) => {
    const image = $(`side${number}`);
    image.src = `/show/${one.sha256}.jpg`; image.alt = `${number ? "the picture that represents it" : "the copy"}: ${one.label || "no label"}`;
    $(`about${number}`).textContent = [number ? "represents it" : "copy", one.decision ? `${one.decision} (person)` : one.verdict, one.label || "no label",
      one.width ? `${one.width} × ${one.height}` : "", one.origin, one.gold ? "gold" : "", one.placed ? "cluster by a person" : ""].filter(Boolean).join(", ");
  });
  $("which").textContent = `${(current + 1).toLocaleString("en")} of ${total.toLocaleString("en")}`;
  if (!$("pairs").open) $("pairs").showModal();
}
function stopFlicker() { clearInterval(flicker); flicker = 0; $("pairbox").className = "sides"; }
function startFlicker() {
  if (flicker) return stopFlicker();
  $("pairbox").className = "sides blink";
  flicker = setInterval(() => $("pairbox").classList.toggle("second"), 500);
}
async function pairAct(kind, both) {
  await act(kind, "", both ? pair.map((one) => one.sha256) : [pair[0].sha256]);
  await openPair().catch(() => $("pairs").close());
}
const PAIR_KEYS = {
  ArrowRight: () => { go(current + 1); return openPair(); }, ArrowLeft: () => { go(current - 1); return openPair(); },
  b: startFlicker, k: () => pairAct("keep"), r: () => pairAct("reject"), t: () => pairAct("split"), m: () => pairAct("merge", true),
  g: () => pairAct("gold"), u: async () => { await COMMANDS.u(); return openPair(); },
};
$("pairs").addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !PAIR_KEYS[event.key]) return;
  event.preventDefault(); event.stopPropagation();
  if (!event.repeat || event.key.startsWith("Arrow")) safely(PAIR_KEYS[event.key])();
});
$("pairs").addEventListener("close", stopFlicker);
$("openpairs").addEventListener("click", safely(openPair));
