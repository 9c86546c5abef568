// Answers consent banners: refuses, never accepts; needs inpage.js. The data come from consent.yaml.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.consent) return;
  const BUTTONS = "button, a, [role=button], input[type=button], input[type=submit], summary, [onclick]";
  const NAMED = /cookie|consent|gdpr|privacy|cmp|ccpa|dsgvo|datenschutz|banner|notice|modal|overlay|popup/i;
  const TICKED = "input[type=checkbox]:checked:not(:disabled), [role=switch][aria-checked=true]:not([aria-disabled=true])";
  const NEEDED = /necess|nécess|essen[tz]i|requir|mandatory|obligat|notwendig|erforderlich|necesari|niezbędn|필수|必須|必要/i;
  const EVERYTHING = /(?:^|\s)(?:all|alles?|alle|tout(?:es)?|tous|tod[oa]s?|tud[oa]|tutt[eio]|wszystk\S*|vše\S*|kaikki|tümünü|все)(?:\s|$)|acept|aceit|accep?t(?!.*(?:select|choice|preference|setting))|akzept|akcept|모두|전체|すべて|全て|全部/iu;
  const label = (element) =>
    T.text(element.innerText || element.textContent || element.value || element.getAttribute("aria-label") || element.title || "")
      .toLowerCase().normalize("NFC").replace(/^[\s\p{P}\p{S}]+|[\s\p{P}\p{S}]+$/gu, "");
  const visible = (element) => {
    if (!element.getClientRects().length) return false;
    const style = getComputedStyle(element);
    return style.visibility !== "hidden" && style.opacity !== "0";
  };
  const BANNER_MS = 2000;
  const whole = (patterns) => new RegExp(`^(?:${patterns.join("|")})$`, "iu");

  // Every document and shadow root of the same origin; a frame is read like the page itself.
  function* scopes(root) {
    yield root;
    for (const element of root.querySelectorAll("*")) {
      const inside = T.shadow(element);
      if (inside) yield* scopes(inside);
      if (element.tagName === "IFRAME") {
        let inner = null;
        try { inner = element.contentDocument; } catch { inner = null; }
        if (inner && inner.body && visible(element)) yield* scopes(inner);
      }
    }
  }
  const hostOf = (root) => (root.nodeType === 11 ? root.host : root.defaultView && root.defaultView.frameElement);

  // The banner around a button: named like one, a dialog, or fixed to the window, and about cookies.
  function banner(button, topics) {
    for (let at = T.parent(button) || hostOf(button.getRootNode()), depth = 0; at && depth < 40; depth += 1) {
      const tag = at.tagName;
      const named = NAMED.test(`${at.id} ${at.getAttribute("class") || ""} ${at.getAttribute("aria-label") || ""} ${at.title || ""}`);
      const dialog = /dialog/.test(at.getAttribute("role") || "") || tag === "DIALOG";
      const position = tag === "HTML" || tag === "BODY" ? "" : getComputedStyle(at).position;
      if (named || dialog || position === "fixed" || position === "sticky") {
        const about = `${at.id} ${at.getAttribute("class") || ""} ${at.getAttribute("title") || ""} ${(at.innerText || at.textContent || "").slice(0, 6000)}`;
        const inside = T.shadow(at);
        if (topics.test(about) || (inside && topics.test(inside.textContent || "")) || tag === "IFRAME") return at;
      }
      at = T.parent(at) || hostOf(at.getRootNode());
    }
    // A frame of another origin that is named like a banner is one as a whole.
    return window !== window.top && topics.test(`${T.ofDocument("title")} ${T.ofDocument("body").innerText}`) ? document.documentElement : null;
  }

  // Buttons, then words of any kind of element that a script listens on.
  function* buttonsOf(root) {
    yield* root.querySelectorAll(BUTTONS);
    for (const each of root.querySelectorAll("div, span, p, li, b, em")) if (!each.childElementCount && each.textContent.length < 80 && !each.closest(BUTTONS) && T.answering(each)) yield each;
  }
  const useless = new WeakSet(); // buttons that had no effect
  function labelled(patterns, topics, except, but) {
    const wanted = whole(patterns);
    for (const root of scopes(document))
      for (const button of buttonsOf(root)) {
        if ((except && except.has(button)) || useless.has(button) || !visible(button)) continue;
        const words = label(button);
        if (words && words.length < 80 && wanted.test(words) && !(but && but.test(words)) && banner(button, topics)) return { button, words };
      }
    return null;
  }

  function selected(selectors, except) {
    for (const root of scopes(document))
      for (const selector of selectors) {
        let hits = [];
        try { hits = root.querySelectorAll(selector); } catch { hits = []; }
        for (const button of hits) if (visible(button) && !useless.has(button) && !(except && except(button))) return { button, selector };
      }
    return null;
  }

  // A button that saves what is ticked; "save and accept all" is none.
  const saving = (data, topics) => labelled(data.save, topics, null, EVERYTHING);
  const evaluate = (action) => { try { return action(); } catch { return undefined; } };
  const opened = new WeakMap(); // a library may not listen yet: a button that opened nothing is pressed again
  const spent = { has: (button) => (opened.get(button) || 0) >= 3 };
  let last = null;
  const press = (button) => { last = button; button.click(); };
  // Untick what is not needed, and save; a banner where something stays ticked is left alone.
  async function saveNothing(button, topics) {
    let around = banner(button, topics);
    for (let outer = around; outer && !/^(?:BODY|HTML)$/.test(outer.tagName); outer = banner(outer, topics)) around = outer;
    const inside = () => [...scopes(around), ...(T.shadow(around) ? scopes(T.shadow(around)) : [])];
    const ticked = () => inside().flatMap((root) => [...root.querySelectorAll(TICKED)]).filter((box) => !isNeeded(box));
    for (let round = 0; round < 2; round += 1) {
      for (const box of ticked()) if (box.matches(TICKED)) box.click(); // a label's click ticks its box, too
      await T.sleep(60);
    }
    if (ticked().length) return false;
    press(button);
    return true;
  }
  const isNeeded = (box) => {
    const around = box.closest("label, li, tr, fieldset") || box.parentElement;
    const own = around && around.querySelectorAll(TICKED).length === 1 ? label(around).slice(0, 120) : "";
    return NEEDED.test(`${box.id} ${box.name || ""} ${box.getAttribute("class") || ""} ${box.getAttribute("aria-label") || ""} ${own}`);
  };
  T.consentUseless = () => { if (last) useless.add(last); };
  // The button that was pressed last, if it is still there: where to put the pointer, in the window, and whether
  // something else, such as what it opened, would be clicked there.
  T.consentStill = () => {
    if (!last || !last.isConnected || !visible(last)) return null;
    let { left, top, width, height } = last.getBoundingClientRect();
    const under = (element, x, y) => {
      const hit = element.getRootNode().elementFromPoint(x, y);
      return !!hit && (element.contains(hit) || hit.contains(element));
    };
    let covered = !under(last, left + width / 2, top + height / 2);
    for (let view = last.ownerDocument.defaultView; view && view !== window && view.frameElement; view = view.parent) {
      const frame = view.frameElement.getBoundingClientRect();
      left += frame.left; top += frame.top;
      covered = covered || !under(view.frameElement, left + width / 2, top + height / 2);
    }
    return { x: left + width / 2, y: top + height / 2, covered };
  };

  T.consent = async (own, data) => {
    last = null;
    const topics = new RegExp(data.topics, "iu");
    const setting = whole(data.settings), settings = (button) => setting.test(label(button));
    const mine = own && own.length ? selected(own) : null;
    if (mine) { press(mine.button); return { answer: "refused", by: "recipe", what: mine.selector }; }
    for (const manager of T.managers) {
      const hit = selected(manager.refuse, settings); // some name a second button that a site may use for its settings
      if (hit) { press(hit.button); return { answer: "refused", by: manager.name, what: hit.selector }; }
    }
    const refuse = labelled(data.refuse, topics);
    if (refuse) { press(refuse.button); return { answer: "refused", by: "words", what: refuse.words }; }
    // Refusing may need a second step: the settings, where nothing optional is ticked.
    const more = labelled(data.accept, topics) && labelled(data.settings, topics, spent);
    const choices = () => labelled(data.refuse, topics) || saving(data, topics);
    if (more) {
      for (let round = 0; round < 2 && !choices(); round += 1) {
        opened.set(more.button, (opened.get(more.button) || 0) + 1);
        more.button.click();
        await T.waitFor(choices, 1500);
      }
      if (choices()) opened.set(more.button, 3);
      const second = selected(T.managers.flatMap((each) => each.refuse)) || labelled(data.refuse, topics);
      if (second) { press(second.button); return { answer: "refused", by: "settings", what: second.words || second.selector }; }
      const save = saving(data, topics);
      if (save && await saveNothing(save.button, topics)) return { answer: "refused", by: "settings", what: save.words };
    }
    for (const manager of T.managers)
      if (manager.call && evaluate(manager.present) && evaluate(manager.waits)) {
        // Its banner may only be late: pages also wait for the click itself.
        const late = await T.waitFor(() => selected(manager.refuse, settings) || !evaluate(manager.waits), BANNER_MS);
        if (late && late.button) { press(late.button); return { answer: "refused", by: manager.name, what: late.selector }; }
        if (late) continue;
        const done = evaluate(manager.call);
        if (done && typeof done.then === "function") await Promise.race([done, T.sleep(2000)]);
        if (!evaluate(manager.waits)) return { answer: "refused", by: manager.name, what: "its own function" };
      }
    return { answer: "", by: "", what: "" };
  };

  // The button that was pressed last may only have switched everything off: then the choice has to be saved.
  T.consentSave = async (data) => {
    const topics = new RegExp(data.topics, "iu");
    const save = saving(data, topics);
    if (!save || !last || banner(save.button, topics) !== banner(last, topics)) return "";
    return (await saveNothing(save.button, topics)) ? save.words : "";
  };

  // What still waits for an answer: a banner that can only be accepted, or a manager that shows none.
  T.consentWaits = (data) => {
    const accept = labelled(data.accept, new RegExp(data.topics, "iu"));
    if (accept) return `a banner with the button "${accept.words}"`;
    const hidden = T.managers.find((each) => evaluate(each.present) && evaluate(each.waits));
    if (hidden) return `${hidden.name}, which shows no banner to this browser`;
    const blocked = document.querySelectorAll("script[type='text/plain'][data-category],script[type='text/plain'][data-cookieconsent],[data-cookieconsent][data-src],iframe[data-category]").length;
    return blocked ? `${blocked} elements that a consent manager holds back` : "";
  };
})();
