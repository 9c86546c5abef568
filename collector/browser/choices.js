// Groups of controls of which each shows another picture: dots, swatches, choices of one, numbers of pages, sections.
// Needs behaviours.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.choose) return;
  const ELSE = /cart|basket|bag|buy|order|wish|favou?r|\blike|share|tweet|follow|subscri|newsletter|log-?in|sign|account|delete|remove|close|compare|vote|\brat(?:e|ing)|review|download|print|chat|lang|country|currency|warenkorb|kaufen|teilen|panier|acheter|partager|carrito|comprar|장바구니|구매|찜|공유|로그인|삭제|닫기|カート|購入|共有/i;
  const VARIANT = /swatch|colou?r|paint|farbe|lackierung|couleur|colore|kleur|variant|trim|finish|wheel|angle|view|색상|컬러|カラー|颜色/i;
  const NUMBER = /^\d{1,3}$/, SPOT = /dot|bullet|indicator|swatch|page|thumb|colou?r|marker|step/i;
  const MOST_OF_A_GROUP = 40, MOST_GROUPS = 8;
  const about = (element) => `${element.id} ${element.getAttribute("class") || ""} ${element.getAttribute("aria-label") || ""} ${element.title || ""} ${T.text(element.textContent).slice(0, 60)}`;
  // What a control is in, or what its list item is in; itself directly below a shadow root.
  const around = (element) => { const up = element.parentElement || element; return up !== element && up.childElementCount === 1 && up.parentElement ? up.parentElement : up; };

  function kindOf(element, tools) {
    if (element.tagName === "LABEL") {
      const input = element.control;
      if (!input || input.type !== "radio" || input.disabled) return "";
      const outer = element.closest("fieldset, [role=radiogroup]") || around(element);
      return element.closest("form") && !VARIANT.test(`${about(element)} ${about(outer)} ${input.name}`) ? "" : "choice";
    }
    const pressable = element.matches("button, a, [role=button], [role=radio], [role=option], [onclick], [data-slide-to], [data-bs-slide-to]") || getComputedStyle(element).cursor === "pointer";
    if (!pressable || element.matches("input, select, option, img") || element.closest("form")) return "";
    if (element.matches("[aria-expanded=false][aria-controls]:not([aria-haspopup])")) return "section";
    if (NUMBER.test(T.text(element.textContent))) return tools.leaves(element) && !tools.samePath(element) ? "" : "number";
    const box = element.getBoundingClientRect();
    if (T.text(element.innerText) || tools.leaves(element) || box.width > 90 || box.height > 90) return "";
    return element.matches("button, [role]") || SPOT.test(`${about(element)} ${about(around(element))}`) ? "spot" : "";
  }

  function groups(tools) {
    const found = new Map();
    for (const element of T.elements(document)) {
      if (!element.matches("label, button, a, li, span, div, i, [role]") || !tools.visible(element) || tools.disabled(element)) continue;
      if (tools.worn.has(element) || element.closest("header, footer, [role=menu], [role=menubar], [role=search]") || ELSE.test(about(element))) continue;
      const kind = kindOf(element, tools);
      if (!kind || (kind !== "number" && element.closest("nav, [role=navigation]"))) continue;
      const at = kind === "section" ? document.body : element.parentElement ? around(element) : element.getRootNode();
      if (!found.has(at)) found.set(at, new Map());
      const key = `${kind} ${element.tagName}`;
      found.get(at).set(key, [...(found.get(at).get(key) || []), element]);
    }
    const lists = [...found.values()].flatMap((each) => [...each]).map(([key, list]) => ({ kind: key.split(" ")[0], list }));
    return lists.filter(({ kind, list }) => kind === "section" || list.length >= (kind === "number" ? 2 : 3)).slice(0, MOST_GROUPS);
  }

  // Press each control of each group while that brings pictures; `tools` are those of behaviours.js.
  T.choose = async (tools, end) => {
    for (const { list } of groups(tools)) {
      let idle = 0;
      for (const element of list.slice(0, MOST_OF_A_GROUP)) {
        if (performance.now() > end) return false;
        if (idle >= 3 || !element.isConnected) break;
        tools.worn.add(element);
        const more = await tools.press(element, 300);
        idle = more ? 0 : idle + 1;
        if (more) tools.useful.add(around(element));
      }
    }
    for (const select of [...document.querySelectorAll("select")].filter((each) => tools.visible(each) && !tools.worn.has(each))) {
      const options = [...select.options].filter((each) => !each.disabled);
      const said = `${about(select)} ${select.name} ${options.slice(0, 5).map((each) => each.text).join(" ")}`;
      if (select.multiple || options.length < 2 || options.length > MOST_OF_A_GROUP || !VARIANT.test(said) || ELSE.test(said) || tools.LEADS.test(String(select.onchange))) continue;
      tools.worn.add(select);
      const first = select.value;
      for (let idle = 0, place = 0; place <= options.length && idle < 3; place += 1) {
        if (performance.now() > end) return false;
        const before = tools.known();
        select.value = place < options.length ? options[place].value : first;
        for (const kind of ["input", "change"]) select.dispatchEvent(new Event(kind, { bubbles: true }));
        idle = (await tools.grown(before, 300)) ? 0 : idle + 1;
        await T.quiet(1000);
      }
    }
    return true;
  };
})();
