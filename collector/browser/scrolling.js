// Scrolling a growing page, and waiting for what comes into view; needs inpage.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.scroll) return;
  const { sleep, frame, loading, PATIENCE } = T;

  // Small steps, waiting for conditions instead of fixed times
  const pendingInView = () => {
    let count = 0;
    for (const img of T.ofDocument("images")) {
      if (img.complete) continue;
      const box = img.getBoundingClientRect();
      if (box.bottom > -200 && box.top < innerHeight + 200) count += 1;
    }
    return count;
  };
  // Elements that a lazy loader has not filled yet: many look at the page only a few times per second. Each is waited for once.
  const MARKED = "[class*='lazy' i],[data-src],[data-srcset],[data-bg],[data-bgset],[data-original],[data-background]", LOADER_MS = 500;
  const waited = new WeakSet();
  const empty = (element) => {
    const shows = (img) => img.tagName === "IMG" && img.naturalWidth > 2;
    return !shows(element) && ![...element.querySelectorAll("img")].some(shows) && getComputedStyle(element).backgroundImage === "none";
  };
  const unfilled = () => [...document.querySelectorAll(MARKED)].filter((element) => {
    if (waited.has(element)) return false;
    const box = element.getBoundingClientRect();
    return box.width > 60 && box.height > 40 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth && empty(element);
  });
  async function quiet(settle) {
    await frame(); await frame(); // IntersectionObservers report after a frame
    const start = performance.now(), past = () => performance.now() - start;
    while (past() < settle && (pendingInView() || (past() < LOADER_MS && unfilled().length))) await sleep(15);
    for (const element of unfilled()) waited.add(element);
  }
  // Pictures that a click has asked for: the next click on an arrow would end their loading. Each is waited for once.
  const patient = new WeakMap(); // picture -> address
  const asked = (img) => img.currentSrc || img.src;
  const coming = () => [...T.elements(document)].filter((img) => {
    if (img.tagName !== "IMG" || img.complete || patient.get(img) === asked(img) || !img.getClientRects().length) return false;
    const box = img.getBoundingClientRect();
    const beside = box.right <= 0 || box.left >= innerWidth; // there the browser loads no lazy one
    return box.bottom > -200 && box.top < innerHeight + 200 && !(box.width > 0 && box.width < 5) && !(beside && img.loading === "lazy"); // a counter's pixel
  });
  // Nor a lazy one that a box cuts off: the next slide.
  const came = () => { const list = coming(); for (const img of list) if (img.loading === "lazy") img.loading = "eager"; return !list.length; };
  T.hurried = 0; // pictures that were not waited for to their end
  T.until = Infinity; // when the time is over
  T.arrive = async () => {
    if (await T.waitFor(came, Math.min(PATIENCE, Math.max(1000, T.until - performance.now())))) return;
    for (const img of coming()) { patient.set(img, asked(img)); T.hurried += 1; }
  };
  const scroller = () => document.scrollingElement || document.documentElement;
  // Repeated requests of scripts do not count, only changes of the page.
  const POLLS = new Set(["fetch", "xmlhttprequest", "beacon", "script", "link", "iframe"]);
  const pictures = () => performance.getEntriesByType("resource").filter((entry) => !POLLS.has(entry.initiatorType)).length;
  const weight = () => `${scroller().scrollHeight}/${T.ofDocument("images").length}/${pictures()}`;

  async function scroll({ step, settle, quietRounds, seconds, maxItems }) {
    for (const root of [document.documentElement, T.ofDocument("body")])
      if (root && getComputedStyle(root).overflowY === "hidden") root.style.setProperty("overflow-y", "auto", "important");
    for (const img of document.querySelectorAll('img[loading="lazy"]')) img.loading = "eager";
    performance.setResourceTimingBufferSize(20000);
    const end = performance.now() + seconds * 1000;
    let still = 0, last = weight(), rounds = 0, stopped = "quiet", since = performance.now(), began = since, waited = false;
    while (still < quietRounds) {
      if (performance.now() > end) { stopped = "time"; break; }
      if (T.ofDocument("images").length > maxItems) { stopped = "items"; break; }
      const top = scroller().scrollTop, start = performance.now();
      window.scrollBy(0, Math.max(200, innerHeight * step));
      await quiet(settle);
      rounds += 1;
      const atEnd = scroller().scrollTop <= top + 1;
      if (atEnd) await sleep(Math.min(settle, 120));
      const now = weight();
      if (!atEnd) began = start;
      if (!atEnd || now !== last) since = performance.now();
      if (waited && now !== last) { T.timersBring(true); waited = false; }
      const timer = !loading() && T.begun(began, 1000);
      waited = waited || (timer && atEnd);
      const waits = (timer || loading()) && performance.now() - since < PATIENCE;
      still = atEnd && now === last && !waits ? still + 1 : 0;
      last = now;
    }
    if (waited) T.timersBring(false);
    window.scrollTo(0, 0);
    return { rounds, stopped };
  }

  Object.assign(T, { quiet, scroll, scroller, weight });
})();
