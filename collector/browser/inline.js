// Pictures that are in the page itself, as data:image/...;base64 in an <img> or a background. Needs inpage.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.inline) return;
  const RASTER = /^data:image\/(?!svg)[\w.+-]{1,40};base64,/i;
  const MOST_SHOWN = 3; // what more elements show is a placeholder
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  let kept = [];

  // One colour all over, or nothing: what is shown until a picture comes.
  const blank = (image) => {
    pen.canvas.width = pen.canvas.height = 16;
    try { pen.drawImage(image, 0, 0, 16, 16); } catch { return true; } // broken
    const seen = pen.getImageData(0, 0, 16, 16).data;
    return seen.every((value, place) => Math.abs(value - seen[place % 4]) < 6);
  };
  // An element with another address shows a placeholder or a preview.
  const hasAddress = (img) => {
    const { url_candidates: named, rest, srcsets } = T.itemOf(img);
    return named.length + rest.length > 0 || srcsets.some(({ value }) => !/^\s*data:/i.test(value));
  };
  const background = (element) => {
    if (element.tagName === "IMG" || element.querySelector("img, picture")) return "";
    const style = getComputedStyle(element), value = style.backgroundImage;
    const data = value.includes("data:image") ? (/url\("(data:[^"]*)"\)/i.exec(value) || ["", ""])[1] : "";
    if (!data || (style.backgroundSize === "auto" && style.backgroundRepeat.startsWith("repeat"))) return ""; // a pattern
    if ([...element.attributes].some(({ name, value: named }) => name.startsWith("data-") && T.pictureAddress(named, true))) return "";
    const box = element.getBoundingClientRect();
    return box.width >= 100 && box.height >= 75 ? data : "";
  };

  // The pictures with `side` pixels or more; their texts stay here for T.inlineText. `most` and `all` limit characters.
  T.inline = async ({ side, count, most, all, seconds }) => {
    const end = performance.now() + 1000 * seconds, found = new Map();
    for (const element of T.elements(document)) {
      const img = element.tagName === "IMG", data = img ? element.currentSrc || element.src : background(element);
      if (!data || !RASTER.test(data.slice(0, 80)) || T.strange.has(data)) continue;
      const known = found.get(data);
      if (known) known.shown += 1;
      if (known || (img && hasAddress(element))) continue;
      found.set(data, { element, shown: 1, alt: T.text(img ? element.alt : element.getAttribute("aria-label") || element.title) });
    }
    const pictures = [];
    let size = 0, left = 0;
    kept = [];
    for (const [data, { element, shown, alt }] of found) {
      if (shown > MOST_SHOWN) continue;
      if (performance.now() > end) { left += 1; continue; }
      const image = element.tagName === "IMG" ? element : new Image();
      if (image !== element) image.src = data;
      await Promise.race([image.decode().catch(() => null), T.sleep(2000)]);
      if (!image.naturalWidth || Math.min(image.naturalWidth, image.naturalHeight) < side || blank(image)) continue;
      if (data.length > most || size + data.length > all || kept.length >= count) { left += 1; continue; }
      size += data.length;
      kept.push(data);
      pictures.push({ alt, selector: T.path(element), size: [image.naturalWidth, image.naturalHeight] });
    }
    return { pictures, left };
  };
  T.inlineText = (place) => kept[place];
})();
