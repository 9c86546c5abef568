// Runs in every document before the page's own scripts; everything is under one hidden name.
(() => {
  "use strict";
  const NAME = "__bodyshop";
  if (window[NAME]) return;

  const IMAGE = /\.(jpe?g|jfif|png|webp|gif|avif|bmp|tiff?)(?:$|[?#&])/i;
  const FULL = /^data-(?:full|zoom|orig|large|big|hi-?res|high|max|master|image-?full|src-?full|src-?large|src-?zoom)/i;
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const frame = () =>
    new Promise((done) => {
      const timer = setTimeout(done, 250); // a hidden document is not painted
      requestAnimationFrame(() => { clearTimeout(timer); done(); });
    });
  const absolute = (value) => {
    try {
      const url = new URL(value, document.baseURI);
      return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
    } catch { return null; }
  };
  const text = (value) => (value || "").replace(/\s+/g, " ").trim().slice(0, 500);

  // ---- dialogs would wait for an answer, and pop-ups are not needed
  for (const [name, answer] of [["alert", undefined], ["confirm", false], ["prompt", null], ["print", undefined], ["open", null]])
    Object.defineProperty(window, name, { value: () => answer, configurable: true, writable: true });
  window.addEventListener("beforeunload", (event) => event.stopImmediatePropagation(), true);

  // ---- requests of the page's scripts: a list that waits for one is not complete
  const PATIENCE = 5000; // longest wait for one request, such as a long poll
  const underWay = new Map();
  const track = (promise) => {
    const id = {};
    underWay.set(id, performance.now());
    const over = () => setTimeout(() => underWay.delete(id), 50); // time to add its result to the page
    promise.then(over, over);
    return promise;
  };
  const loading = () => {
    const since = performance.now() - PATIENCE;
    return [...underWay.values()].some((start) => start > since);
  };
  const realFetch = window.fetch;
  window.fetch = function (...given) { return track(realFetch.apply(this, given)); };
  for (const name of ["json", "text", "arrayBuffer", "blob", "formData"]) {
    const read = Response.prototype[name];
    Response.prototype[name] = function () { return track(read.call(this)); };
  }
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...given) {
    track(new Promise((done) => this.addEventListener("loadend", done)));
    return send.apply(this, given);
  };

  // ---- what each <img> has shown so far, with its natural size
  const history = new WeakMap();
  const remember = (img) => {
    const url = absolute(img.currentSrc || img.src || "");
    if (!url || !img.naturalWidth) return;
    let seen = history.get(img);
    if (!seen) history.set(img, (seen = new Map()));
    seen.set(url, [img.naturalWidth, img.naturalHeight]);
  };
  document.addEventListener("load", (event) => {
    if (event.target instanceof HTMLImageElement) remember(event.target);
  }, true);

  // ---- a WebGL canvas can only be read after painting if its buffer is preserved
  const getContext = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    if (/webgl/i.test(kind)) options = { ...(options || {}), preserveDrawingBuffer: true };
    return getContext.call(this, kind, options);
  };

  // ---- all elements, through open shadow roots and frames of the same origin
  function* elements(root) {
    for (const element of root.querySelectorAll("*")) {
      yield element;
      if (element.shadowRoot) yield* elements(element.shadowRoot);
      if (element instanceof HTMLIFrameElement) {
        let inner = null;
        try { inner = element.contentDocument; } catch { inner = null; } // another origin
        if (inner && inner.body) yield* elements(inner);
      }
    }
  }

  // ---- the CSS path of an element; " >>> " leads into a shadow root or a frame
  function place(element) {
    const tag = CSS.escape(element.localName);
    const same = (other) => other.localName === element.localName;
    let before = 0, after = element.nextElementSibling;
    for (let other = element.previousElementSibling; other; other = other.previousElementSibling) if (same(other)) before += 1;
    while (after && !same(after)) after = after.nextElementSibling;
    return before || after ? `${tag}:nth-of-type(${before + 1})` : tag;
  }
  function path(element) {
    const scopes = [];
    let steps = [], at = element;
    try {
      for (let depth = 0; at && depth < 200; depth += 1) { // a form's field may be named parentElement
        const root = at.getRootNode(), id = at.id && `#${CSS.escape(at.id)}`;
        const unique = id && root.querySelectorAll(id).length === 1;
        steps.unshift(unique ? id : place(at));
        if (!unique && at.parentElement) { at = at.parentElement; continue; }
        scopes.unshift(steps.join(" > "));
        steps = [];
        at = root.nodeType === 11 ? root.host : root.nodeType === 9 && root.defaultView && root.defaultView.frameElement;
      }
    } catch { return ""; }
    return text(scopes.join(" >>> "));
  }

  const UNSEEN = new Set(["SCRIPT", "STYLE", "META", "LINK", "HEAD", "TITLE", "BR", "TEMPLATE"]);

  function cssUrls(value) {
    // url("…"), url('…'), url(…); of an image-set every member, best resolution first
    const found = [];
    const pattern = /url\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^)\s]*))\s*\)\s*(?:type\([^)]*\)\s*)?([\d.]+)?(x|dppx|dpi)?/g;
    for (const match of value.matchAll(pattern)) {
      const url = absolute((match[1] ?? match[2] ?? match[3] ?? "").replace(/\\(.)/g, "$1"));
      const scale = parseFloat(match[4] || "1") / (match[5] === "dpi" ? 96 : 1);
      if (url) found.push({ url, scale });
    }
    return found;
  }

  function caption(element) {
    const figure = element.closest && element.closest("figure");
    const words = figure && figure.querySelector("figcaption");
    return text(words ? words.textContent : "");
  }

  function urlCandidatesOf(img, srcsets) {
    const candidates = [];
    const add = (name, value) => {
      const url = value && absolute(value);
      if (url && !candidates.some((known) => known.url === url)) candidates.push({ name, url });
    };
    const link = img.closest && img.closest("a[href]");
    if (link && IMAGE.test(link.href)) add("parent_link", link.href);
    const holders = [img, link].filter(Boolean);
    for (const holder of holders)
      for (const { name, value } of holder.attributes)
        if (FULL.test(name) && !/srcset/i.test(name) && /[./]/.test(value)) add("data_full", value);
    for (const value of [img.getAttribute("srcset"), img.getAttribute("data-srcset"), img.getAttribute("data-lazy-srcset")])
      if (value) srcsets.push({ value, type: "" });
    const picture = img.parentElement && img.parentElement.tagName === "PICTURE" ? img.parentElement : null;
    if (picture)
      for (const source of picture.querySelectorAll("source"))
        for (const value of [source.getAttribute("srcset"), source.getAttribute("data-srcset")])
          if (value) srcsets.push({ value, type: source.type || "" });
    const rest = [];
    const later = (name, value) => { const url = value && absolute(value); if (url) rest.push({ name, url }); };
    for (const { name, value } of img.attributes)
      if (name.startsWith("data-") && !FULL.test(name) && !/srcset/i.test(name) && IMAGE.test(value) && !/[\s{]/.test(value.trim()))
        later("data_src", value);
    later("current_src", img.currentSrc);
    later("src", img.getAttribute("src"));
    return { candidates, rest };
  }

  function itemOf(img) {
    const srcsets = [];
    const { candidates, rest } = urlCandidatesOf(img, srcsets);
    const seen = [...(history.get(img) || new Map())].map(([url, size]) => ({ url, size }));
    return {
      kind: "img", url_candidates: candidates, srcsets, rest, seen, base: document.baseURI,
      shown: img.naturalWidth ? [img.naturalWidth, img.naturalHeight] : null,
      alt: text(img.alt), caption: caption(img), selector: path(img),
    };
  }

  function simple(kind, candidates, element, more) {
    return { kind, url_candidates: candidates, srcsets: [], rest: [], seen: [], base: document.baseURI, shown: null, alt: "", caption: "", selector: path(element), ...more };
  }

  // ---- pictures of a list that removes elements after they were scrolled past
  const gone = new Map();
  new MutationObserver((records) => {
    for (const { removedNodes, target } of records)
      for (const node of removedNodes) {
        if (!(node instanceof Element)) continue;
        for (const img of node.tagName === "IMG" ? [node] : node.querySelectorAll("img")) {
          const url = absolute(img.currentSrc || img.src || "");
          if (!url || gone.size >= 5000) continue;
          remember(img);
          gone.set(url, { ...itemOf(img), selector: text(`${path(target)} img`) });
        }
      }
  }).observe(document, { childList: true, subtree: true });

  const measured = new Map(); // url of a CSS background -> natural size, from the browser's own cache
  async function measure(url) {
    if (measured.has(url)) return measured.get(url);
    const image = new Image();
    const done = new Promise((ok) => { image.onload = ok; image.onerror = ok; });
    image.src = url;
    await Promise.race([done, sleep(2000)]);
    const size = image.naturalWidth ? [image.naturalWidth, image.naturalHeight] : null;
    measured.set(url, size);
    return size;
  }

  async function collect(max) {
    const items = [];
    const backgrounds = new Map();
    for (const element of elements(document)) {
      if (items.length >= max) break;
      if (UNSEEN.has(element.tagName)) continue;
      if (element.tagName === "IMG") { remember(element); items.push(itemOf(element)); continue; }
      if (element.tagName === "NOSCRIPT") {
        const inner = new DOMParser().parseFromString(element.textContent || "", "text/html");
        for (const img of inner.querySelectorAll("img")) items.push({ ...itemOf(img), kind: "noscript", shown: null, selector: path(element) });
        continue;
      }
      if (element.tagName === "VIDEO" && element.poster) {
        const url = absolute(element.poster);
        if (url) items.push(simple("poster", [{ name: "poster", url }], element));
      }
      if (element.tagName === "A" && element.href && IMAGE.test(element.href) && !element.querySelector("img")) {
        const url = absolute(element.href);
        if (url) items.push(simple("link", [{ name: "linked", url }], element, { alt: text(element.textContent) }));
      }
      if (element.tagName === "image") {
        const url = absolute(element.getAttribute("href") || element.getAttributeNS("http://www.w3.org/1999/xlink", "href") || "");
        if (url && IMAGE.test(url)) items.push(simple("svg", [{ name: "svg_image", url }], element));
      }
      for (const pseudo of [null, "::before", "::after"]) {
        const style = getComputedStyle(element, pseudo);
        const value = style.backgroundImage;
        if (!value || value === "none" || !value.includes("url(")) continue;
        const urls = cssUrls(value).sort((a, b) => b.scale - a.scale);
        if (urls.length) backgrounds.set(urls[0].url, { urls, element, alt: text(element.getAttribute("aria-label") || element.title) });
      }
      for (const { name, value } of element.attributes)
        if (name.startsWith("data-") && IMAGE.test(value) && !/[\s{]/.test(value.trim()) && value.length < 2000) {
          const url = absolute(value.replace(/^url\(["']?|["']?\)$/g, ""));
          if (url && !element.hasAttribute("data-folder")) items.push(simple("data", [{ name: "data_src", url }], element, { alt: text(element.getAttribute("aria-label")) }));
        }
    }
    for (const item of gone.values()) if (items.length < max) items.push(item);
    await Promise.all([...backgrounds].map(async ([url, { urls, element, alt }]) => {
      items.push(simple("css", urls.map((each) => ({ name: "css", url: each.url })), element, { shown: await measure(url), alt }));
    }));
    const metas = [...document.querySelectorAll("meta[name],meta[property]")]
      .map((meta) => [meta.getAttribute("name") || meta.getAttribute("property"), meta.content || "", meta]);
    for (const [name, content, meta] of metas)
      if (/^(og:image(:secure_url|:url)?|twitter:image(:src)?)$/i.test(name) && absolute(content))
        items.push(simple("og", [{ name: "og_image", url: absolute(content) }], meta));
    for (const link of document.querySelectorAll("link[rel~=image_src][href]"))
      if (absolute(link.href)) items.push(simple("og", [{ name: "og_image", url: absolute(link.href) }], link));
    const ld = [...document.querySelectorAll('script[type="application/ld+json"]')].map((script) => script.textContent);
    const licence = document.querySelector("link[rel~=license][href],a[rel~=license][href]");
    return {
      items, ld, title: text(document.title), licence: licence ? licence.href : "",
      resources: performance.getEntriesByType("resource").filter((entry) => entry.initiatorType === "img").length,
    };
  }

  // ---- scrolling a growing page: small steps, waiting for conditions instead of fixed times
  const pendingInView = () => {
    let count = 0;
    for (const img of document.images) {
      if (img.complete) continue;
      const box = img.getBoundingClientRect();
      if (box.bottom > -200 && box.top < innerHeight + 200) count += 1;
    }
    return count;
  };
  async function quiet(settle) {
    await frame(); await frame(); // IntersectionObservers report after a frame
    const end = performance.now() + settle;
    while (pendingInView() && performance.now() < end) await sleep(15);
  }
  const scroller = () => document.scrollingElement || document.documentElement;
  // Repeated requests of scripts do not count, only changes of the page.
  const POLLS = new Set(["fetch", "xmlhttprequest", "beacon", "script", "link", "iframe"]);
  const pictures = () => performance.getEntriesByType("resource").filter((entry) => !POLLS.has(entry.initiatorType)).length;
  const weight = () => `${scroller().scrollHeight}/${document.images.length}/${pictures()}`;

  async function scroll({ step, settle, quietRounds, seconds, maxItems }) {
    for (const root of [document.documentElement, document.body])
      if (root && getComputedStyle(root).overflowY === "hidden") root.style.setProperty("overflow-y", "auto", "important");
    for (const img of document.querySelectorAll('img[loading="lazy"]')) img.loading = "eager";
    performance.setResourceTimingBufferSize(20000);
    const end = performance.now() + seconds * 1000;
    let still = 0, last = weight(), rounds = 0, stopped = "quiet", since = performance.now();
    while (still < quietRounds) {
      if (performance.now() > end) { stopped = "time"; break; }
      if (document.images.length > maxItems) { stopped = "items"; break; }
      const top = scroller().scrollTop;
      window.scrollBy(0, Math.max(200, innerHeight * step));
      await quiet(settle);
      rounds += 1;
      const atEnd = scroller().scrollTop <= top + 1;
      if (atEnd) await sleep(Math.min(settle, 120));
      const now = weight();
      if (!atEnd || now !== last) since = performance.now();
      const waits = loading() && performance.now() - since < PATIENCE;
      still = atEnd && now === last && !waits ? still + 1 : 0;
      last = now;
    }
    window.scrollTo(0, 0);
    return { rounds, stopped };
  }

  // ---- cookie banners: the button with the least consent
  const REFUSE = [
    "#onetrust-reject-all-handler", ".ot-pc-refuse-all-handler", "#CybotCookiebotDialogBodyButtonDecline",
    "[data-testid=uc-deny-all-button]", "#didomi-notice-disagree-button", ".cmpboxbtnno", "#truste-consent-required",
    ".fc-cta-do-not-consent", "[data-cookiefirst-action=reject]", ".cky-btn-reject", "[data-consent=reject]",
  ];
  const WORDS = /^(reject( all)?( cookies)?|decline( all)?|refuse( all)?|deny( all)?|(only )?(strictly )?necessary( cookies)?( only)?|use necessary cookies only|모두 거부|거부|거절|필수(만| 쿠키만)? ?(허용|동의|사용)?|alle ablehnen|ablehnen|nur notwendige.*|tout refuser|refuser|rechazar( todo)?|rifiuta( tutto)?)$/i;
  function consent(own) {
    for (const selector of [...(own || []), ...REFUSE])
      for (const button of document.querySelectorAll(selector))
        if (button.getClientRects().length) { button.click(); return selector; }
    for (const box of document.querySelectorAll('[id*="cookie" i],[class*="cookie" i],[id*="consent" i],[class*="consent" i],[role="dialog"]'))
      for (const button of box.querySelectorAll("button,a[role=button],input[type=button]"))
        if (button.getClientRects().length && WORDS.test(text(button.textContent || button.value))) { button.click(); return "words"; }
    return "";
  }

  const first = (selectors, root) => {
    for (const selector of selectors) { const hit = (root || document).querySelector(selector); if (hit) return hit; }
    return null;
  };
  const all = (selectors) => {
    for (const selector of selectors) { const hits = [...document.querySelectorAll(selector)]; if (hits.length) return { hits, selector }; }
    return { hits: [], selector: "" };
  };

  const visible = (selectors) => selectors.some((selector) => [...document.querySelectorAll(selector)].some((each) => each.getClientRects().length));

  async function waitFor(test, ms) {
    const end = performance.now() + ms;
    for (;;) {
      const value = test();
      if (value) return value;
      if (performance.now() > end) return null;
      await sleep(10);
    }
  }

  Object.defineProperty(window, NAME, {
    enumerable: false,
    value: { IMAGE, absolute, text, sleep, frame, quiet, collect, scroll, consent, path, first, all, waitFor, weight, scroller, elements, visible, loading, PATIENCE },
  });
})();
