// Runs in every document before the page's own scripts; everything is under one hidden name.
(() => {
  "use strict";
  const NAME = "__bodyshop"; if (window[NAME]) return;
  const { pause, loading, PATIENCE, dueTimers, begun, timersBring, clocks } = window.__bodyshopPending; // from pending.js

  const IMAGE = /\.(jpe?g|jfif|png|webp|gif|avif|bmp|tiff?|jp2|jxl)(?:$|[?#&])/i;
  const OTHER = /\.(?:svgz?|html?|php|aspx?|jsp|m?js|css|json|xml|pdf|mp4|webm|mov|m3u8|mp3|zip|glb|gltf|usdz|woff2?)(?:$|[?#])/i;
  const NOT_THE_PICTURE = /icon|logo|avatar|placeholder|sprite|loader|spinner|toggle|title|flag/i;
  const SMALL_COPY = /^(?!.*(?:large|big|full|zoom|orig|high|hd|max)).*(?:thumb|tiny|lqip|blur|low-?(?:res|src|quality))/i; // "preview" may be large
  const isPhoto = (img) => img.naturalWidth >= 200 && img.naturalHeight >= 150; // than which a thumbnail is smaller
  const FULL = /^data-(?:full|zoom|orig|large|big|hi-?res|high|max|master|retina|hi-?dpi|2x|(?:image|src)-?(?:full|large|zoom|retina|hi-?dpi|2x))/i;
  const LARGER = /-?(?:hi-?dpi|retina|hi-?res|[23]x|large|full|hd|desktop)$/i, SMALLER = /-?(?:small|mobile|tablet|thumb|preview|low-?res)$/i;
  const LAZY = /^data-(?:lazy|src|original|ll-|bg|background)/i;
  const WIDTH = /^data-[\w-]*?(\d{3,4})w?$/i /* data-at-1920 */, LIGHTBOX = /lightbox|fancybox|colorbox|cboxelement|prettyphoto|magnific|venobox|spotlight|luminous|swipebox|featherlight/i, GALLERY = /gallery|zoom/i;
  const sleep = (ms) => new Promise((done) => pause(done, ms));
  const frame = () =>
    new Promise((done) => {
      const timer = pause(done, 250); // a hidden document is not painted
      requestAnimationFrame(() => { clearTimeout(timer); done(); });
    });
  const absolute = (value) => {
    try {
      const url = new URL(value, document.baseURI);
      return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
    } catch { return null; }
  };
  // The address of a picture in an attribute, of "small.jpg|large.jpg" the last: "1.5", "Click to zoom / enlarge" and JSON are none.
  const pictureAddress = (value, anyExtension) => {
    const address = value.split("|").pop().trim().replace(/^url\(["']?|["']?\)$/g, "");
    if (!address || address.length > 2000 || /[{}<>\n]/.test(address) || OTHER.test(address)) return null;
    if (/\s/.test(address) && !/^(?:https?:)?\/[^,]*\.\w{3,4}$/i.test(address)) return null;
    if (!IMAGE.test(address) && !(anyExtension && /^(?:(?:https?:)?\/\/|\.{0,2}\/)[^/]/i.test(address))) return null;
    return absolute(address);
  };
  const text = (value) => String(value || "").replace(/\s+/g, " ").trim().slice(0, 500);

  let changedAt = performance.now();
  const touch = (records) => {
    if (records.some((each) => [...each.addedNodes].some((node) => node.nodeType === 1))) changedAt = performance.now();
  };

  // ---- shadow roots, also closed ones
  const roots = new WeakMap();
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (options) {
    const root = attach.call(this, options);
    roots.set(this, root);
    new MutationObserver(touch).observe(root, { childList: true, subtree: true });
    return root;
  };
  const shadow = (element) => element.shadowRoot || roots.get(element) || null;

  // ---- elements that scripts wait for clicks on
  const heard = { hover: new WeakSet(), swipe: new WeakSet(), click: new WeakSet(), press: new WeakSet(), everywhere: false, keys: false, keyed: new WeakSet() };
  const listening = new WeakSet(), listen = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (kind, ...given) {
    if ((kind === "click" || kind === "pointerdown") && this instanceof Element) listening.add(this);
    if (/^(?:mouse|pointer)(?:over|enter)$/.test(kind) && this instanceof Element) heard.hover.add(this);
    if (/^(?:pointerdown|mousedown|touchstart)$/.test(kind) && this instanceof Element) heard.swipe.add(this);
    if (/^(?:click|(?:mouse|pointer)(?:down|up)|touch(?:start|end))$/.test(kind)) {
      if (this instanceof Element) (kind === "click" ? heard.click : heard.press).add(this);
      else heard.everywhere ||= kind === "click" && (this === document || this === window);
    }
    if (kind === "keydown" || kind === "keyup") { heard.keys = true; if (this instanceof Element) heard.keyed.add(this); }
    return listen.call(this, kind, ...given);
  };

  // ---- what each <img> has shown so far, with its natural size
  const strange = new Set(); // addresses that came when the page became another one
  const history = new WeakMap(), opens = new WeakMap(); // and what else may show it: a click, a removed attribute
  const remember = (img) => {
    const url = absolute(img.currentSrc || img.src || "");
    if (!url || !img.naturalWidth) return;
    let seen = history.get(img);
    if (!seen) history.set(img, (seen = new Map()));
    else if (!seen.has(url)) clocks.swapped();
    seen.set(url, [img.naturalWidth, img.naturalHeight]);
  };
  document.addEventListener("load", (event) => {
    if (event.target instanceof HTMLImageElement) remember(event.target);
  }, true);

  // ---- a WebGL canvas can only be read after painting if its buffer is preserved
  const getContext = HTMLCanvasElement.prototype.getContext;
  const webgl = new WeakSet();
  HTMLCanvasElement.prototype.getContext = function (kind, options) {
    if (/webgl/i.test(kind)) options = { ...(options || {}), preserveDrawingBuffer: true };
    const context = getContext.call(this, kind, options);
    if (context && /webgl/i.test(kind)) webgl.add(this);
    return context;
  };

  // A picture named "images" or "title" takes the place of `document.images` or `document.title`.
  const ofDocument = (name) => Object.getOwnPropertyDescriptor(Document.prototype, name).get.call(document);
  const parentOf = Object.getOwnPropertyDescriptor(Node.prototype, "parentElement").get, parent = (element) => parentOf.call(element); // as above

  // ---- all elements, through open shadow roots and frames of the same origin
  const TAKEN = ["style", "attributes", "matches", "closest", "getAttribute"]; // a form whose field is named so is no use
  function* elements(root) {
    for (const element of root.querySelectorAll("*")) {
      if (element.localName !== "form" || !TAKEN.some((name) => /Element\]$|NodeList/.test(Object.prototype.toString.call(element[name])))) yield element;
      const inside = shadow(element);
      if (inside) yield* elements(inside);
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
    const link = img.closest && img.closest("a");
    const holders = [img, link].filter(Boolean);
    const marks = link ? `${link.rel} ${link.getAttributeNames().filter((name) => name.startsWith("data-")).join(" ")}` : "";
    const sized = holders.flatMap((each) => [...each.attributes]).map(({ name, value }) => [+(WIDTH.exec(name) || [])[1], pictureAddress(value, false)]).filter(([width, url]) => width && url);
    const sizes = sized.map(([, url]) => url), listed = [link && link.href, img.currentSrc, absolute(img.getAttribute("src") || "")].some((url) => sizes.includes(url));
    if (listed) srcsets.push({ value: sized.map(([width, url]) => `${url} ${width}w`).join(", "), type: "" }); // sizes of what the element shows
    if (link && IMAGE.test(link.href)) { if (!sizes.includes(link.href)) add("parent_link", link.href); }
    else if (link && (LIGHTBOX.test(`${link.className} ${marks}`) || GALLERY.test(marks)) && !OTHER.test(link.href) && absolute(link.href)) candidates.push({ name: "parent_link", url: link.href, unproven: true });
    for (const url of opens.get(img) || []) if (![...candidates.map((each) => each.url), img.currentSrc, img.src].includes(url)) candidates.push({ name: "data_full", url, unproven: true });
    if (sized.length && !listed) candidates.push({ name: "data_full", url: sized.sort((a, b) => b[0] - a[0])[0][1], unproven: true });
    for (const holder of holders)
      for (const { name, value } of holder.attributes)
        if (FULL.test(name) && !/srcset/i.test(name) && !NOT_THE_PICTURE.test(name)) add("data_full", pictureAddress(value, true));
    for (const { name, value } of img.attributes)
      if (value && /^(?:data-[\w-]*)?srcset$/i.test(name)) srcsets.push({ value, type: "" });
    const picture = img.parentElement && img.parentElement.tagName === "PICTURE" ? img.parentElement : null;
    if (picture)
      for (const source of picture.querySelectorAll("source"))
        for (const value of [source.getAttribute("srcset"), source.getAttribute("data-srcset")])
          if (value) srcsets.push({ value, type: source.type || "" });
    const rest = [];
    const later = (name, value) => { const url = value && absolute(value); if (url) rest.push({ name, url }); };
    for (const holder of holders)
      for (const { name, value } of holder.attributes)
        if (name.startsWith("data-") && !FULL.test(name) && !/srcset|responsive/i.test(name) && !NOT_THE_PICTURE.test(name) && !(isPhoto(img) && SMALL_COPY.test(name)) && !(listed && WIDTH.test(name)))
          later("data_src", pictureAddress(value, LAZY.test(name) && !img.naturalWidth));
    later("current_src", img.currentSrc);
    later("src", img.getAttribute("src"));
    return { candidates, rest };
  }

  // Whether an image is a tracking pixel or an icon by the size that the page gives it: one that failed has no other.
  const ICON = 64, PIXEL = 4;
  function isIcon(img) {
    const styles = img.computedStyleMap ? img.computedStyleMap() : new Map(); // empty without a layout
    const side = (name) => { const value = styles.get(name); return value && value.unit === "px" ? value.value : parseFloat(img.style[name] || img.getAttribute(name)); };
    const sides = [side("width"), side("height")];
    if (sides.some((each) => each <= PIXEL) || sides.every((each) => each < ICON)) return true;
    const hidden = img.style.display === "none" || String(styles.get("display") || "") === "none";
    return hidden && !/\.(?!gif)\w{3,4}$/i.test((absolute(img.currentSrc || img.src || "") || "").split(/[?#]/)[0]);
  }
  function itemOf(img) {
    const srcsets = [];
    const { candidates, rest } = urlCandidatesOf(img, srcsets);
    const seen = [...(history.get(img) || new Map())].filter(([url]) => !strange.has(url)).map(([url, size]) => ({ url, size }));
    if (strange.has(absolute(img.currentSrc || img.src || ""))) { // what it showed before
      const last = seen.pop();
      return simple("img", [], img, { rest: last ? [{ name: "current_src", url: last.url }] : [], seen, shown: last ? last.size : null, alt: text(img.alt), icon: isIcon(img) });
    }
    return {
      kind: "img", url_candidates: candidates, srcsets, rest, seen, base: document.baseURI,
      shown: img.naturalWidth ? [img.naturalWidth, img.naturalHeight] : null,
      alt: text(img.alt), caption: caption(img), selector: path(img), icon: isIcon(img),
    };
  }

  function simple(kind, candidates, element, more) {
    return { kind, url_candidates: candidates, srcsets: [], rest: [], seen: [], base: document.baseURI, shown: null, alt: "", caption: "", selector: path(element), ...more };
  }

  // ---- pictures of a list that removes elements after they were scrolled past
  const gone = new Map();
  // An element that has just been given another picture has shown the last one, which is a find of its own.
  const lastOf = (img) => {
    const item = itemOf(img), given = absolute(img.getAttribute("src") || ""), last = item.seen.at(-1);
    if (!last || !given || given === last.url || img.srcset || !(last.size[0] >= 200 && last.size[1] >= 150)) return item;
    return { ...item, rest: item.rest.filter((each) => each.name !== "current_src" || each.url === given), shown: last.size };
  };
  new MutationObserver((records) => {
    touch(records);
    for (const { removedNodes, target } of records)
      for (const node of removedNodes) {
        if (!(node instanceof Element)) continue;
        for (const img of node.tagName === "IMG" ? [node] : node.querySelectorAll("img")) {
          const url = absolute(img.currentSrc || img.src || "");
          if (!url || gone.size >= 5000) continue;
          remember(img);
          gone.set(url, { ...lastOf(img), selector: text(`${path(target)} img`) });
        }
      }
  }).observe(document, { childList: true, subtree: true });

  const measured = new Map(); // url of a CSS background -> natural size, from the browser's own cache; null: it failed
  async function measure(url, ms = 2000) {
    if (measured.has(url)) return measured.get(url);
    const image = new Image();
    const done = new Promise((ok) => { image.onload = ok; image.onerror = () => ok(measured.set(url, null)); });
    image.src = url;
    await Promise.race([done, sleep(ms)]);
    const size = image.naturalWidth ? [image.naturalWidth, image.naturalHeight] : null;
    if (size) measured.set(url, size); // else it may only have been slow
    return size;
  }

  // ---- JSON in attributes and scripts; it is parsed outside of the page
  const JSON_TEXT = /^\s*[[{][\s\S]*\.(?:jpe?g|png|webp|avif)\b/i;
  const STATE = /(?:window|self|globalThis)\s*(?:\.\s*(__\w+__|\w*(?:STATE|DATA|PROPS)\w*)|\[\s*["'](__\w+__)["']\s*\])\s*=\s*(?=[[{])/gi;
  const MOST_JSON = 4e6;

  async function collect(max) {
    const items = [];
    const backgrounds = new Map();
    const json = [];
    let jsonSize = 0;
    const keepJson = (value, selector) => {
      if ((jsonSize += value.length) <= MOST_JSON) json.push({ text: value, selector });
    };
    for (const script of ofDocument("scripts")) {
      const body = script.src ? "" : script.textContent;
      if (/json/i.test(script.type) && !/ld\+json|importmap|speculation/i.test(script.type)) { if (JSON_TEXT.test(body)) keepJson(body, path(script)); }
      else if (!script.type || /javascript/i.test(script.type))
        for (const match of body.matchAll(STATE)) { const state = body.slice(match.index + match[0].length); if (JSON_TEXT.test(state)) keepJson(state, path(script)); }
    }
    for (const { text: kept, selector } of window[NAME].lists()) keepJson(kept, selector);
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
        if (urls.length && !strange.has(urls[0].url)) backgrounds.set(urls[0].url, { urls, element, alt: text(element.getAttribute("aria-label") || element.title) });
      }
      const named = new Map(); // data-bg and data-bg-hidpi are two sizes of one picture
      for (const { name, value } of element.attributes) {
        if (JSON_TEXT.test(value)) keepJson(value, path(element));
        if (!name.startsWith("data-") || NOT_THE_PICTURE.test(name) || element.hasAttribute("data-folder")) continue;
        if (SMALL_COPY.test(name) && [...element.querySelectorAll("img")].filter(isPhoto).length === 1) continue; // of that picture
        const url = pictureAddress(value, false), width = +(WIDTH.exec(name) || [])[1] || 0;
        if (!url || (width && element.tagName === "A" && element.querySelector("img"))) continue; // of its <img>
        const stem = name.replace(/-?\d{3,4}w?$/i, "").replace(LARGER, "").replace(SMALLER, "");
        named.set(stem, [...(named.get(stem) || []), { name: width || LARGER.test(name) ? "data_full" : "data_src", url, width }]);
      }
      if (element.tagName === "PICTURE" && element.querySelector("img")) continue; // its <img> has the picture
      for (const sizes of named.values())
        items.push(simple("data", sizes.sort((a, b) => (a.name === b.name ? b.width - a.width : a.name < b.name ? -1 : 1)), element, { alt: text(element.getAttribute("aria-label")) }));
    }
    for (const [url, item] of gone) if (items.length < max && !strange.has(url)) items.push(item);
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
      items, strange: [...strange].filter(absolute), ld, json, title: text(ofDocument("title")), licence: licence ? licence.href : "",
      resources: performance.getEntriesByType("resource").filter((entry) => entry.initiatorType === "img").length,
    };
  }

  // What the page still waits for, besides its requests; `horizon` in milliseconds from now.
  function state(horizon) {
    const now = performance.now();
    const refresh = document.querySelector('meta[http-equiv="refresh" i][content*="url" i]');
    const delay = refresh ? parseFloat(refresh.content) * 1000 : NaN;
    let content = 0;
    for (const element of elements(document)) {
      if (!/^(img|canvas|video|image|model-viewer)$/i.test(element.tagName)) continue;
      const box = element.getBoundingClientRect();
      if (box.width >= 100 && box.height >= 75) content += 1;
    }
    // A page that already says something, for example a banner, is waited for like one with pictures.
    if (!content && ofDocument("body") && (ofDocument("body").innerText || "").trim().length > 150) content = 1;
    if (!content && [...elements(document)].some((each) => each.matches("[role=dialog],[role=alertdialog],dialog[open]") && each.getClientRects().length)) content = 1;
    return {
      parsing: document.readyState === "loading", still: now - changedAt, timers: dueTimers(now + horizon), clocks: clocks.running(), loading: loading(), content, weight: window[NAME].weight(),
      leaving: delay >= 0 && delay < horizon && now < delay + 3000, url: location.href,
    };
  }

  const first = (selectors, root) => {
    for (const selector of selectors) { const hit = (root || document).querySelector(selector); if (hit) return hit; }
    return null;
  };
  // The elements that any of the selectors finds, each result once: of a box and what is in it the box counts, unless
  // it holds several results.
  const all = (selectors) => {
    const found = new Set();
    const used = [];
    for (const selector of selectors) {
      const hits = document.querySelectorAll(selector);
      if (hits.length) used.push(selector);
      for (const hit of hits) found.add(hit);
    }
    if (used.length > 1) {
      const inside = new Map();
      for (const hit of found) for (let at = parent(hit); at; at = parent(at)) if (found.has(at)) inside.set(at, (inside.get(at) || 0) + 1);
      for (const hit of [...found]) if (inside.get(hit) > 1) found.delete(hit);
      for (const hit of [...found]) for (let at = parent(hit); at; at = parent(at)) if (found.has(at)) { found.delete(hit); break; }
    }
    const hits = [...found].sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
    return { hits, selector: used.join(", ") };
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
    value: { IMAGE, OTHER, LIGHTBOX, listening, heard, strange, opens, absolute, pictureAddress, text, sleep, frame, collect, measure, webgl, path, first, all, waitFor, elements, visible, loading, begun, timersBring, state, shadow, clocks, PATIENCE, itemOf, ofDocument, parent },
  });
})();
