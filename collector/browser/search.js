// Processes the result list of a search page; needs inpage.js. One call takes at most `seconds`.
// True when there is a result, or when the page is ready and waits for nothing: then there is none.
window.__bodyshop.listReady = (recipe) => {
  const tools = window.__bodyshop;
  return !!tools.first(recipe.result) || (tools.visible(recipe.page_wait) && !tools.loading());
};
window.__bodyshop.search = async (recipe, state) => {
  "use strict";
  const tools = window.__bodyshop;
  const end = performance.now() + state.seconds * 1000;
  const done = (window.__bodyshopDone = window.__bodyshopDone || new WeakSet());
  const found = [];
  const hidden = new Set(recipe.thumbnail_hosts.map((host) => host.toLowerCase()));
  const patterns = recipe.thumbnail_urls.map((pattern) => new RegExp(pattern));
  const isThumbnail = (url) => {
    const { hostname, host } = new URL(url);
    return [...hidden].some((each) => host === each || hostname === each || hostname.endsWith("." + each)) || patterns.some((each) => each.test(url));
  };
  const at = (object, path) => path.split(".").reduce((value, key) => (value == null ? null : value[key]), object);
  const pick = (alternates, root) => (alternates.length ? tools.first(alternates, root) : root);

  function fromMetadata(result) {
    for (const rule of recipe.metadata) {
      const holder = pick(rule.css, result);
      const raw = holder && holder.getAttribute(rule.attribute);
      if (!raw) continue;
      let image = null, page = "", title = "";
      if (rule.format === "url") image = raw;
      else if (rule.format === "json") {
        let data = null;
        try { data = JSON.parse(raw); } catch { continue; }
        image = at(data, rule.image); page = rule.page ? at(data, rule.page) : ""; title = rule.title ? at(data, rule.title) : "";
      } else {
        const query = new URL(raw, document.baseURI).searchParams;
        image = query.get(rule.image); page = rule.page ? query.get(rule.page) : ""; title = rule.title ? query.get(rule.title) : "";
      }
      const url = typeof image === "string" && tools.absolute(image);
      if (url && !isThumbnail(url)) return { url_candidate: "metadata", url, page: (page && tools.absolute(page)) || "", title: tools.text(String(title || "")), shown: null };
    }
    return null;
  }

  // What each preview <img> showed last: a panel is filled again, or another one is appended.
  const showed = (window.__bodyshopShowed = window.__bodyshopShowed || new WeakMap());
  // The link beside this picture: panels of earlier results stay in the page, visible or not.
  function sourceOf(img) {
    if (!recipe.source_link.length) return null;
    const selector = recipe.source_link.join(",");
    for (let at = tools.parent(img); at && at !== document.body; at = tools.parent(at)) {
      const link = recipe.source_link.map((each) => [...at.querySelectorAll(each)].find((hit) => hit.getClientRects().length)).find(Boolean);
      if (link) return link;
    }
    return [...document.querySelectorAll(selector)].find((each) => each.getClientRects().length) || null;
  }
  // The preview's <img> may first show the picture of the previous result, then the thumbnail.
  function look(previous) {
    for (const selector of recipe.full_image)
      for (const img of [...document.querySelectorAll(selector)].reverse()) {
        if (!img.getClientRects().length) continue;
        const url = tools.absolute(img.getAttribute("src") || "");
        if (url && url !== previous.url && showed.get(img) !== url && !isThumbnail(url)) return { img, url, selector };
      }
    return null;
  }
  async function fromPreview(target, previous, ms) {
    const seek = () => look(previous);
    const hit = (await tools.waitFor(seek, ms)) || (tools.loading() && (await tools.waitFor(seek, tools.PATIENCE)));
    if (!hit) return null;
    const link = sourceOf(hit.img);
    const find = {
      url_candidate: "preview", url: hit.url, page: link ? tools.absolute(link.getAttribute("href") || "") || "" : "",
      title: "", shown: hit.img.naturalWidth ? [hit.img.naturalWidth, hit.img.naturalHeight] : null, alt: tools.text(hit.img.alt),
    };
    previous.url = hit.url;
    showed.set(hit.img, hit.url);
    if (recipe.close.length) { const button = tools.first(recipe.close); if (button) { button.click(); previous.url = ""; showed.delete(hit.img); } }
    return find;
  }
  // Where the pointer has to click; a result that answers to scripts needs none.
  function pointerTo(target) {
    target.scrollIntoView({ block: "center" });
    const box = target.getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  }

  const previous = (window.__bodyshopPrevious = window.__bodyshopPrevious || { url: "" });
  let { rank, rounds, still, missed, scripted, trusted } = state;
  let stopped = "", pointer = null;
  const keep = (find, result) => {
    const thumb = result.tagName === "IMG" ? result : result.querySelector("img");
    if (find) found.push({ ...find, rank, selector: tools.path(result), alt: find.alt || tools.text(thumb && thumb.alt) });
    else missed += 1;
  };
  const waiting = window.__bodyshopPointed; // the result that the pointer has clicked since the last call
  if (waiting) {
    window.__bodyshopPointed = null;
    const find = await fromPreview(waiting.target, previous, recipe.preview_ms);
    if (find) trusted = true;
    keep(find, waiting.result);
  }
  for (;;) {
    const { hits, selector } = tools.all(recipe.result);
    state.selector = selector || state.selector;
    const fresh = hits.filter((hit) => !done.has(hit));
    for (const result of fresh) {
      if (rank >= state.max) { stopped = "items"; break; }
      if (performance.now() > end) { stopped = "later"; break; }
      done.add(result);
      rank += 1;
      let find = fromMetadata(result);
      const target = find || !recipe.full_image.length ? null : pick(recipe.click, result);
      if (target && !trusted) {
        target.click();
        find = await fromPreview(target, previous, recipe.preview_ms);
        if (find) scripted = true;
      }
      // Some pages answer only to clicks that no script can make.
      if (!find && target && !scripted) {
        window.__bodyshopPointed = { target, result };
        pointer = pointerTo(target);
        stopped = "pointer";
        break;
      }
      keep(find, result);
    }
    if (stopped) break;
    if (rounds >= recipe.scroll.max_rounds) { stopped = "rounds"; break; }
    const before = hits.length, top = tools.scroller().scrollTop;
    const more = recipe.more_button.length ? tools.first(recipe.more_button) : null;
    // All results so far are processed: scroll to the end of the list.
    window.scrollTo(0, tools.scroller().scrollHeight - innerHeight - 1);
    window.scrollBy(0, Math.max(200, innerHeight * recipe.scroll.step));
    if (more && more.getClientRects().length) more.click();
    rounds += 1;
    // Observers of the scroll position report after a frame, and their requests take some time.
    await tools.frame(); await tools.frame();
    const least = performance.now() + (fresh.length ? recipe.scroll.settle_ms : Math.min(recipe.scroll.settle_ms, 300));
    const grown = () => tools.all(recipe.result).hits.length > before;
    await tools.waitFor(() => grown() || (performance.now() > least && !tools.loading()), Math.max(recipe.scroll.settle_ms, tools.PATIENCE));
    still = grown() ? 0 : still + 1;
    if (still >= recipe.scroll.quiet_rounds) { stopped = "quiet"; break; }
    if (performance.now() > end) { stopped = "later"; break; }
  }
  return { found, rank, rounds, still, missed, scripted, trusted, stopped, pointer, selector: state.selector || "" };
};
