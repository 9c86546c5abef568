// What answers to a press without being a button: by an attribute, a property, a listener, or one that is around it.
// Needs restraint.js; behaviours.js says what the words mean.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.answering) return;
  // React gives each element that it listens for an empty onclick; Svelte and Solid keep their handlers in a property.
  const CLICKS = ["onclick", "__click", "$$click"];
  const PRESSES = ["onmousedown", "onmouseup", "onpointerdown", "onpointerup", "ontouchstart", "ontouchend"];
  const LONGEST = 60, LARGEST = 260, SMALL = 120, ICON = 64, TINY = 44; // characters; pixels
  const NEVER = /^(?:HTML|BODY|MAIN|IMG|INPUT|SELECT|OPTION|TEXTAREA|LABEL|FORM|VIDEO|CANVAS|SCRIPT|STYLE)$/;
  const ARROW = /arrow|chevron|caret|angle|(?<![a-z])(?:fwd|forward)(?![a-z])/i, NOT_ON = /left|prev|back(?!ground)|(?<![a-z])(?:up|down|top)(?![a-z])|drop-?down|select|sort|expand|collapse/i;

  T.unsure = new WeakSet(); // what this file takes for controls
  T.awayFrom = new WeakMap(); // those that would have made the page another one -> which
  const has = (element, names) => names.some((name) => typeof element[name] === "function");
  const heardBy = (element) => { // in a frame its own document has heard
    try { return (element.ownerDocument.defaultView.__bodyshop || T).heard; } catch { return T.heard; }
  };
  // How a script listens on the element itself.
  T.answering = (element) => {
    const heard = heardBy(element);
    if (heard.click.has(element) || has(element, CLICKS)) return "click";
    return heard.press.has(element) || has(element, PRESSES) ? "press" : "";
  };
  const up = (element) => T.parent(element) || element.getRootNode().host || null;
  // Whether something around it listens: for many elements, of which this may be one.
  T.delegated = (element, levels = 40) => {
    if (levels === 40 && heardBy(element).everywhere) return true;
    for (let at = up(element), depth = 0; at && depth < levels; at = up(at), depth += 1) if (T.answering(at)) return true;
    return levels === 40 && has(element.ownerDocument, CLICKS);
  };
  const hand = (element) => getComputedStyle(element).cursor === "pointer";
  const spells = (text) => /[\p{L}\p{N}]/u.test(text);
  // An element of no kind that is pressed, if its words say for what; `worded` tests them, and says whether they do so by themselves.
  T.plain = (element, worded) => {
    const is = plain(element, worded);
    if (is) T.unsure.add(element);
    return is;
  };
  const plain = (element, worded) => {
    if (NEVER.test(element.tagName)) return false;
    const leaf = !element.childElementCount, text = element.textContent;
    if (text.length > LONGEST + 40) return false;
    const own = T.answering(element);
    if (!own && !(leaf && text)) return false;
    const words = T.text(text);
    if (words.length > LONGEST) return false;
    if (own) return worded(words) || worded(T.text(element.ariaLabel || element.title)) || !spells(words);
    const said = worded(words);
    if (!said) return false;
    for (let at = up(element), depth = 0; at && depth < 3; at = up(at), depth += 1) if (T.answering(at) && T.text(at.textContent) === words) return false; // that one is pressed
    return hand(element) || (said === "for itself" && spells(words) && (words.startsWith("+") ? T.delegated(element, 3) : T.delegated(element)));
  };
  // The names by which a page finds a control again.
  const NAMING = ["class", "id", "data-action", "data-dir", "data-direction", "data-slide", "data-bs-slide", "data-nav"];
  T.namesOf = (element) => NAMING.map((name) => element.getAttribute(name) || "").join(" ").replace(/(\p{Ll})(\p{Lu})/gu, "$1-$2");
  // The largest picture, for all the controls that are looked at now.
  const LASTS = 300; // ms
  let largest = null, until = 0;
  const main = () => {
    if (performance.now() > until || (largest && !largest.isConnected)) { largest = T.largest(T.pictures()); until = performance.now() + LASTS; }
    return largest;
  };
  // One of a column of icons beside a picture: to like it, to share it.
  const stacked = (element) => [element.previousElementSibling, element.nextElementSibling].some((each) => {
    if (!each) return false;
    const a = element.getBoundingClientRect(), b = each.getBoundingClientRect();
    return [a.left - b.left, a.width - b.width, a.height - b.height].every((apart) => Math.abs(apart) < 8) && Math.abs(a.top - b.top) > a.height / 2;
  });
  // An arrow without a word: by the name of its icon, or by its place at the right edge of the largest picture.
  T.pointsOn = (element) => {
    const box = element.getBoundingClientRect();
    if (box.width > SMALL || box.height > LARGEST || spells(element.textContent) || element.querySelector("img") || element.closest("a[href]")) return false;
    if (!(element.matches("button, [role=button]") || T.answering(element)) || element.matches("[aria-haspopup], [aria-expanded]")) return false;
    const names = [element, ...element.querySelectorAll("*")].slice(0, 6).map((each) => `${T.namesOf(each)} ${each.getAttribute("href") || ""}`).join(" ");
    const named = ARROW.test(names) && !NOT_ON.test(names);
    if (!named && (NOT_ON.test(names) || box.width < 12)) return false;
    if (T.inForm(element) || T.doesElse(element) || T.iconElse(element) || (!named && stacked(element))) return false;
    const picture = main();
    if (!picture || element.contains(picture) || T.apart(element) || T.inDialog(element)) return false;
    const of = picture.getBoundingClientRect(), middle = box.top + box.height / 2, edge = box.left + box.width / 2;
    if (of.width < 200) return false;
    if (named) return T.beside(element, [picture], 60);
    return middle > of.top + of.height / 3 && middle < of.bottom - of.height / 3 && edge > of.right - of.width / 4 && edge < of.right + SMALL / 2;
  };
  // A small picture that is pressed: itself or what is around it alone, without words; or one of several for which their list listens.
  T.pressable = (img) => {
    const target = pressable(img);
    if (target) T.unsure.add(target);
    return target;
  };
  const pressable = (img) => {
    const box = img.getBoundingClientRect(), side = Math.max(box.width, box.height);
    if (side < TINY || (side < ICON && T.iconElse(img))) return null; // a star, a flag
    const leads = box.width >= SMALL && box.height >= 80; // one that listens itself may open a gallery
    for (let at = img, depth = 0; at && depth < 3 && !at.getElementsByTagName("img")[1] && T.text(at.textContent).length <= 20; at = T.parent(at), depth += 1)
      if (T.answering(at)) return leads || T.inForm(at) || T.doesElse(at) || T.apart(at) ? null : at;
    if (img.closest("a[href]") || !T.delegated(img, 3) || T.inForm(img) || T.doesElse(img) || T.apart(img)) return null;
    return T.text((img.parentElement || img).textContent).length <= 20 ? img : null;
  };
  // A press as a script can make it, for those that wait for no click.
  T.pressOn = (element) => {
    const box = element.getBoundingClientRect();
    const at = { bubbles: true, cancelable: true, composed: true, view: window, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, pointerId: 1, isPrimary: true, detail: 1 };
    for (const kind of ["pointerdown", "mousedown", "pointerup", "mouseup"])
      element.dispatchEvent(new (kind.startsWith("pointer") ? PointerEvent : MouseEvent)(kind, { ...at, buttons: kind.endsWith("down") ? 1 : 0 }));
  };
})();
