// How many pictures the page says it has. Needs behaviours.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.announced) return;
  const { visible, unopened, OPINIONS, SLIDES } = T.ofBehaviours;
  const NOUN = "(?:photos?|images?|pictures?|pics|shots|slides|fotos?|bilder|bildern|aufnahmen|photographies|imágenes|imagens|immagini|foto|afbeeldingen|zdjęć|zdjęcia|obrázků|kuvaa|bilder|фото(?:графий|графии)?|fotoğraf|resim)";
  const COUNTED = [
    new RegExp(`(?:^|[^\\d.,])(\\d{1,4})\\s*\\+?\\s*${NOUN}(?:$|[^\\p{L}])`, "iu"), new RegExp(`(?:^|[^\\p{L}])${NOUN}\\s*[:(]\\s*(\\d{1,4})(?:$|\\D)`, "iu"),
    /(?:사진|이미지|포토|갤러리)\s*[:(]?\s*(?:총|전체)?\s*(\d{1,4})\s*(?:장|개|건)?/u, /(?:^|\D)(\d{1,4})\s*(?:장|枚|張|张)(?!\p{L})/u, /(?:写真|画像|图片|圖片|照片)\s*[:(（]?\s*(\d{1,4})/u,
  ];
  const PLACE = /^\D{0,12}(\d{1,4})\s*(?:\/|of|von|de|sur|di|van|из|z|av|\||중)\s*(\d{1,4})\D{0,12}$/iu;
  const START = /^1\s*\/\s*\d{1,3}$/; // how a counter begins, wherever it is
  const PICTURE = new RegExp(`(?:^|[^\\p{L}])${NOUN}(?:$|[^\\p{L}])`, "iu");
  const AROUND = "[class*='galler' i],[class*='carousel' i],[class*='slid' i],[class*='swiper' i],[class*='splide' i],[class*='photo' i],[class*='lightbox' i],[class*='count' i],[id*='count' i],[class*='fraction' i],[id*='galler' i],[class*='image' i],[class*='lg-' i],[class*='pswp' i],[class*='fslightbox' i],[aria-roledescription]";
  const NEAR = 40; // pixels between a counter and the picture that it counts
  const NOT_PICTURES = /(?:^|[^\p{L}])(?:stars?|sterne|étoiles|estrellas|pages?|seiten?|página|pagina|steps?|schritt|reviews?|комментар\p{L}*|страниц\p{L}*)(?:$|[^\p{L}])/iu;
  const MORE_PICTURES = new RegExp(`^\\+\\s?(\\d{1,3})(?:\\s+(?:more|mehr|weitere|de plus|más|mais|altre|meer|więcej|ещ[её])?\\s*${NOUN}?)?$`, "iu");
  function* gallerySizes(text) {
    let data = null;
    try { data = JSON.parse(text); } catch { return; }
    for (const open = [data]; open.length;) {
      const each = open.pop();
      if (!each || typeof each !== "object") continue;
      if (/^(?:Image|Media)Gallery$/.test([each["@type"]].flat()[0])) for (const { numberOfItems } of [each, each.mainEntity || {}]) yield +numberOfItems;
      open.push(...Object.values(each));
    }
  }
  T.announced = () => {
    const found = [];
    const pictures = [...T.elements(document)].filter((each) => each.tagName === "IMG" && visible(each)).map((each) => ({ box: each.getBoundingClientRect(), url: each.currentSrc || each.src })).filter(({ box }) => box.width >= 60 && box.height >= 45);
    const beside = (element) => {
      const own = element.getBoundingClientRect();
      return own.width > 0 && !element.querySelector("img") && pictures.some(({ box }) => own.left < box.right + NEAR && own.right > box.left - NEAR && own.top < box.bottom + NEAR && own.bottom > box.top - NEAR);
    };
    const note = (count, why) => { if (count >= 2 && count <= 2000) found.push({ count, why: T.text(why).slice(0, 80) }); };
    const slides = { all: 0, empty: 0 };
    for (const element of T.elements(document)) {
      if (element.closest(OPINIONS)) continue;
      const size = parseInt(element.getAttribute("aria-setsize"), 10);
      if (size && (element.querySelector("img,picture,canvas") || element.tagName === "IMG" || element.closest(AROUND))) note(size, `aria-setsize=${size}`);
      for (const name of ["data-total", "data-total-images", "data-image-count", "data-photo-count", "data-total-photos", "data-total-slides", "data-slide-count", "data-images-count"]) {
        const value = element.getAttribute(name);
        if (value && /^\d{1,4}$/.test(value) && (name !== "data-total" || element.matches(AROUND))) note(+value, `${name}=${value}`);
      }
      if (element.matches(SLIDES) && !/clone|duplicate/i.test(element.getAttribute("class") || "")) {
        slides.all += 1;
        const shows = element.querySelector("img[src],img[srcset],img[data-src],img[data-srcset],picture,video,canvas,svg,iframe") || element.tagName === "IMG" || [element, ...element.querySelectorAll("*")].some((each) => getComputedStyle(each).backgroundImage.includes("url(") || [...each.attributes].some(({ name, value }) => name.startsWith("data-") && T.pictureAddress(value, false)));
        if (!shows && !T.text(element.textContent)) slides.empty += 1;
      }
      const label = element.getAttribute("aria-label");
      const texts = [label || ""];
      if (!element.children.length || (element.textContent || "").length < 60) texts.push(element.innerText || "");
      for (const each of texts) {
        const line = T.text(each);
        if (!line || line.length > 60 || NOT_PICTURES.test(line)) continue;
        const place = line.match(PLACE);
        if (place && +place[1] <= +place[2] && ((START.test(line) && beside(element)) || element.closest(AROUND) || label === each || PICTURE.test(line))) note(+place[2], line);
        else for (const pattern of COUNTED) { const hit = line.match(pattern); if (hit) { note(+hit[1], line); break; } }
      }
    }
    for (const each of unopened) {
      const line = T.text(each.innerText), more = each.isConnected && visible(each) && beside(each) && line.match(MORE_PICTURES);
      if (more) note(new Set(pictures.filter(({ box }) => box.width >= 100 && box.height >= 75).map(({ url }) => url)).size + +more[1] - 1, `"${line}" did not open`);
    }
    for (const { type, textContent } of document.scripts) if (/ld\+json/i.test(type)) for (const count of gallerySizes(textContent)) note(count, "numberOfItems of the gallery");
    if (slides.empty) found.push({ count: 0, empty: slides.empty, why: `${slides.empty} of ${slides.all} slides show no picture` });
    return found;
  };
})();
