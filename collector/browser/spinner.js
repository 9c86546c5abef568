// Reads and turns 360° viewers; needs restraint.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  const list = (value) => {
    try { const data = JSON.parse(value); return Array.isArray(data) && data.every((each) => typeof each === "string") ? data : null; } catch { return null; }
  };
  const read = (element, name) => element.getAttribute("data-" + name) ?? element.getAttribute(name) ?? "";

  // ---- what libraries are configured with by script: noted when the page calls them
  const notes = [];
  const jQueries = new Set();
  const watch = (name, assigned) => {
    let value;
    Object.defineProperty(window, name, {
      configurable: true, enumerable: true,
      get: () => value,
      set: (next) => { value = next; try { assigned(next); } catch { /* the page goes on without us */ } },
    });
  };
  watch("CI360", (library) => {
    if (!library || typeof library.init !== "function") return;
    const init = library.init;
    library.init = function (element, config, ...more) {
      if (element && config && typeof config === "object") notes.push({ element, lib: "cloudimage-360", config });
      return init.call(this, element, config, ...more);
    };
  });
  for (const name of ["jQuery", "$"]) watch(name, (library) => { if (library && library.fn && library.fn.jquery) jQueries.add(library); });
  watch("pannellum", (library) => {
    if (!library || typeof library.viewer !== "function") return;
    const viewer = library.viewer;
    library.viewer = function (target, config, ...more) {
      notes.push({ element: typeof target === "string" ? document.getElementById(target) : target, lib: "pannellum", config });
      return viewer.call(this, target, config, ...more);
    };
  });

  const texts = (value) => (typeof value === "string" ? list(value) : Array.isArray(value) ? value.filter((each) => typeof each === "string") : null);
  // One entry per axis of cloudimage-360, whose attributes and options have the same names.
  function cloudimage(element, get) {
    const found = [], folder = get("folder") || "";
    for (const [axis, letter] of [["", "X"], ["y", "Y"]]) {
      const names = get(`filename${letter}`) || (axis ? "" : get("filename")) || "";
      const images = texts(get(`imageList${letter}`)) || (axis ? null : texts(get("imageList")));
      const amount = parseInt(get(`amount${letter}`) || (axis ? 0 : get("amount")), 10) || 0;
      const common = { selector: T.path(element), axis };
      if (images && images.length > 2) found.push({ ...common, kind: "list", urls: images.map((each) => T.absolute(folder && !/^(https?:)?\/\//.test(each) ? folder + each : each)).filter(Boolean) });
      else if (folder && names.includes("{index}") && (!axis || amount)) found.push({ ...common, kind: "template", folder: T.absolute(folder), name: names, amount, pad: parseInt(get("indexZeroBase"), 10) || 0 });
    }
    return found;
  }
  function spriteSpin(element) {
    for (const jq of jQueries) {
      const data = jq(element).data("spritespin");
      if (!data) continue;
      const urls = (Array.isArray(data.source) ? data.source : [data.source]).map((each) => T.absolute(String(each))).filter(Boolean);
      const common = { selector: T.path(element), axis: "", sense: data.sense < 0 ? "cw" : "ccw" };
      const lanes = Math.max(1, data.lanes || 1);
      if (urls.length > 2) return [{ ...common, kind: "list", urls, lanes }];
      if (urls.length === 1 && data.frames > 2) {
        const columns = data.framesX || data.frames;
        return [{ ...common, kind: "sprite", url: urls[0], columns, rows: Math.ceil((data.frames * lanes) / columns), frames: data.frames * lanes, lanes }];
      }
    }
    return [];
  }

  // (a) viewers whose markup or script contains the addresses of the frames
  T.spinConfigs = () => {
    const found = [];
    for (const element of T.elements(document)) {
      const dashed = (name) => read(element, name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase()));
      const ci = cloudimage(element, dashed);
      const images = list(read(element, "images")) || list(read(element, "frames"));
      if (ci.length) found.push(...ci);
      else if (images && images.length > 2) {
        const folder = read(element, "folder");
        found.push({ selector: T.path(element), axis: "", kind: "list", urls: images.map((each) => T.absolute(folder ? folder + each : each)).filter(Boolean) });
      } else if (read(element, "sprite") || (read(element, "row-count") && read(element, "col-count"))) {
        const style = getComputedStyle(element).backgroundImage.match(/url\(["']?([^"')]+)/);
        const url = T.absolute(read(element, "sprite") || read(element, "image-url") || (style ? style[1] : ""));
        const rows = parseInt(read(element, "row-count"), 10) || 1, columns = parseInt(read(element, "col-count"), 10) || 1;
        if (url && rows * columns > 2) found.push({ selector: T.path(element), axis: "", kind: "sprite", url, rows, columns, frames: parseInt(read(element, "frame-count"), 10) || rows * columns });
      } else if (element.classList && element.classList.contains("spritespin-instance")) found.push(...spriteSpin(element));
    }
    const known = new Set(found.map((each) => each.selector));
    for (const { element, lib, config } of notes)
      if (lib === "cloudimage-360" && element.isConnected && !known.has(T.path(element))) found.push(...cloudimage(element, (name) => config[name]));
    return found;
  };

  // Panoramas are looked at from inside: never a turn of the car. The files, as far as a page names them.
  const PANORAMA = ".pnlm-container, .psv-container, a-sky, .krpano, [class*='panolens' i], [class*='marzipano' i]";
  T.spinPanorama = async () => {
    const viewer = [...T.elements(document)].find((each) => each.matches(PANORAMA));
    if (!viewer) return null;
    const named = notes.filter((each) => each.lib === "pannellum" && each.config).flatMap(({ config }) =>
      [config, ...Object.values(config.scenes || {}), config.default || {}].flatMap((each) => (Array.isArray(each.cubeMap) ? each.cubeMap : [each.panorama])));
    const sky = document.querySelector("a-sky[src]");
    const source = sky ? sky.getAttribute("src").trim().replace(/^url\(["']?|["']?\)$/g, "") : "";
    const asset = source.startsWith("#") && document.getElementById(source.slice(1)); // an <img> in <a-assets>
    if (source) named.push(asset ? asset.getAttribute("src") : source);
    return { selector: T.path(viewer), urls: [...new Set(named.filter((each) => typeof each === "string").map(T.absolute).filter(Boolean))] };
  };
  // A tour leads from one panorama to the next: its links are followed until several in a row load nothing new.
  const LEADS_ON = "[class*='virtual-tour-link'], [class*='virtual-tour-arrow']:not([class*='arrows']), .pnlm-scene, [class*='hotspot' i][class*='link' i]";
  T.spinTour = async (seconds) => { T.guard(true); try { return await tour(seconds); } finally { T.guard(false); } };
  async function tour(seconds) {
    const end = performance.now() + seconds * 1000, files = () => performance.getEntriesByType("resource").length;
    let followed = 0;
    for (let idle = 0, links = []; ; followed += 1) {
      await T.waitFor(() => (links = [...T.elements(document)].filter((each) => each.matches(LEADS_ON) && each.getClientRects().length && !T.declared(each) && !T.apart(each))).length, followed ? 4000 : 500);
      if (!links.length || idle > links.length + 1) return { followed, left: false };
      if (performance.now() > end) return { followed, left: true };
      const before = files();
      const link = links[followed % links.length], box = link.getBoundingClientRect();
      // Some viewers make a click of their own of a button that goes down and up.
      const at = { bubbles: true, cancelable: true, view: window, button: 0, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
      for (const [Kind, name] of [[PointerEvent, "pointerdown"], [MouseEvent, "mousedown"], [PointerEvent, "pointerup"], [MouseEvent, "mouseup"]]) link.dispatchEvent(new Kind(name, at));
      link.click();
      await T.waitFor(() => files() > before, 1500);
      await T.waitFor(() => !T.loading(), 5000);
      idle = files() > before ? 0 : idle + 1;
    }
  }
  T.sizes = (urls) => Promise.all(urls.map((url) => T.measure(url, 10000)));

  // A 3D model whose camera can be set: exact angles.
  T.spinModel = async (ms) => {
    const model = [...T.elements(document)].find((each) => each.localName === "model-viewer");
    if (!model) return null;
    await T.waitFor(() => model.loaded && typeof model.jumpCameraToGoal === "function" && model.toDataURL, ms);
    if (!model.loaded) return { selector: T.path(model), ready: false };
    T.stage = model;
    model.removeAttribute("auto-rotate");
    model.removeAttribute("ar");
    if (model.resetTurntableRotation) model.resetTurntableRotation(0);
    model.setAttribute("interaction-prompt", "none");
    T.modelOrbit = model.getCameraOrbit();
    return { selector: T.path(model), ready: true };
  };
  // The car turns counter-clockwise, seen from above, when the camera goes clockwise.
  T.spinModelAt = async (degrees) => {
    const model = T.stage, { theta, phi, radius } = T.modelOrbit;
    model.cameraOrbit = `${theta - (degrees * Math.PI) / 180}rad ${phi}rad ${radius}m`;
    await model.updateComplete;
    model.jumpCameraToGoal();
    for (let n = 0; n < 3; n += 1) await T.frame();
    return model.toDataURL("image/png");
  };

  // (b) and (c): the largest picture or canvas on the page is the viewer
  // What a sheet is moved behind: the nearest box around it that cuts it off.
  const cutsOff = (img) => { for (let at = T.parent(img); at; at = T.parent(at)) if (/hidden|clip/.test(getComputedStyle(at).overflow)) return at; return null; };
  const windowOf = (img) => {
    const at = cutsOff(img);
    if (!at) return null;
    const own = img.getBoundingClientRect(), box = at.getBoundingClientRect();
    return own.width < box.width * 1.9 && own.height < box.height * 1.9 ? null : at;
  };
  const area = (box) => Math.max(0, box.width) * Math.max(0, box.height);
  T.spinStage = (wanted) => {
    let best = null, size = 0;
    for (const element of T.elements(document)) {
      const isCanvas = element.tagName === "CANVAS", isImage = element.tagName === "IMG";
      const isBackdrop = !isCanvas && !isImage && wanted === "drag" && element.getClientRects().length && getComputedStyle(element).backgroundImage.includes("url(");
      if (element.closest && element.closest("model-viewer")) continue;
      if (wanted === "canvas" ? !isCanvas : wanted === "drag" ? isCanvas || !(isImage || isBackdrop) : !(isCanvas || isImage)) continue;
      const box = element.getBoundingClientRect();
      if (area(box) > size) { best = element; size = area(box); }
    }
    if (!best || size < 150 * 100) return null;
    const opening = best.tagName === "IMG" ? windowOf(best) : null; // of a sheet: scrolling to the sheet would move it there
    (opening || best).scrollIntoView({ block: "center" });
    T.stage = best;
    const box = (opening || best).getBoundingClientRect();
    return {
      selector: T.path(best), kind: best.tagName === "CANVAS" ? "canvas" : "drag",
      x: Math.max(0, box.left), y: Math.max(0, box.top), width: Math.min(box.width, innerWidth - Math.max(0, box.left)), height: Math.min(box.height, innerHeight - Math.max(0, box.top)),
      webgl: best.tagName === "CANVAS" && T.webgl.has(best),
    };
  };
  T.spinFocus = () => {
    // keys go to the nearest ancestor that accepts them, or to the page
    for (let at = T.stage; at; at = T.parent(at)) if (at.tabIndex >= 0) { at.focus({ preventScroll: true }); return true; }
    return false;
  };

  // A slider or a button of the viewer that turns it: how many steps there are to take, 0 if there is neither.
  const TURNS = /(?<!\p{L})(?:rotat(?:e|ion)|turn|spin|next|right|forwards?|drehen|rechts|weiter|tourner|droite|suivante?|girar|derecha|siguiente|gira|destra|вправо|повернуть)(?!\p{L})|회전|오른쪽|다음|回転|右|次|旋转/iu;
  const BACK = /(?<!\p{L})(?:left|prev|previous|back|links|zurück|gauche|précédente?|izquierda|anterior|sinistra|влево|counter ?clockwise|return|copyright|align|float|text|pull|justify)(?!\p{L})|왼쪽|이전|左|前/iu;
  const SAYS = /^(?:(?:rotate|turn|spin|drehen|tourner|girar)(?: (?:right|left|the car|car|clockwise|nach rechts|à droite|a la derecha))?|(?:show )?next(?: (?:frame|image|view|picture|angle))?|forwards?|right|rechts|droite|derecha|suivante?|siguiente|회전|오른쪽|다음|回転|右|次|旋转|[›»→>❯⟩▶▸↻⟳⟲↺])$/iu;
  const RANGES_ELSE = /(?<!\p{L})(?:price|preis|prix|precio|volume|zoom|brightness|budget|year|baujahr|mileage|km|filter|distance|loan|rate|deposit|months?)(?!\p{L})|가격/iu;
  const words = (text) => text.replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2").replace(/[-_]+/g, " ");
  const turns = (each) => {
    const named = words(`${each.getAttribute("aria-label") || ""} ${each.title} ${each.id} ${each.getAttribute("class") || ""} ${each.name || ""}`);
    if (each.type === "range") return !RANGES_ELSE.test(`${named} ${[...(each.labels || [])].map((label) => label.textContent).join(" ")}`);
    const text = T.text(each.textContent);
    return text ? SAYS.test(text) && !BACK.test(named) : TURNS.test(named) && !BACK.test(named);
  };
  const CONTROLS = "input[type=range], button, [role=button], [class*='arrow' i]", NEAR = 150;
  let control = null;
  T.spinControl = (most) => {
    const usable = (each) => each.getClientRects().length && !each.disabled && !each.matches("[type=submit], [href], [role=switch]") && !each.closest("audio, video, nav, header, footer, a[href]") &&
      !T.inForm(each) && !T.doesElse(each) && !T.declared(each) && !T.apart(each) && T.beside(each, [T.stage], NEAR) && turns(each);
    control = null;
    let at = T.stage;
    for (let depth = 0; depth < 3 && at && !control; depth += 1) {
      at = T.parent(at) || at.getRootNode().host || null;
      const near = at ? [...at.querySelectorAll("*")].filter((each) => (each.matches(CONTROLS) || T.plain(each, (text) => SAYS.test(text))) && usable(each)) : [];
      control = near.find((each) => each.type === "range") || near[0] || null;
    }
    if (!control || control.type !== "range") return control ? most : 0;
    const { min, max, step } = control;
    return Math.min(most, Math.floor(((+max || 100) - (+min || 0)) / (+step || 1)) + 1);
  };
  T.spinStep = (place) => {
    if (control.type !== "range") return control.click();
    control.value = (+control.min || 0) + place * (+control.step || 1);
    for (const kind of ["input", "change"]) control.dispatchEvent(new Event(kind, { bubbles: true }));
  };

  // what the stage shows now: the address, if the frames are pictures
  T.spinShown = () => {
    const stage = T.stage;
    if (!stage.isConnected) return null;
    if (stage.tagName === "IMG") return T.absolute(stage.currentSrc || stage.src);
    const url = getComputedStyle(stage).backgroundImage.match(/url\(["']?([^"')]+)/);
    return url ? T.absolute(url[1]) : null;
  };

  // the part of a sheet that shows through the stage, in parts of its size; null: all of it, or unknown
  T.spinCell = () => {
    const stage = T.stage;
    if (!stage.isConnected) return null;
    const style = getComputedStyle(stage), box = stage.getBoundingClientRect();
    if (stage.tagName === "IMG") {
      const opening = windowOf(stage), frame = opening && opening.getBoundingClientRect();
      if (!frame) return null;
      const left = Math.max(0, frame.left - box.left), top = Math.max(0, frame.top - box.top);
      return [left / box.width, top / box.height, Math.min(1, frame.width / box.width), Math.min(1, frame.height / box.height)];
    }
    const size = style.backgroundSize.match(/^([\d.]+)(px|%)(?:\s+([\d.]+)(px|%))?$/);
    const natural = T.sheetSize;
    if (!natural) return null;
    const width = size ? (size[2] === "%" ? (box.width * size[1]) / 100 : +size[1]) : natural[0];
    const height = size && size[3] ? (size[4] === "%" ? (box.height * size[3]) / 100 : +size[3]) : (natural[1] * width) / natural[0];
    if (width < box.width * 1.9 && height < box.height * 1.9) return null;
    const along = (value, all, view) => { const number = parseFloat(value); return /%$/.test(value) ? ((all - view) * number) / 100 : -number; };
    const [x, y] = style.backgroundPosition.split(/\s+/);
    return [along(x, width, box.width) / width, along(y, height, box.height) / height, box.width / width, box.height / height];
  };
  T.spinMeasureSheet = async () => { const url = T.spinShown(); T.sheetSize = url ? await T.measure(url) : null; };

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
  // A small grey copy of what the canvas shows, when it has stopped moving: frames that never repeat exactly.
  const SMALL = 32;
  const small = document.createElement("canvas");
  small.width = small.height = SMALL;
  const pen = small.getContext("2d", { willReadFrequently: true });
  const grey = () => {
    pen.drawImage(T.stage, 0, 0, SMALL, SMALL);
    const data = pen.getImageData(0, 0, SMALL, SMALL).data, out = [];
    for (let i = 0; i < data.length; i += 4) out.push(Math.round((data[i] + data[i + 1] + data[i + 2]) / 3));
    return out;
  };
  const far = (a, b) => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
  T.spinStill = async (ms) => {
    const end = performance.now() + ms;
    let before = grey(), still = 0;
    while (still < 2 && performance.now() < end) {
      await T.frame();
      const now = grey();
      still = far(before, now) < 0.02 ? still + 1 : 0;
      before = now;
    }
    return { grey: before, still: still >= 2, url: T.stage.toDataURL("image/png") };
  };
  T.spinReadable = async (ms) => {
    try { await T.waitFor(() => !blank(T.stage), ms); return !blank(T.stage); } catch { return false; }
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
