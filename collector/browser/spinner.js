// Reads and turns 360° viewers; needs inpage.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  const list = (value) => {
    try { const data = JSON.parse(value); return Array.isArray(data) && data.every((each) => typeof each === "string") ? data : null; } catch { return null; }
  };
  const read = (element, name) => element.getAttribute("data-" + name) ?? element.getAttribute(name) ?? "";

  // (a) viewers whose markup contains the addresses of the frames
  T.spinConfigs = () => {
    const found = [];
    for (const element of T.elements(document)) {
      const folder = read(element, "folder");
      const names = read(element, "filename-x") || read(element, "filename");
      const images = list(read(element, "image-list-x")) || list(read(element, "image-list")) || list(read(element, "images")) || list(read(element, "frames"));
      if (images && images.length > 2) {
        found.push({ selector: T.path(element), kind: "list", urls: images.map((each) => T.absolute(folder ? folder + each : each)).filter(Boolean) });
      } else if (folder && names.includes("{index}")) {
        found.push({
          selector: T.path(element), kind: "template", folder: T.absolute(folder), name: names, amount: parseInt(read(element, "amount-x") || read(element, "amount"), 10) || 0,
          pad: parseInt(read(element, "index-zero-base"), 10) || 0,
        });
      } else if (read(element, "sprite") || (read(element, "row-count") && read(element, "col-count"))) {
        const style = getComputedStyle(element).backgroundImage.match(/url\(["']?([^"')]+)/);
        const url = T.absolute(read(element, "sprite") || read(element, "image-url") || (style ? style[1] : ""));
        const rows = parseInt(read(element, "row-count"), 10) || 1, columns = parseInt(read(element, "col-count"), 10) || 1;
        if (url && rows * columns > 2) found.push({ selector: T.path(element), kind: "sprite", url, rows, columns, frames: parseInt(read(element, "frame-count"), 10) || rows * columns });
      } else if (window.jQuery && element.classList && element.classList.contains("spritespin-instance")) {
        const data = window.jQuery(element).data("spritespin");
        if (data && Array.isArray(data.source) && data.source.length > 2) found.push({ selector: T.path(element), kind: "list", urls: data.source.map(T.absolute).filter(Boolean) });
      }
    }
    return found;
  };

  // (b) and (c): the largest picture or canvas on the page is the viewer
  const area = (box) => Math.max(0, box.width) * Math.max(0, box.height);
  T.spinStage = (wanted) => {
    let best = null, size = 0;
    for (const element of T.elements(document)) {
      const isCanvas = element.tagName === "CANVAS", isImage = element.tagName === "IMG";
      const isBackdrop = !isCanvas && !isImage && wanted === "drag" && element.getClientRects().length && getComputedStyle(element).backgroundImage.includes("url(");
      if (wanted === "canvas" ? !isCanvas : wanted === "drag" ? isCanvas || !(isImage || isBackdrop) : !(isCanvas || isImage)) continue;
      const box = element.getBoundingClientRect();
      if (area(box) > size) { best = element; size = area(box); }
    }
    if (!best || size < 150 * 100) return null;
    best.scrollIntoView({ block: "center" });
    T.stage = best;
    const box = best.getBoundingClientRect();
    return {
      selector: T.path(best), kind: best.tagName === "CANVAS" ? "canvas" : "drag",
      x: Math.max(0, box.left), y: Math.max(0, box.top), width: Math.min(box.width, innerWidth - Math.max(0, box.left)), height: Math.min(box.height, innerHeight - Math.max(0, box.top)),
      pixels: best.tagName === "CANVAS" ? [best.width, best.height] : null,
    };
  };
  T.spinFocus = () => {
    // keys go to the nearest ancestor that accepts them, or to the page
    for (let at = T.stage; at; at = at.parentElement) if (at.tabIndex >= 0) { at.focus({ preventScroll: true }); return true; }
    return false;
  };

  // what the stage shows now: the address, if the frames are pictures
  T.spinShown = () => {
    const stage = T.stage;
    if (!stage.isConnected) return null;
    if (stage.tagName === "IMG") return T.absolute(stage.currentSrc || stage.src);
    const url = getComputedStyle(stage).backgroundImage.match(/url\(["']?([^"')]+)/);
    return url ? T.absolute(url[1]) : null;
  };

  // what a canvas shows now: its pixels as lossless PNG, or null if a picture of another host prevents reading
  const digest = async (text) => {
    let a = 0x811c9dc5, b = 5381;
    for (let i = 0; i < text.length; i += 1) { const c = text.charCodeAt(i); a = Math.imul(a ^ c, 16777619); b = (Math.imul(b, 33) + c) | 0; }
    return `${text.length}-${a >>> 0}-${b >>> 0}`;
  };
  const blank = (canvas) => {
    const small = document.createElement("canvas");
    small.width = small.height = 8;
    const pen = small.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0, 8, 8);
    const data = pen.getImageData(0, 0, 8, 8).data;
    return data.every((value, i) => value === data[i % 4]);
  };
  T.spinCanvas = async (before, ms) => {
    const end = performance.now() + ms;
    for (;;) {
      await T.frame();
      let url = null;
      try { url = blank(T.stage) ? "" : T.stage.toDataURL("image/png"); } catch { return { tainted: true }; }
      if (url) {
        const id = await digest(url);
        if (id !== before) return { url, id };
      }
      if (performance.now() > end) return { id: before };
      await T.sleep(8);
    }
  };
})();
