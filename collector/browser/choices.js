// Groups of controls of which each shows another picture: dots, swatches, choices of one, numbers of pages, sections.
// Needs restraint.js and behaviours.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.choose) return;
  const NUMBER = /^\d{1,3}$/, LONGEST_WORD = 24;
  const MOST_OF_A_GROUP = 100, MOST_GROUPS = 16; // in one call
  // What a control is in, or what its list item is in; itself directly below a shadow root.
  const around = (element) => { const up = element.parentElement || element; return up !== element && up.childElementCount === 1 && up.parentElement ? up.parentElement : up; };

  function kindOf(element, tools) {
    if (element.tagName === "LABEL") {
      const input = element.control;
      return input && input.type === "radio" && !input.disabled ? "choice" : "";
    }
    const pressable = element.matches("button, a, [role=button], [role=radio], [role=option], [onclick], [data-slide-to], [data-bs-slide-to]") || T.answering(element) || (element.parentElement && T.answering(element.parentElement) === "click") || getComputedStyle(element).cursor === "pointer";
    if (!pressable || element.matches("input, select, option, img, [role=switch], [role=checkbox], [role=menuitem]") || T.inForm(element)) return "";
    if (element.matches("[aria-expanded=false][aria-controls]:not([aria-haspopup])")) return "section";
    if (NUMBER.test(T.text(element.textContent))) return tools.leaves(element) && !tools.samePath(element) ? "" : "number";
    const box = element.getBoundingClientRect(), words = T.text(element.innerText);
    if (words && words.length <= LONGEST_WORD && !tools.leaves(element) && !element.querySelector("img, div, p") && !(element.parentElement && (T.answering(element.parentElement) || element.parentElement.closest("button, a, summary, [role=button], [role=tab], [role=option]")))) return "word";
    return words || tools.leaves(element) || box.width > 90 || box.height > 90 ? "" : "spot";
  }

  const left = (element) => T.doesElse(element) || T.declared(element) || (element.control && (T.declared(element.control) || T.doesElse(element.control))) || T.apart(element) || T.inDialog(element);

  // Those with a sign of their own and beside the largest picture come first.
  function groups(tools) {
    const found = new Map();
    for (const element of T.elements(document)) {
      if (!element.matches("label, button, a, li, span, div, i, h2, h3, h4, dt, [role]") || !tools.visible(element) || tools.disabled(element)) continue;
      if (tools.worn.has(element) || element.closest("header, footer, table, [role=menu], [role=menubar], [role=search], [role=grid]")) continue;
      const kind = kindOf(element, tools);
      if (!kind || (kind !== "number" && !(kind === "word" && element.matches("button, a[href^='#']")) && element.closest("nav, [role=navigation]"))) continue;
      const at = kind === "section" ? document.body : element.parentElement ? around(element) : element.getRootNode();
      if (!found.has(at)) found.set(at, new Map());
      const key = `${kind} ${element.tagName}`;
      if (!found.get(at).has(key)) found.get(at).set(key, []);
      found.get(at).get(key).push(element);
    }
    const pictures = T.pictures(), main = T.largest(pictures);
    const ranked = [];
    for (const [at, kinds] of found)
      for (const [key, all] of kinds) {
        const kind = key.split(" ")[0], outer = at.tagName ? at : at.host;
        if (kind !== "section" && all.length < (kind === "number" || kind === "word" ? 2 : 3) && !all.some((each) => tools.begun.has(around(each)))) continue;
        const sign = T.sign(kind, all, outer);
        if (!sign || (kind !== "section" && !(kind === "word" && !pictures.length) && !all.slice(0, 20).some((each) => T.beside(each, pictures, innerHeight)))) continue;
        const list = all.filter((each) => !left(each));
        if (list.length) ranked.push({ kind, list, rank: sign + (kind === "section" ? -1 : 0) + (main && T.beside(list[0], [main], 200) ? 1 : 0) });
      }
    return ranked.sort((a, b) => b.rank - a.rank);
  }

  const said = (select, options) => `${select.id} ${select.className} ${select.getAttribute("aria-label") || ""} ${select.title || ""} ${select.name} ${options.slice(0, 5).map((each) => each.text).join(" ")} ${[...(select.labels || [])].map((each) => each.textContent).join(" ")}`;

  // Press each control of each group while that brings pictures; `tools` are those of behaviours.js.
  // Returns which limits were reached, and how many controls brought something.
  T.choose = async (tools, end) => {
    const limits = new Set(), late = "not every choice was tried in the time";
    let gained = 0;
    const all = groups(tools);
    if (all.length > MOST_GROUPS) limits.add(`${all.length - MOST_GROUPS} of ${all.length} groups of choices were not tried`);
    for (const { list } of all.slice(0, MOST_GROUPS)) {
      let idle = 0, tried = 0;
      for (const element of list) {
        if (performance.now() > end) { limits.add(late); return { limits: [...limits], gained }; }
        if (idle >= 3 || !element.isConnected) break;
        if (tried === MOST_OF_A_GROUP) { limits.add(`${list.length - tried} of ${list.length} choices of a group were not tried`); break; }
        tried += 1;
        tools.worn.add(element);
        tools.begun.add(around(element));
        const more = await tools.press(element, 300);
        idle = more ? 0 : idle + 1;
        if (more) { tools.useful.add(around(element)); gained += 1; }
      }
      // What did nothing three times is not tried again.
      if (idle >= 3) for (const element of list) tools.worn.add(element);
    }
    const main = T.largest(T.pictures());
    for (const select of [...document.querySelectorAll("select")].filter((each) => tools.visible(each) && !tools.worn.has(each))) {
      const options = [...select.options].filter((each) => !each.disabled);
      if (select.multiple || options.length < 2 || !(T.variant(said(select, options)) || (main && !T.inForm(select) && T.views(options.slice(0, 20).map((each) => each.text)) && T.beside(select, [main], 200))) || T.doesElse(select) || T.apart(select) || T.inDialog(select) || tools.LEADS.test(String(select.onchange))) continue;
      tools.worn.add(select);
      const first = select.value, most = Math.min(options.length, MOST_OF_A_GROUP);
      if (most < options.length) limits.add(`${options.length - most} of ${options.length} choices of a list were not tried`);
      for (let idle = 0, place = 0; place <= most && idle < 3; place += 1) {
        if (performance.now() > end) { limits.add(late); return { limits: [...limits], gained }; }
        const before = tools.known();
        select.value = place < most ? options[place].value : first;
        for (const kind of ["input", "change"]) select.dispatchEvent(new Event(kind, { bubbles: true }));
        const more = await tools.grown(before, 300);
        idle = more ? 0 : idle + 1;
        gained += more ? 1 : 0;
        await T.quiet(1000);
        await T.arrive();
      }
    }
    return { limits: [...limits], gained };
  };
})();
