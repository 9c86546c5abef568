"use strict";
// Results come while the visitor scrolls; a click fetches where the original is and shows it.
(() => {
  const results = document.getElementById("results");
  const preview = document.getElementById("preview");
  const more = document.getElementById("more");
  const sentinel = document.getElementById("sentinel");
  const query = results.dataset.query;
  const every = Number(results.dataset.every);
  let next = 0;
  let busy = false;
  let allowed = every;

  async function feed() {
    if (busy || next === null || !more.hidden) return;
    if (next >= allowed) { more.hidden = false; return; }
    busy = true;
    const answer = await (await fetch("/api/search?" + new URLSearchParams({ q: query, start: next }))).json();
    next = answer.next;
    for (const item of answer.items) results.append(tile(item));
    document.getElementById("count").textContent = answer.total + " pictures";
    document.getElementById("no-results").hidden = answer.total > 0;
    sentinel.style.visibility = next === null ? "hidden" : "visible";
    busy = false;
    // An observer tells of changes only: looking anew tells whether the end is still in view.
    watcher.unobserve(sentinel);
    watcher.observe(sentinel);
  }

  function tile(item) {
    const entry = document.createElement("div");
    entry.className = "tile";
    entry.setAttribute("role", "listitem");
    const open = document.createElement("button");
    open.className = "tile-open";
    const thumb = document.createElement("img");
    thumb.loading = "lazy";
    thumb.alt = item.title;
    thumb.src = item.thumb;
    const title = document.createElement("p");
    title.className = "tile-title";
    title.textContent = item.title;
    const site = document.createElement("p");
    site.className = "tile-site";
    site.textContent = item.site;
    open.append(thumb, title, site);
    open.addEventListener("click", () => show(item, thumb.src));
    entry.append(open);
    return entry;
  }

  let shown = 0;
  async function show(item, thumb) {
    const mine = ++shown;
    const picture = preview.querySelector("img");
    // As the big engines do: the thumbnail stands in until the original's address is known.
    picture.className = "preview-thumb";
    picture.src = thumb;
    picture.alt = item.title;
    preview.hidden = false;
    const full = await (await fetch("/api/item/" + encodeURIComponent(item.id))).json();
    if (mine !== shown) return;
    picture.src = full.full;
    picture.className = "preview-full";
    preview.dataset.item = item.id;
    preview.querySelector(".preview-title").textContent = full.title;
    preview.querySelector(".preview-site").textContent = full.site;
    preview.querySelector(".preview-size").textContent = full.width + " × " + full.height;
    preview.querySelector(".preview-source").href = full.page;
    preview.querySelector(".preview-frame").href = full.page;
  }

  preview.querySelector(".preview-close").addEventListener("click", () => { preview.hidden = true; shown++; });
  more.addEventListener("click", () => { allowed += every; more.hidden = true; feed(); });
  const watcher = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) feed(); },
    { rootMargin: "100px" });
  watcher.observe(sentinel);
})();
