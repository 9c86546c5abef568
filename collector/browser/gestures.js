// What shows a picture without a control of its own: the pointer over a thumbnail, an arrow key, a swipe, a slider of
// numbers. Needs restraint.js and behaviours.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.gesture) return;
  const UNRELATED = "nav, header nav, footer, form, [role=search], [role=menu]";
  const SWIPED = /galler|carousel|karussell|slid(?:er?|es?|eshow)|swip|viewer|lightbox|flick(?:ing|ity)|splide|embla|glide(?!\w)|keen-/i;
  const MOST_OVER = 60, MOST_TURNS = 80, MOST_SWIPED = 4, MOST_STEPS = 100;
  const tried = new WeakSet();

  const inline = (element, names) => names.some((name) => element[name]);
  const answers = (element, kind, names) => {
    for (let at = element, depth = 0; at && depth < 4; at = T.parent(at), depth += 1) if (T.heard[kind].has(at) || inline(at, names)) return true;
    return false;
  };
  const centre = (element) => {
    const box = element.getBoundingClientRect();
    return { bubbles: true, cancelable: true, composed: true, view: window, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, pointerId: 1, isPrimary: true };
  };
  const send = (element, at, ...kinds) => { for (const kind of kinds) element.dispatchEvent(new (kind.startsWith("pointer") ? PointerEvent : MouseEvent)(kind, { ...at, bubbles: !/enter$/.test(kind) })); };
  function over(element) {
    const at = centre(element);
    send(element, at, "pointerover", "mouseover", "pointermove", "mousemove");
    for (let holder = element, depth = 0; holder && depth < 4; holder = T.parent(holder), depth += 1) send(holder, at, "pointerenter", "mouseenter");
  }
  function swipe(element) {
    const box = element.getBoundingClientRect(), at = centre(element), held = { ...at, buttons: 1 };
    const from = box.left + 0.8 * box.width, to = box.left + 0.2 * box.width;
    const under = element.querySelector("img, canvas") || element;
    send(under, { ...held, clientX: from }, "pointerdown", "mousedown");
    for (const part of [0.3, 0.6, 1]) send(under, { ...held, clientX: from + part * (to - from) }, "pointermove", "mousemove");
    send(under, { ...at, clientX: to }, "pointerup", "mouseup");
  }
  // A gesture must not make the page another one, of another model: neither its path nor its query may change.
  // A number that only says which picture is shown ("?photo=3", "/photo/3") is of the same page.
  // "?gallery=3" may be the gallery of another car.
  const NTH = /^(?:(?:current|active|selected|show|open)?[-_]?(?:photo|image|img|pic|picture|slide|foto|bild|imagen|imagem|immagine|frame)s?[-_]?(?:id|no|nr|num|number|index|idx)?|(?:gallery|lightbox)[-_]?(?:index|idx))$/i;
  const NTH_PATH = /\/(?:photo|image|img|picture|slide|foto|bild)s?[/-]\d{1,5}\/?$/i;
  let watching = false, moved = ""; // where the page would have gone
  // One way of writing spaces and commas. Other bytes stay as they are: which letters they are depends on the page's encoding.
  const plain = (text) => text.replace(/\+/g, "%20").replace(/%[0-9a-f]{2}/gi, (byte) => {
    const sign = String.fromCharCode(parseInt(byte.slice(1), 16));
    return /[A-Za-z0-9._~!$'()*,;:@/?-]/.test(sign) ? sign : byte.toUpperCase();
  });
  const spot = (address) => {
    const url = new URL(address, document.baseURI);
    const query = plain(url.search.slice(1)).split("&").filter((each) => each && !(NTH.test(each.split("=")[0]) && /^[^=]*(?:=\d{0,5})?$/.test(each)));
    return url.origin + plain(url.pathname).replace(NTH_PATH, "/").replace(/\/$/, "") + `?${query.map((each) => (each.includes("=") ? each : `${each}=`)).join("&")}`;
  };
  // Whether an address shows another picture of this page.
  T.nth = (address) => {
    try { const to = new URL(address, document.baseURI).href.split("#")[0]; return to !== location.href.split("#")[0] && spot(to) === spot(location.href); } catch { return false; }
  };
  for (const name of ["pushState", "replaceState"]) {
    const change = History.prototype[name];
    History.prototype[name] = function (state, title, address) {
      let elsewhere = false;
      try { elsewhere = watching && address != null && spot(address) !== spot(location.href); } catch { elsewhere = false; }
      if (elsewhere) { moved = new URL(address, document.baseURI).href; throw new DOMException("the page stays as it is", "SecurityError"); } // what would follow is left out
      return change.apply(this, arguments);
    };
  }
  if (window.navigation) window.navigation.addEventListener("navigate", ({ destination }) => { if (watching && spot(destination.url) !== spot(location.href)) moved = destination.url; });
  const painted = () => [...T.elements(document)].filter((each) => each.style && each.style.backgroundImage.includes("data:")).map((each) => each.style.backgroundImage.replace(/^url\("?|"?\)$/g, ""));
  const loaded = () => new Set([...[...T.elements(document)].filter((each) => each.tagName === "IMG").map((each) => each.currentSrc || each.src), ...painted(), ...performance.getEntriesByType("resource").filter((each) => /^(?:img|css|fetch|xmlhttprequest)$/.test(each.initiatorType)).map((each) => each.name)]);
  // Again while that brings pictures; `idle` times in vain are the end, and so is a page that would become another one.
  async function again(act, tools, end, most, idle = 1) {
    let gained = 0;
    for (let count = 0, vain = 0; count < most && vain < idle && !moved && performance.now() < end; count += 1) {
      const before = tools.known(), here = spot(location.href), old = loaded();
      act(count);
      const more = await tools.grown(before, 500);
      await T.quiet(600);
      await T.arrive();
      moved = moved || (spot(location.href) !== here ? location.href : "");
      if (moved) { for (const each of loaded()) if (!old.has(each)) T.strange.add(each); break; }
      vain = more ? 0 : vain + 1;
      gained += more ? 1 : 0;
    }
    return gained;
  }

  async function watched(act) {
    if (moved) return 0;
    watching = true;
    try { return await act(); } finally { watching = false; }
  }
  // A carousel may listen itself: the key is pressed on its picture, unless the page has chosen another element.
  const keyed = (element) => { for (let at = element; at && at !== document.body; at = T.parent(at)) if (T.heard.keyed.has(at) || inline(at, ["onkeydown", "onkeyup"])) return at; return null; };
  const keyTarget = () => {
    const chosen = document.activeElement && document.activeElement !== document.body ? document.activeElement : null;
    if (chosen && keyed(chosen)) return chosen;
    return T.pictures().map(keyed).find((each) => each && !T.inForm(each) && !T.apart(each)) || chosen || document.body;
  };
  const arrow = () => { const target = keyTarget(); for (const kind of ["keydown", "keyup"]) target.dispatchEvent(new KeyboardEvent(kind, { key: "ArrowRight", code: "ArrowRight", keyCode: 39, which: 39, bubbles: true })); };
  // What was opened, and has no arrow with a name. Where its key leads to another address, its other pictures were not seen.
  let byKey = "";
  T.galleries = new Map(); // where controls that say gallery would have led -> their words; several are of cards of other cars
  T.leftOut = () => {
    const [words] = T.galleries.size === 1 ? T.galleries.values() : [];
    return byKey || (words === undefined ? "" : `"${words}" would have led to another page, where more pictures may be`);
  };
  T.turnByKey = async (tools, end, opened) => {
    const before = moved, inside = opened || T.openDialogs().length > 0;
    await watched(() => again(arrow, tools, end, MOST_TURNS, 2));
    if (inside && moved && !before) byKey = `the arrow key in an opened gallery led to ${moved.slice(0, 200)}, where its other pictures may be`;
  };
  // A press on what has no sign of a control; where it would have led away, nothing of there is of this page.
  T.held = async (act, element) => {
    if (watching) return act();
    const before = moved, old = loaded();
    moved = "";
    T.holding(true);
    try {
      const more = await act();
      if (!moved) return more;
      T.awayFrom.set(element, moved);
      for (const each of loaded()) if (!old.has(each) && !T.clocks.showed(each)) T.strange.add(each);
      return false;
    } finally { moved = before; T.holding(false); }
  };
  T.holding = (on) => { watching = on; T.clocks.note(on); };
  T.gesture = (tools, end) => watched(() => gestures(tools, end));
  async function gestures(tools, end) {
    let gained = 0;
    const elsewhere = (each) => { for (let at = each, depth = 0; at && depth < 3 && (at === each || !at.querySelector("img, canvas")); at = T.parent(at), depth += 1) if (T.doesElse(at)) return true; return false; };
    const left = (each) => tried.has(each) || !tools.visible(each) || each.closest(UNRELATED) || elsewhere(each) || T.apart(each);
    const small = (each) => each.tagName === "IMG" && each.getBoundingClientRect().width <= 260;
    const thumbs = [...T.elements(document)].filter((each) => small(each) && answers(each, "hover", ["onmouseover", "onmouseenter", "onpointerenter", "onpointerover"]) && !left(each)).slice(0, MOST_OVER);
    if (thumbs.length >= 3) {
      for (const each of thumbs) tried.add(each);
      gained += await again((count) => over(thumbs[count]), tools, end, thumbs.length, 4);
    }
    const pictures = T.pictures(), main = T.largest(pictures);
    for (const range of [...document.querySelectorAll("input[type=range]")].filter((each) => main && !left(each) && !T.inForm(each) && !T.filters(each) && T.beside(each, [main], 200))) {
      tried.add(range);
      const low = +range.min || 0, steps = Math.round(((+range.max || 100) - low) / (+range.step || 1));
      if (steps < 1 || steps > MOST_STEPS) continue;
      gained += await again((count) => {
        range.value = low + (count + 1) * (+range.step || 1);
        for (const kind of ["input", "change"]) range.dispatchEvent(new Event(kind, { bubbles: true }));
      }, tools, end, steps, 3);
    }
    const swiped = pictures.map((each) => { for (let at = each, depth = 0; at && depth < 5; at = T.parent(at), depth += 1) if (SWIPED.test(`${at.getAttribute("class") || ""} ${at.id}`) && (T.heard.swipe.has(at) || inline(at, ["onpointerdown", "onmousedown"]))) return at; return null; });
    for (const each of [...new Set(swiped)].filter((at) => at && !left(at)).slice(0, MOST_SWIPED)) {
      tried.add(each);
      gained += await again(() => swipe(each), tools, end, MOST_TURNS, 2); // one may come while the last is still shown moving
    }
    if (main && !tried.has(document.body) && (T.heard.keys || window.onkeydown || document.onkeydown || document.body.onkeydown || pictures.some(keyed))) {
      tried.add(document.body);
      gained += await again(arrow, tools, end, MOST_TURNS);
    }
    return gained;
  }
})();
