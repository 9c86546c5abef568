// What the page's own scripts have under way: requests, timers, clocks. Runs before all other scripts; inpage.js takes it.
(() => {
  "use strict";
  if (window.__bodyshopPending) return;
  const pause = window.setTimeout.bind(window);

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
    const over = () => pause(() => underWay.delete(id), 50); // time to add its result to the page
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

  // ---- timers that run once: content may come with them. Clocks, which run again and again: pictures may come in turn
  const realTimeout = window.setTimeout, realClear = window.clearTimeout;
  const realInterval = window.setInterval, realClearInterval = window.clearInterval;
  const LONGEST_CHAIN = 8; // timers that start timers: a longer chain is a clock, not a delay
  const SLOWEST = 10000, FASTEST = 1000; // milliseconds between two pictures of a carousel
  const timers = new Map();
  let generation = 0;
  const ran = { at: -Infinity, period: 0 }; // what ran last of the clocks that may turn a carousel
  const turning = new Set(); // periods after which elements showed other pictures
  const turns = (period) => period >= FASTEST && period <= SLOWEST;
  const run = (period) => { if (turns(period)) { ran.at = performance.now(); ran.period = period; } };
  // What a clock shows that ran before a press is of the page, also if the press would have made the page another one.
  const ofPage = new Set();
  let pressed = Infinity, root = null; // root: when the timer that runs was made, or the first of its chain
  const shown = () => new Set([...Object.getOwnPropertyDescriptor(Document.prototype, "images").get.call(document)].flatMap((each) => [each.currentSrc, each.src]));
  const noting = (made, action) => {
    if (pressed === Infinity || made >= pressed) return action();
    const before = shown();
    root = made;
    try { return action(); } finally {
      realTimeout.call(window, () => { root = null; for (const each of shown()) if (!before.has(each)) ofPage.add(each); }, 0);
    }
  };
  window.setTimeout = function (action, delay, ...given) {
    if (typeof action !== "function") return realTimeout.call(this, action, delay, ...given);
    const own = generation + 1, period = Math.max(0, Number(delay) || 0), first = root ?? performance.now();
    const id = realTimeout.call(window, function (...values) {
      timers.delete(id);
      generation = own;
      run(period);
      realTimeout.call(window, () => { generation = 0; }, 0); // after the promises that this resolves
      return noting(first, () => action.apply(this, values));
    }, delay, ...given);
    timers.set(id, { due: performance.now() + period, own, period, made: performance.now() });
    return id;
  };
  window.clearTimeout = function (id) { timers.delete(id); intervals.delete(id); return realClear.call(this, id); };
  const intervals = new Map();
  window.setInterval = function (action, delay, ...given) {
    if (typeof action !== "function") return realInterval.call(this, action, delay, ...given);
    const period = Math.max(0, Number(delay) || 0), first = root ?? performance.now();
    const id = realInterval.call(window, function (...values) {
      const own = intervals.get(id);
      if (own) own.fired = true;
      run(period);
      return noting(first, () => action.apply(this, values));
    }, delay, ...given);
    intervals.set(id, { due: performance.now() + period, period, fired: false });
    return id;
  };
  window.clearInterval = function (id) { timers.delete(id); intervals.delete(id); return realClearInterval.call(this, id); };
  const clocks = {
    // How many run fast enough to look for content.
    running: () => [...intervals.values()].filter((each) => each.period <= 2000).length,
    // An element shows another picture: soon after a clock has run, this is the clock's doing.
    swapped: () => { if (performance.now() - ran.at < Math.min(3000, 0.9 * ran.period)) turning.add(ran.period); },
    // Note from now on, or no longer, what those show that run; and whether one has shown an address.
    note: (on) => { pressed = on ? performance.now() : Infinity; },
    showed: (address) => ofPage.has(address),
    // Milliseconds until every clock has run once.
    first: () => Math.max(0, ...[...intervals.values()].filter((each) => turns(each.period) && !each.fired).map((each) => each.due - performance.now())),
    // The slowest clock that changes pictures and still runs; 0 if there is none.
    period: () => Math.max(0, ...[...intervals.values(), ...timers.values()].map((each) => each.period).filter((each) => turning.has(each))),
  };
  // Timers that an act of ours has begun, at once: what it asked for may come with them. On a page that begins some all
  // the time, and where nothing came by them, they are not waited for.
  const SOON = 3000, AT_ONCE = 100, MOST_IN_VAIN = 2;
  let inVain = 0;
  const ours = (since, within) => [...timers.values()].some((each) => each.own <= LONGEST_CHAIN && each.made >= since && each.made < since + within && each.due < since + SOON);
  const begun = (since, within = AT_ONCE) => inVain < MOST_IN_VAIN && ours(since, within);
  const timersBring = (something) => { inVain = something ? 0 : inVain + 1; };
  const dueTimers = (until) => [...timers.values()].filter((each) => each.own <= LONGEST_CHAIN && each.due < until).length;

  Object.defineProperty(window, "__bodyshopPending", { enumerable: false, value: { pause, loading, PATIENCE, dueTimers, begun, timersBring, clocks } });
})();
