// What people do to see all pictures of a page: scroll inside boxes, ask for more, go to the next one, open tabs and
// galleries. And what of it is left undone. Needs inpage.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.explore) return;
  const MORE = /^(?:(?:load|show|see|view|display)\s+(?:me\s+)?(?:all\s+)?(?:\d+\s+)?more(?:\s+\p{L}+)?|more (?:photos|pictures|images|results)|(?:show|view|see|load|open) all(?:\s+\d+)?(?:\s+(?:photos|pictures|images|\d+))?|mehr(?: \p{L}+)?(?: anzeigen| laden)?|weitere (?:bilder|fotos)?.*|alle (?:bilder|fotos)?.*anzeigen|(?:voir|afficher|charger)(?: \p{L}+)? plus.*|voir tout.*|(?:ver|cargar|mostrar|carregar)(?: \p{L}+)? m[aá][si]s?.*|ver todas.*|carica(?: \p{L}+)? altr.*|mostra (?:altro|di più|tutt).*|meer (?:laden|tonen|foto).*|toon meer|pokaż więcej.*|načíst další.*|показать (?:ещ[её]|больше).*|daha fazla.*|visa fler.*|(?:사진|이미지)?\s*더 ?(?:보기|불러오기)|(?:전체|모두) ?보기|もっと(?:見る|読み込む).*|さらに.*|すべて(?:見る|表示)|加载更多|查看(?:更多|全部)|更多图片|載入更多)$/iu;
  const NEXT_LABEL = /^(?:forwards?|next(?: (?:slide|image|photo|picture|item|page))?|show next.*|go to next.*|nächste[rs]?(?: \p{L}+)?|weiter|suivante?(?: \p{L}+)?|(?:image|photo|page) suivante|siguiente.*|successiv[oa].*|seguinte|próxim[oa].*|volgende.*|następn.*|další|следующ.*|sonraki.*|nästa.*|neste|næste|seuraava|다음.*|次(?:へ|の.*)?|下一(?:张|张图片|個|个|页)?|[›»→>❯⟩▶▸►➔➜〉＞]{1,2})$/iu;
  const NEXT_CLASS = /(?:^|[\s_-])(?:next|(?:arrow|nav|slide|angle|chevron|caret)-{0,2}right|right-?(?:arrow|nav))(?:$|[\s_-])/i;
  const MORE_NAME = /(?:^|[\s_-])(?:load|show|view|see)[_-]?(?:more|all)(?:$|[\s_-])/i;
  const GALLERY = /^(?:(?:open|view|see|show|launch|zoom)?\s*(?:the\s+)?(?:photo |image |picture )?(?:gallery|galerie|galería|galleria|lightbox|slideshow)|(?:view|see|show|open)(?: all)?(?: \d+)? (?:photos|pictures|images)|(?:all )?(?:photos|pictures)(?: \(?\d+\)?)?|\d+ (?:photos|pictures|images|fotos|bilder)|(?:zur )?bildergalerie(?: öffnen)?|bilder|fotos|alle (?:\d+ )?(?:bilder|fotos)(?: (?:ansehen|anzeigen|zeigen))?|(?:ver )?(?:todas (?:as )?|las )?fotos|ver (?:la )?galer[ií]a(?: de fotos)?|(?:показать |смотреть )?все фото(?:графии)?|(?:voir )?(?:toutes )?les photos|galerie photos?|(?:vedi )?tutte le foto|todas las fotos|alle foto's(?: bekijken)?|(?:zobacz )?wszystkie zdjęcia|(?:zobrazit )?všechny fotografie|tüm fotoğraflar(?:ı gör)?|(?:visa )?alla bilder|(?:모든 |전체 )?갤러리(?: ?보기)?|(?:모든 |전체 )?사진(?: ?(?:전체 ?)?보기)?|포토|ギャラリー|(?:すべての)?写真(?:を(?:すべて)?見る)?|图片|图库|相册)$/iu;
  const UNRELATED = "nav, header nav, footer, [role=navigation], form, [role=search], [role=menu]";
  const CONTROLS = "button, [role=button], a, summary, input[type=button], [onclick], [tabindex='0'], [class*='next' i], [class*='arrow' i], [class*='right' i]";
  const MOST_CLICKS = 80, MOST_TABS = 30, MOST_THUMBS = 60;

  const visible = (element) => {
    const box = element.getBoundingClientRect();
    if (box.width < 5 || box.height < 5) return false;
    const style = getComputedStyle(element);
    return style.visibility !== "hidden" && style.display !== "none" && style.pointerEvents !== "none";
  };
  const disabled = (element) => element.disabled || element.getAttribute("aria-disabled") === "true" || /(?:^|[\s_-])disabled(?:$|[\s_-])/i.test(element.getAttribute("class") || "");
  const words = (element) => T.text(element.innerText || element.value || element.textContent || "").replace(/[\s(:]*\+?\d*[)\s]*$/, "") || T.text(element.getAttribute("aria-label") || element.title || "");
  const leaves = (element) => {
    const link = element.closest("a[href]");
    if (!link) return false;
    const href = link.getAttribute("href");
    if (!href || href.startsWith("#") || /^javascript:/i.test(href) || T.IMAGE.test(href)) return false;
    try { const url = new URL(href, document.baseURI); return url.href.split("#")[0] !== location.href.split("#")[0]; } catch { return false; }
  };
  // A link that differs in its query only may be one that a script answers.
  const samePath = (element) => {
    const link = element.closest("a[href]");
    if (!link) return true;
    try { const url = new URL(link.href); return url.origin === location.origin && url.pathname === location.pathname; } catch { return false; }
  };
  // While we click, a link or a form must not replace the page.
  let exploring = false;
  document.addEventListener("click", (event) => {
    const link = exploring && event.target instanceof Element && event.target.closest("a[href]");
    if (link && !/^#|^javascript:/i.test(link.getAttribute("href") || "")) event.preventDefault();
  }, true);
  document.addEventListener("submit", (event) => { if (exploring) event.preventDefault(); }, true);
  // Nor a script: form.submit(), location = …, a download; nor may it open another window.
  if (window.navigation) window.navigation.addEventListener("navigate", (event) => { if (exploring && event.cancelable && !event.destination.sameDocument) event.preventDefault(); });
  const open = window.open;
  window.open = function (...given) { return exploring ? null : open.apply(this, given); };

  // "Next photo »" is read without its arrow.
  const bare = (text) => (/[\p{L}\p{N}]/u.test(text) ? text.replace(/^[^\p{L}\p{N}+]+|[^\p{L}\p{N})]+$/gu, "") : text);
  const speaks = (text) => { const said = bare(text); return MORE.test(said) || NEXT_LABEL.test(said) || MORE_THAN_SHOWN.test(said) ? "for itself" : GALLERY.test(said); }; // "9 photos" may be no control
  const controls = function* () {
    for (const element of T.elements(document)) if ((element.matches(CONTROLS) || (T.listening.has(element) && (element.title || element.ariaLabel)) || T.plain(element, speaks)) && visible(element)) yield element;
  };

  // Every address that the page has shown or asked for so far: how we see that something is new.
  // Beacons are sent as pictures, too: of an address that is not named as one, and that no element shows, the path counts.
  const onElements = new Set();
  const known = () => {
    for (const element of T.elements(document)) if (element.tagName === "IMG" && (element.currentSrc || element.src)) onElements.add(element.currentSrc || element.src);
    const found = new Set(onElements);
    for (const { initiatorType, name } of performance.getEntriesByType("resource")) {
      const path = name.split(/[?#]/)[0];
      if (initiatorType === "css") found.add(name);
      else if (initiatorType === "img") found.add(T.IMAGE.test(path) && !/\.gif$/i.test(path) ? name : path);
    }
    return found.size;
  };
  async function grown(before, ms, since = performance.now() - 20) {
    const end = performance.now() + ms;
    let waited = false; // for a timer
    for (;;) {
      if (known() > before) { if (waited) T.timersBring(true); return true; }
      const now = performance.now(), timer = now > end && !T.loading() && T.begun(since);
      waited = waited || timer;
      if (now > end + T.PATIENCE || (now > end && !T.loading() && !timer)) { if (waited) T.timersBring(false); return false; }
      await T.sleep(40);
    }
  }

  // ---- boxes with a scroll bar of their own, in both directions
  async function scrollBoxes(end) {
    const boxes = [...T.elements(document)].filter((element) => {
      if (element === T.scroller() || element === document.body || element.clientWidth < 150 || element.clientHeight < 100) return false;
      const down = element.scrollHeight > element.clientHeight + 40, across = element.scrollWidth > element.clientWidth + 40;
      if (!down && !across) return false;
      const style = getComputedStyle(element);
      return (down && /auto|scroll|overlay/.test(style.overflowY)) || (across && /auto|scroll|overlay/.test(style.overflowX));
    });
    let reached = true;
    for (const box of boxes.slice(0, 20)) {
      for (const [place, size, view] of [["scrollTop", "scrollHeight", "clientHeight"], ["scrollLeft", "scrollWidth", "clientWidth"]]) {
        for (let still = 0, began = performance.now(); still < 3;) {
          if (performance.now() > end) { reached = false; break; }
          const at = box[place], long = box[size], count = known(), start = performance.now();
          box[place] = at + Math.max(100, box[view] * 0.8);
          await T.quiet(800);
          const atEnd = box[place] <= at + 1;
          if (!atEnd) began = start;
          if (atEnd) { await T.sleep(120); if (T.loading() || T.begun(began, 1000)) await grown(count, 200, began); }
          still = atEnd && box[size] === long && known() === count ? still + 1 : 0;
        }
      }
      box.scrollTop = 0; box.scrollLeft = 0;
    }
    return reached;
  }

  const worn = new WeakSet(); // controls that bring nothing more
  const useful = new WeakSet(); // controls, or what is around a group of them, that brought something
  T.stubborn = [];
  // Whether a script answered for a link, or only something loaded meanwhile: a clock's picture, a beacon.
  const answered = new WeakSet();
  const heard = new WeakSet(); // handlers whose answer is looked at
  let taken = false; // a handler has told the browser not to follow the link
  document.addEventListener("click", (event) => {
    if (!exploring) return;
    let prevented = false; // by the page: some handlers leave a click alone that another one has answered
    event.preventDefault = () => { taken = prevented = true; Event.prototype.preventDefault.call(event); };
    Object.defineProperty(event, "defaultPrevented", { configurable: true, get: () => prevented });
    Object.defineProperty(event, "returnValue", { configurable: true, get: () => !prevented, set: (value) => { if (value === false) event.preventDefault(); } });
    for (const each of event.composedPath()) { // `onclick="next(); return false"` tells the browser, too
      const handler = each.onclick;
      if (typeof handler !== "function" || heard.has(handler)) continue;
      const told = function (...given) { const answer = handler.apply(this, given); if (answer === false && given[0] === event) event.preventDefault(); return answer; };
      heard.add(told);
      each.onclick = told; // for this click alone: the page may call it, and we read it
      setTimeout(() => { if (each.onclick === told) each.onclick = handler; });
    }
  }, true);
  const pictured = () => new Set([...T.elements(document)].filter((each) => each.tagName === "IMG" && (each.complete ? each.naturalWidth >= 50 : each.currentSrc || each.src)).map((each) => each.currentSrc || each.src));
  async function press(element, ms) {
    if (T.apart(element)) return false;
    const before = known(), shown = pictured(), link = element.closest("a[href]"), at = location.href;
    taken = !link || !!(element.onclick || link.onclick || (link.parentElement && link.parentElement.onclick));
    element.scrollIntoView({ block: "center", inline: "nearest" });
    const since = performance.now(), act = async () => {
      if (T.answering(element) === "press") T.pressOn(element);
      if (element.click) element.click(); else element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, composed: true })); // of an SVG
      const grew = await grown(before, ms, since);
      await T.quiet(1000);
      await T.arrive();
      return grew;
    };
    const more = T.unsure.has(element) ? await T.held(act, element) : await act(); // it may be a card that leads to another car
    if ((taken || location.href !== at) && [...pictured()].some((each) => !shown.has(each))) answered.add(element);
    return more || known() > before;
  }

  async function repeat(find, end, limit) {
    let clicks = 0, some = 0;
    for (;;) {
      const control = find();
      if (!control || clicks >= limit) return { clicks, useful: some, left: !!control };
      if (performance.now() > end) return { clicks, useful: some, left: true };
      let idle = 0, own = 0;
      const usable = () => control.isConnected && visible(control) && !disabled(control);
      // A control may be hidden while the next picture is loaded.
      while (clicks < limit && performance.now() < end && (usable() || (own && (await T.waitFor(usable, 1500))))) {
        clicks += 1;
        if (await press(control, 600)) { some += 1; own += 1; idle = 0; } else if ((idle += 1) >= (T.unsure.has(control) ? 2 : 3) || T.awayFrom.has(control)) break;
      }
      if (own) useful.add(control);
      if (!own && !T.stubborn.includes(control) && !T.awayFrom.has(control)) T.stubborn.push(control);
      if (performance.now() < end) worn.add(control);
    }
  }

  const saysMore = (each) => MORE.test(bare(words(each))) || (MORE_NAME.test(T.namesOf(each)) && !/\p{L}/u.test(each.textContent) && (T.answering(each) || each.matches("button")) && !T.doesElse(each) && !T.inForm(each));
  const findMore = () => { for (const each of controls()) if (!worn.has(each) && !disabled(each) && !each.closest(UNRELATED) && !leaves(each) && saysMore(each)) return each; return null; };
  const saysNext = (each) => {
    const named = NEXT_LABEL.test(bare(T.text(each.getAttribute("aria-label") || each.title || words(each)).replace(/\s*[([（].*$/, ""))), ofClass = T.namesOf(each);
    return ((named || NEXT_CLASS.test(ofClass)) && !/prev(?!ent)/i.test(ofClass)) || T.pointsOn(each);
  };
  const findNext = () => {
    for (const each of controls()) {
      if (worn.has(each) || disabled(each) || (leaves(each) && !samePath(each)) || each.closest("[class*='calendar' i],[class*='datepicker' i]")) continue;
      const box = each.getBoundingClientRect();
      if ((box.width > 260 && !(box.height <= 80 && T.answering(each) && NEXT_LABEL.test(bare(words(each))))) || box.width * box.height > 0.2 * innerWidth * innerHeight) continue;
      if (saysNext(each)) return each;
    }
    return null;
  };
  const findTabs = () => [...T.elements(document)].filter((each) =>
    each.matches("[role=tab]:not([aria-selected=true]),[data-toggle=tab],[data-bs-toggle=tab],[data-toggle=pill],[data-bs-toggle=pill],.tab-link,.tabs__item,.tab:not(.active),.nav-tabs a,summary") &&
    !worn.has(each) && visible(each) && !leaves(each) && !each.closest("footer, [role=menu]"));
  const findThumbs = () => {
    const groups = new Map();
    for (const element of T.elements(document)) {
      if (element.tagName !== "IMG" || !visible(element)) continue;
      const link = element.closest("a[href]"), numbered = link && T.nth(link.href);
      const target = numbered ? link : element.closest("button, [role=button], a[href^='#'], a:not([href]), [onclick], [class*='thumb' i]") || T.pressable(element);
      if (!target || worn.has(target) || (leaves(target) && !numbered) || element.getBoundingClientRect().width > 260 || target.closest(UNRELATED)) continue;
      let list = target.closest("ul, ol, [class*='thumb' i]:not(img):not(button), [role=list], [role=tablist]") || target.parentElement;
      while (list && list.parentElement && list.querySelectorAll("img").length < 2) list = T.parent(list); // <div class=thumb>
      if (!groups.has(list)) groups.set(list, []);
      groups.get(list).push(target);
    }
    return [...groups.values()].filter((each) => each.length >= 3).flat();
  };
  // "+7" over the last of a few pictures, or beside it; "+1" is a vote
  const MORE_THAN_SHOWN = /^\+\s?(?:[2-9]|[1-9]\d{1,2})(?:\s+(?:more|photos?|images?|pictures?|fotos?|bilder|weitere|mehr|de plus|más|altre|장|枚|张))?$/iu;
  const moreThanShown = (each) => MORE_THAN_SHOWN.test(T.text(each.innerText)) && !T.inForm(each) && !T.doesElse(each) && !T.declared(each) && !T.apart(each) && T.beside(each, T.pictures(), 60);
  const findGallery = () => { for (const each of controls()) if (!worn.has(each) && !leaves(each) && !each.closest("footer, form") && (GALLERY.test(words(each)) || moreThanShown(each))) return each; return null; };

  // Links around pictures to addresses that are not named as pictures, by kind: a lightbox may show what is there.
  const HINT = /media|image|img|photo|pic|asset|file|upload|download|render|view|galler|zoom|popup|modal|slide/i;
  const LEADS = /location|href|navigat|router|push|open\(|submit/i;
  const findLinked = () => {
    const kinds = new Map();
    for (const img of T.elements(document)) {
      const holder = img.tagName === "IMG" && visible(img) && img.closest("a[href], [data-src]:not(img), [data-href]");
      const url = holder && !holder.closest(UNRELATED) && T.absolute(holder.getAttribute("data-src") || holder.getAttribute("data-href") || holder.href || "");
      if (!url || url.split("#")[0] === location.href.split("#")[0] || T.IMAGE.test(url) || T.OTHER.test(url)) continue;
      const { origin, pathname, search } = new URL(url), names = `${holder.className} ${holder.parentElement ? holder.parentElement.className : ""} ${holder.getAttributeNames().join(" ")}`;
      if (!HINT.test(pathname + search) && !HINT.test(names) && !T.LIGHTBOX.test(names)) continue;
      const kind = `${holder.localName} ${holder.className} ${origin}${pathname.replace(/[^/]*\d[^/]*/g, "#")}`;
      kinds.set(kind, [...(kinds.get(kind) || []), { img, url }]);
    }
    return [...kinds.values()].filter((each) => each.length > 1);
  };
  // One listener for all pictures of a gallery is on what is around them.
  const ENLARGES = /galler|lightbox|zoom|enlarge/i;
  const delegates = (img, holder) => {
    const around = [...holder.querySelectorAll("*")].slice(0, 20);
    let heard = false;
    for (let at = T.parent(img); at && at !== document.body; at = T.parent(at)) {
      around.push(at);
      heard = heard || T.listening.has(at);
    }
    return heard && around.some((each) => ENLARGES.test(`${each.getAttribute("class")} ${each.id}`));
  };
  // Pictures and links that open a list: a large picture with a click of its own, or a link of a lightbox without one.
  const findLeads = () => [...T.elements(document)].filter((each) => {
    if (worn.has(each) || !visible(each) || each.closest(UNRELATED)) return false;
    if (each.tagName === "A") return !each.querySelector("img") && T.LIGHTBOX.test(`${each.className} ${each.getAttributeNames().join(" ")}`) && !T.OTHER.test(each.href);
    const box = each.getBoundingClientRect();
    if (each.tagName !== "IMG" || box.width < 120 || box.height < 80 || each.closest("a[href]")) return false;
    const around = each.parentElement; // null in a shadow root
    const holder = around && around.querySelectorAll("img").length === 1 ? around : each; // of the picture alone
    const own = each.onclick || holder.onclick, cursor = getComputedStyle(each).cursor;
    const opens = own ? !LEADS.test(String(own)) : T.listening.has(each) || T.listening.has(holder) || cursor === "zoom-in" || (cursor === "pointer" && (T.answering(each) || T.answering(holder) || delegates(each, holder)));
    return opens && !T.inForm(each) && !T.doesElse(each) && !T.apart(each);
  });
  const key = (name, code) => {
    for (const kind of ["keydown", "keyup"]) (document.activeElement || document.body).dispatchEvent(new KeyboardEvent(kind, { key: name, code: name, keyCode: code, which: code, bubbles: true }));
  };
  const escape = () => key("Escape", 27);
  // A dialog may open only when its picture has loaded: an Escape before that closes nothing.
  T.closeOpened = async (ms) => { if (await T.waitFor(T.openedSince, ms)) { T.noteInside(); escape(); if (!(await T.waitFor(() => !T.openedSince(), 600))) T.closeNative(); } };
  // What was opened is turned by its arrow; one without a name is left to the key.
  async function turnOver(end, opened) {
    const turned = await repeat(findNext, end, MOST_CLICKS);
    if (!turned.useful) await T.turnByKey(tools, end, opened);
  }
  // Tabs and choices of a dialog that was opened, before it is closed.
  async function insideDialogs(end) {
    for (const dialog of T.openDialogs()) {
      for (const tab of findTabs().filter((each) => dialog.contains(each) && !T.apart(each)).slice(0, MOST_TABS)) {
        if (performance.now() > end) return;
        worn.add(tab);
        await press(tab, 300);
        await repeat(findNext, end, MOST_CLICKS);
      }
      const chosen = await T.choose(tools, end);
      inDialogs.gained += chosen.gained;
      for (const each of chosen.limits) inDialogs.limits.add(each);
    }
  }
  async function openPictures(end) {
    for (const links of findLinked().slice(0, 6)) {
      if (performance.now() > end) return;
      await press(links[0].img, 600);
      const came = performance.getEntriesByName(links[0].url).some((each) => each.initiatorType !== "navigation") || [...T.elements(document)].some((each) => each.tagName === "IMG" && each.currentSrc === links[0].url && each.naturalWidth);
      if (came) for (const { img, url } of links) T.opens.set(img, [url]);
      await T.closeOpened(came ? 600 : 0);
      escape();
    }
    let idle = 0;
    for (const lead of findLeads().slice(0, MOST_THUMBS)) { // the first may open a list, or each its own picture
      if (performance.now() > end || idle >= 2) return;
      worn.add(lead);
      const first = lead.currentSrc;
      idle = (await press(lead, 600)) ? 0 : idle + 1;
      // Each click on some pictures shows the next one in their place.
      for (let count = 1; !idle && first && lead.currentSrc !== first && count < MOST_CLICKS && performance.now() < end && (await press(lead, 600)); count += 1);
      if (!idle) { await turnOver(end, true); await insideDialogs(end); }
      escape();
    }
  }

  const inDialogs = { gained: 0, limits: new Set() };
  const unopened = new Set(); // controls that should have shown more pictures
  const tools = { visible, disabled, leaves, samePath, worn, begun: new WeakSet(), useful, press, known, grown, LEADS };
  // One call takes at most `seconds`; returns what is left to do, so that it can be called again.
  T.explore = async ({ seconds }) => {
    const end = T.until = performance.now() + seconds * 1000;
    const limits = [];
    exploring = true;
    try {
      const before = known();
      T.exploringBegins();
      inDialogs.gained = 0; inDialogs.limits.clear();
      for (const each of document.querySelectorAll("details:not([open])")) each.open = true;
      if (!(await scrollBoxes(end))) limits.push("a box that scrolls has more than could be seen in the time");
      const more = await repeat(findMore, end, MOST_CLICKS);
      if (more.left && more.useful) limits.push(`after ${more.clicks} clicks there is still a button for more`);
      for (const tab of findTabs().slice(0, MOST_TABS)) {
        if (performance.now() > end) { limits.push("not every tab was opened in the time"); break; }
        worn.add(tab);
        await press(tab, 300);
        await scrollBoxes(end);
        await repeat(findMore, end, MOST_CLICKS);
      }
      const next = await repeat(findNext, end, MOST_CLICKS);
      if (next.left && next.useful) limits.push(`after ${next.clicks} clicks there is still a next picture`);
      const chosen = await T.choose(tools, end);
      limits.push(...chosen.limits);
      let idle = 0;
      for (const thumb of findThumbs().slice(0, MOST_THUMBS)) {
        if (performance.now() > end || idle >= 4) break;
        worn.add(thumb);
        idle = (await press(thumb, 250)) ? 0 : idle + 1;
      }
      for (let gallery = findGallery(), count = 0; gallery && count < 5 && performance.now() < end; gallery = findGallery(), count += 1) {
        worn.add(gallery);
        const opened = await press(gallery, 600);
        if (T.awayFrom.has(gallery)) T.galleries.set(T.awayFrom.get(gallery), T.text(gallery.innerText));
        await turnOver(end, opened);
        if (opened) await insideDialogs(end);
        if (!opened && !T.awayFrom.has(gallery)) { T.stubborn.push(gallery); if (moreThanShown(gallery)) unopened.add(gallery); }
        escape();
      }
      await openPictures(end);
      await T.gesture(tools, end);
      limits.push(...inDialogs.limits);
      if (T.hurried) limits.push(`${T.hurried} pictures took more than ${T.PATIENCE / 1000} s each, or than was left`);
      const gained = chosen.gained + inDialogs.gained;
      return { fresh: known() - before, gained, untried: chosen.limits.length + inDialogs.limits.size > 0, limits, late: performance.now() > end, stubborn: T.stubborn.length };
    } finally { exploring = false; }
  };

  // Pictures that one element shows in turn, by a clock: wait until the first comes again.
  T.watch = async ({ seconds }) => {
    const end = performance.now() + seconds * 1000;
    const first = document.querySelector(SLIDES) ? 0 : T.clocks.first();
    if (first) await T.sleep(Math.min(first + 700, end - performance.now()));
    for (let count = known(); T.clocks.period();) {
      const until = performance.now() + T.clocks.period() + 1200;
      const arriving = () => [...T.ofDocument("images")].some((each) => each.currentSrc && !each.complete);
      while (known() <= count && performance.now() < Math.min(arriving() ? until + T.PATIENCE : until, end)) await T.sleep(100);
      if (known() <= count) return performance.now() > end && until > end ? "not every picture that the page shows in turn came in the time" : "";
      count = known();
    }
    return "";
  };

  T.guard = (on) => { exploring = on; };

  const OPINIONS = ["review", "rating", "comment"].flatMap((each) => [`[class*='${each}' i]`, `[id*='${each}' i]`]).join(",");
  const SLIDES = "[aria-roledescription=slide],.swiper-slide:not(.swiper-slide-duplicate),swiper-slide,.splide__slide:not(.splide__slide--clone),.slick-slide:not(.slick-cloned),.carousel-item,.owl-item:not(.cloned),.glide__slide:not(.glide__slide--clone),.flickity-slider > *,.keen-slider__slide,.embla__slide";
  T.heard.everywhere = false; // so far only we have listened
  T.ofBehaviours = { visible, disabled, leaves, known, grown, worn, unopened, OPINIONS, SLIDES }; // for announced.js and stubborn.js
  const PAGER = /[Pp]aginat|(?<![a-z])pager(?![a-z])|Pager(?![a-z])/;
  const pagerOf = (link) => {
    for (let at = link; at; at = T.parent(at)) if (PAGER.test(`${at.getAttribute("class") || ""} ${at.getAttribute("aria-label") || ""}`)) return at;
    return null;
  };
  const ASIDE = `${OPINIONS}, [class*='post-nav' i]`; // of other articles, and of what people say
  // A path without the number of a page: /cars/, /cars/2, /cars/page/2 and /cars-2.html are of one list.
  const listPath = (path) => path.replace(/\.\w+$/, "").replace(/(?:[/_-](?:page|seite|pagina|p))?[/_-]?\d{1,4}\/?$/i, "").replace(/\/(?:index)?$/, "");
  const wordless = (path) => listPath(path.replace(/\.\w+$/, "").replace(/[/_-]\p{L}+[/_-]\d{1,4}\/?$/u, "")); // /cars/strona/2
  const sameList = (link, anyWord) => { // rel=next also leads to the next article, or to another site
    try {
      const url = new URL(link.href), path = decodeURI(url.pathname), here = decodeURI(location.pathname), host = (name) => name.replace(/^www\./, "");
      if (host(url.host) !== host(location.host) || path + url.search === here + location.search) return false;
      return listPath(path) === listPath(here) || (!!anyWord && wordless(path) === listPath(here));
    } catch { return false; }
  };
  const isAnswered = (at) => useful.has(at) && (answered.has(at) || [...at.querySelectorAll("*")].some((each) => answered.has(each)));
  const leadsOn = (link) => {
    const pager = pagerOf(link), nearest = link.closest("ul, ol, nav"), list = nearest && pager.contains(nearest) ? nearest : pager, word = T.text(link.textContent) || T.text(link.getAttribute("aria-label"));
    for (let at = link, depth = 0; at && depth < 4; at = T.parent(at), depth += 1) if (isAnswered(at)) return false; // by a script
    if (!visible(link) || !sameList(link)) return false;
    const here = list.querySelector("[aria-current]:not([aria-current=false]), [class*='active' i], [class*='current' i]");
    return /^\d{1,3}$/.test(word) ? +word > (parseInt(here ? here.textContent : "1", 10) || 1) : NEXT_LABEL.test(word) && !disabled(link);
  };
  // Elements that wait for an address, and pagination that leads to other pages.
  T.unfinished = () => {
    const bare = [...T.elements(document)].filter((each) => each.tagName === "IMG" && !each.getAttribute("src") && !each.srcset && !each.currentSrc && ![...each.attributes].some(({ name }) => /^data-.*src/i.test(name)) && !each.closest("picture, [class*='clone' i], [class*='duplicate' i]") && each.width * each.height > 10000).length;
    const elsewhere = (each) => typeof each.href === "string" && T.absolute(each.href) && each.href.split("#")[0] !== location.href.split("#")[0] && !each.closest(ASIDE);
    const next = [...document.querySelectorAll("a[rel~=next][href], link[rel~=next][href]")].find((each) => elsewhere(each) && sameList(each, true) && !isAnswered(each)) || [...document.querySelectorAll("a[href]")].filter((each) => elsewhere(each) && pagerOf(each)).find(leadsOn);
    // Each picture at an address of its own: by a script all of them, or else by the server.
    const size = Math.max(0, ...[...T.ofDocument("images")].map((each) => each.naturalWidth));
    const numbered = [...document.querySelectorAll("a[href]")].filter((each) => T.nth(each.href) && !each.closest(ASIDE));
    const byScript = numbered.some((each) => answered.has(each) || [...each.querySelectorAll("*")].some((inside) => answered.has(inside)));
    const served = byScript ? null : numbered.find((each) => (each.querySelector("img") || each.relList.contains("next") || saysNext(each)) && ![...each.querySelectorAll("img")].some((img) => img.naturalWidth && img.naturalWidth >= size));
    return { bare, left: T.leftOut(), next: (next || served || { href: "" }).href };
  };
})();
