// Lists of pictures that scripts keep: in variables of the page, and what jQuery plugins, React and Vue
// note for an element. A list counts if the page has shown one of its pictures: others may be of other cars. Needs inpage.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.lists) return;
  // A loader may remove the attribute that names a larger copy when it has loaded a smaller one.
  const LARGER = ["data-src", "data-original", "data-lazy", "data-retina", "data-src-retina", "data-original-retina", "data-full", "data-large", "data-hires", "data-zoom"];
  new MutationObserver((records) => {
    for (const { target, attributeName, oldValue } of records) {
      if (target.tagName !== "IMG" || !oldValue || target.hasAttribute(attributeName)) continue;
      const url = T.pictureAddress(oldValue, false), kept = T.opens.get(target) || [];
      if (url && kept.length < 4 && !kept.includes(url)) T.opens.set(target, [...kept, url]);
    }
  }).observe(document, { attributes: true, subtree: true, attributeOldValue: true, attributeFilter: LARGER });
  const own = new Set(Object.getOwnPropertyNames(window)); // what the browser itself defines
  const MOST_VALUES = 100000, MOST_DEPTH = 7;

  // The part of a value that consists of lists, objects and addresses of pictures; null if nothing is left.
  function addresses(value, depth, state) {
    if (typeof value === "string") return T.pictureAddress(value, false);
    if (!value || typeof value !== "object" || depth > MOST_DEPTH || state.seen.has(value)) return null;
    state.seen.add(value);
    const found = Array.isArray(value) ? [] : {};
    try {
      if (value.nodeType || value.window === value || value.jquery || ArrayBuffer.isView(value)) return null;
      for (const key of Object.keys(value)) {
        if ((state.left -= 1) < 0) break;
        const place = Object.getOwnPropertyDescriptor(value, key); // a getter may have effects
        const each = place && "value" in place ? addresses(place.value, depth + 1, state) : null;
        if (each && Array.isArray(found)) found.push(each);
        else if (each) found[key] = each;
      }
    } catch { return null; } // a window of another origin
    return Object.keys(found).length ? found : null;
  }
  const direct = (value) => (typeof value === "string" ? [value] : Array.isArray(value) ? [] : Object.values(value).flatMap(direct));
  // The innermost lists with a picture that was shown.
  function* shownLists(value, shown) {
    if (!value || typeof value !== "object") return;
    let inner = false;
    for (const each of Object.values(value)) for (const found of shownLists(each, shown)) { inner = true; yield found; }
    if (!inner && Array.isArray(value) && value.length > 1 && value.some((each) => direct(each).some((url) => shown.has(url)))) yield value;
  }

  T.lists = () => {
    const shown = new Set(performance.getEntriesByType("resource").map((entry) => entry.name));
    for (const img of T.ofDocument("images")) shown.add(img.currentSrc || img.src);
    const state = { seen: new WeakSet(), left: MOST_VALUES };
    const texts = [];
    const note = (value, selector) => { for (const list of shownLists(addresses(value, 0, state), shown)) texts.push({ text: JSON.stringify(list), selector }); };
    const jq = window.jQuery || window.$;
    if (jq && jq.fn && jq.fn.jquery && jq.hasData)
      for (const element of T.elements(document)) if (jq.hasData(element)) note(jq.data(element), T.path(element));
    const fibers = new Set(); // of React: an element knows its component, and that the ones around it
    for (const element of T.elements(document)) {
      const name = Object.keys(element).find((each) => each.startsWith("__reactFiber$"));
      for (let at = name && element[name]; at && !fibers.has(at) && fibers.size < 20000; at = at.return) {
        fibers.add(at);
        if (typeof at.type !== "string") note(at.memoizedProps, T.path(element));
      }
      if (element.__vueParentComponent) note(element.__vueParentComponent.props, T.path(element));
    }
    for (const name of Object.getOwnPropertyNames(window)) {
      const place = own.has(name) ? null : Object.getOwnPropertyDescriptor(window, name);
      if (place && "value" in place) note(place.value, "script");
    }
    return texts;
  };
})();
