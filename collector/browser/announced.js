// How many pictures the page says it has. Needs behaviours.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.announced) return;
  const { visible, unopened, OPINIONS, SLIDES } = T.ofBehaviours;
  const NOUN = "(?:photos?|images?|pictures?|pics|shots|slides|fotos?|bilder|bildern|aufnahmen|photographies|imágenes|imagens|immagini|foto['’]s|foto|afbeeldingen|zdjęć|zdjęcia|obrázků|fotografií|fotografi[ae]s?|fotografías|fotografii|fotek|fotiek|fotó|kép|kuvaa|kuvat|billeder|clichés|poze|imagini|slika|φωτογραφί(?:ες|α)|φωτογραφιών|фото(?:графий|графии|графій|графії)?|снимки|зображен(?:ь|ня)|fotoğraf(?:ı|i|lar|ları)?|resim|gambar|(?:hình )?ảnh|รูป(?:ภาพ)?|صور(?:ة)?|תמונות)";
  // Those that are not of one picture: "Photos 24", but not "Photo 24".
  const PLURAL = "(?:photos|images|pictures|pics|fotos|bilder|photographies|imágenes|imagens|immagini|foto['’]s|afbeeldingen|zdjęcia|fotografías|kuvat|billeder|фотографии|fotoğraflar)";
  const COLLECTION = "(?:(?:photo|image|picture|bilder|foto)?[- ]?(?:galler(?:y|ie|ia|ij)|galerie|galería|galeria)(?: photos?)?|fotostrecke|diaporama|slideshow|фотогалерея|галерея|ギャラリー|フォトギャラリー|图库|相册)";
  const KIND = "(?:(?:more|other|additional|new|hd|4k|hi-?res|high[- ]res(?:olution)?|high[- ]quality|full[- ]size|large|detail(?:ed)?|official|original|actual|press|studio|exterior|interior|weiteren?|andere|hochauflösende|neuen?|große|autres|nouvelles|altre|meer|więcej|ещ[её]|flere|fler|fleiri)\\s+)?";
  // "Peugeot 208 photos" and "A4 Bilder" are of a model, "up to 20 photos" is a limit, "October 24 photos" a date; other words may be before a number of pictures.
  const MAKE = "abarth|acura|alpina|alpine|aston|audi|bentley|benz|bmw|bugatti|buick|byd|cadillac|chery|chevrolet|chevy|chrysler|citro[eë]n|cupra|dacia|daewoo|daihatsu|datsun|dodge|ds|ferrari|fiat|ford|geely|gmc|honda|hongqi|hyundai|infiniti|isuzu|iveco|jaguar|jeep|kia|lada|lamborghini|lancia|lexus|lincoln|lotus|martin|maserati|mazda|mclaren|mercedes|mg|mini|mitsubishi|nissan|opel|peugeot|polestar|porsche|renault|romeo|rover|saab|seat|[sš]koda|smart|ssangyong|subaru|suzuki|tata|tatra|tesla|toyota|trabant|vauxhall|volkswagen|volvo|vw|wartburg|zeekr|ваз|газ|уаз|заз|лада|москвич";
  // "Series 3 photos" is a name; "3 Series 24 photos" and "E-Class 24 photos" have a number.
  const SERIES_WORD = "(?<!(?<![\\p{L}\\p{N}])[\\p{L}\\p{N}][ -]?)(?:series?|série|class|klasse|clase|classe)";
  // After these names a small number is the generation ("Golf 8"), and "Golf 24 photos" counts; "GLC 300" is a name as a whole.
  const GENERATIONS = "aygo|ateca|auris|berlingo|captur|duster|elantra|hilux|insignia|juke|kadjar|karoq|kodiaq|kona|kuga|laguna|lancer|logan|macan|mi[ck]ra|mokka|niro|outlander|pajero|panamera|picanto|prius|puma|qashqai|rav|sandero|sonata|sorento|sportage|stilo|taycan|touareg|touran|tucson|vitara|wrangler|yaris|zafira|golf|passat|polo|jetta|tiguan|transporter|kadett|corsa|astra|vectra|ascona|clio|m[eé]gane|twingo|sc[eé]nic|focus|fiesta|mondeo|escort|mustang|civic|accord|corolla|celica|supra|camry|octavia|superb|fabia|scala|ibiza|le[oó]n|cooper|seal|dolphin|atto|panda|punto|giulia|giulietta|ioniq";
  const SERIES = `(?:${GENERATIONS})(?=\\s+(?:\\d|1[0-2])(?!\\d))|(?:gl[abceks]|cl[aeks]|sl[ckr]|eq[abcesv])(?=\\s+\\d{3}(?!\\d))|tron|boxster|cayman|speedster|roadster|defender|ram|silverado|sierra|model(?:l|o|lo)?|modèle|${SERIES_WORD}|type?|tipo|gen|generation|mk|mark|phase|cx|mx|rx|gr|gt|xc|id|ev|[cqx]`;
  const LIMIT = "upload|add|attach|up to|at least|m[aá]x(?:imum|imal|imo)?|massimo|min(?:imum|destens)?|bis zu|jusqu['’]à|hasta|fino a";
  const DATE = "jan(?:uary|uar)?|janvier|enero|janeiro|gennaio|januari|feb(?:ruary|ruar)?|février|febrero|fevereiro|febbraio|februari|mar(?:ch|s)?|märz|marzo|março|maart|apr(?:il|ile)?|avril|abril|may|mai|mayo|maio|maggio|mei|maj|june?|juni|juin|junio|junho|giugno|july?|juli|juillet|julio|julho|luglio|aug(?:ust|usti)?|août|agosto|augustus|sept?(?:ember)?|septembre|se[pt]t?iembre|setembro|settembre|oct(?:ober)?|okt(?:ober)?|octobre|octubre|outubro|ottobre|nov(?:ember|embre|iembre|embro)?|de[cz](?:ember)?|décembre|diciembre|dezembro|dicembre|top|days?|tag|jour|día|dia|giorno|dag|parte?|partie|teil|week|chapter|chapitre|cap[íi]tulo|capitolo|kapitel|глава|часть|выпуск|lesson|episode|issue|heft|vol(?:ume)?|step|schritt|étape";
  const MONTH = DATE.slice(0, DATE.indexOf("|top"));
  // "E 220", "RS 6" and "DB 11" are models, unless the short word is one of a language.
  const SHORT_WORD = `of|in|on|at|by|to|my|we|or|an|im|zu|ab|de|du|le|la|et|en|au|ou|un|el|al|se|su|tu|da|do|em|na|no|os|as|um|di|il|lo|ed|op|er|te|om|ze|od|ve|av|af|og|hd|y|(?<!(?:${MAKE})\\s+)(?:e(?=\\s+\\d{1,2}\\s*(?:foto|fotos|imagens|immagini)(?!\\p{L}))|i(?=\\s+\\d{1,2}\\s*zdj)|a(?=\\s+\\d{1,2}\\s*(?:fotografi|obráz)))|(?<=\\by\\s+)a|z(?=\\s+\\d+\\s*(?:zdj|fotog))`;
  const SHORT = `(?<!['’])(?!(?:${SHORT_WORD})(?!\\p{L}))[a-z]{1,2}`;
  const LEADING = `(?:^|[^\\p{L}\\p{N}\\s.,'&/:-]\\s*|(?<!\\d\\s?):\\s*|(?<=\\d):\\s+|[-–,]\\s+|(?<=(?<![\\d.,])(?:19|20)\\d\\d)\\s+|(?<=\\p{L}\\p{N}*)(?<!(?<![\\p{L}\\p{N}])(?:${MAKE}|${SERIES}|${LIMIT}|${DATE}|${SHORT}))\\s+)`;
  const NUMBER = new RegExp(`${LEADING}(?!360(?!\\d))(\\d{1,4})\\s*\\+?\\s*${KIND}${NOUN}(?:$|[^\\p{L}])(?!\\s*(?:max(?:imum|imal)?|per|pro|allowed)(?!\\p{L}))`, "iu");
  const ALONE = new RegExp(`^${PLURAL}\\s+(?!360$)(\\d{1,3})$`, "iu"); // on a tab; "Photos 360" is a view all around
  // "View all (24)" counts pictures where it is over one, or in what is named like a gallery.
  const ALL = /^(?:(?:(?:show|view|see|open|browse) )?all|alle|(?:voir )?tout(?:es)?|(?:ver )?tod[oa]s|tutte|전체 ?보기|모두 ?보기|すべて(?:見る|表示)|查看全部)\s*[(（]?(\d{1,3})[)）]?(?: anzeigen| ansehen)?$/iu;
  const COUNTED = [
    NUMBER, ALONE, new RegExp(`(?:^|[^\\p{L}])(?:${NOUN}|${COLLECTION})\\s*[:(（]\\s*(\\d{1,4})(?![\\p{L}\\d]|[./-]\\d|\\.?\\s*(?:${MONTH})(?!\\p{L}))`, "iu"),
    /(?:사진|이미지|포토|갤러리)(?:\s*(?:모두|전체|더)\s*보기)?\s*[:(]?\s*(?:총|전체)?\s*(\d{1,4})\s*(?:장|개|건)?/u,
    /(?<!\d|(?:최대|最大|最多|至多|不超过|上限|ページ|페이지당|每页)[^\p{L}\d]*)(\d{1,4})\s*(?:장|枚|張|张)(?:(?!\p{L})|(?=[의을のをが中]|[高大]?清?[图圖照相]))/u,
    /(?:写真|画像|图片|圖片|照片)\s*[:(（]?\s*(\d{1,4})/u,
  ];
  const COUNT_IN_TITLE = new RegExp(`${LEADING}\\d{1,4}\\s*\\+?\\s*(?:[\\p{L}-]+\\s+){0,2}${NOUN}(?!\\p{L})`, "gimu"); // "BMW M3: 24 HD pictures"
  const EARLIEST_YEAR = 1950; // counts are below 2000
  const PLACE = /^(\D{0,24}?)(\d{1,4})(\s*)(\/|(?:out )?of|von|de|sur|di|van|из|z|av|\||중)(\s*)(\d{1,4})(\D{0,12})$/iu;
  const PICTURE = new RegExp(`(?:^|[^\\p{L}])(?:${NOUN}|bild|imagen|imagem|immagine|zdjęcie|obraz|kuva|사진|이미지|写真|画像|图片|照片)(?:$|[^\\p{L}])`, "iu");
  const COUNTING = new RegExp(`^(?:\\P{L}|${NOUN}|items?|slide|folie|diapositiva|element\\p{L}*|élément|image|photo|picture|bild|foto|no|nr|n|currently|showing|number|total|the|current|zeige|총|전체|번째|장|页|枚|張|张)*$`, "iu");
  // What says that a ratio near a picture is a counter, and what says that it is something else.
  const GALLERY = /galler|carousel|karussell|slid(?:er|es?)(?![a-z])|slider|slideshow|swiper|splide|lightbox|(?<![a-z])lg-|pswp|fslightbox|glightbox|fancybox|f-(?:carousel|thumbs|button)|flickity|slick|viewer/i;
  const COUNTER = /(?<!dis|ac)count(?!r|ies)|fraction|(?<![a-z]|z-)(?:index|indicator|paginat\w*|infobar)(?![a-z])|Counter|Index/;
  const RATIO = /scor|rating|rank|(?<![a-z])(?:dates?|time|price|scale(?!-)|massstab|maßstab|size(?!-)|steps?|tel|phone|specs?|stats?|odds|split|ratio|discount|badge-new|hours)(?![a-z])/i;
  const PHOTOS = /galler|photo|lightbox/i;
  const NEAR = 40; // pixels between a counter and the picture that it counts
  const MOST_CARDS = 2; // more texts that look like the beginning of a counter, and all like a scale, are labels of cards
  // Of a model car "1 / 18" is its size; a bare "scale" says nothing of one (the Škoda Scala).
  const SCALES = new Set([4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 24, 25, 32, 35, 36, 38, 43, 48, 50, 60, 64, 72, 76, 87, 100, 120, 148, 160, 220]);
  const SCALE_MODEL = /(?<![\p{L}\d:])(?:die-?cast|miniatur\p{L}*|modellauto\p{L}*|(?:model|toy) ?cars?|scale[ -]models?|(?:scale|ma(?:ß|ss)stab|échelle) ?:? ?1 ?[:/] ?\d{1,3}|(?:escala|scala|skala) ?:? ?1 ?: ?\d{1,3}|modell? (?:in|im) 1 ?: ?\d{1,3}|1 ?: ?\d{1,3} ?(?:scale|ma(?:ß|ss)stab)|1 ?: ?(?:64|72|76|87))(?![\p{L}\d:])|다이캐스트|미니카|ミニカー|模型/iu;
  const SCALE_IN_TITLE = /(?<![\p{L}\d:])1 ?: ?(?:[58]|1[028]|24|3[25]|43|50)(?! ?[ap]\.?m|[\p{L}\d:])/iu; // elsewhere a time
  const NOT_PICTURES = /(?:^|[^\p{L}])(?:stars?|sterne|étoiles|estrellas|pages?|seiten?|página|pagina|steps?|schritt|reviews?|комментар\p{L}*|страниц\p{L}*)(?:$|[^\p{L}])/iu;
  const MORE_PICTURES = new RegExp(`^\\+\\s?(\\d{1,3})(?:\\s+(?:more|mehr|weitere|de plus|más|mais|altre|meer|więcej|ещ[её])?\\s*${NOUN}?)?$`, "iu");
  // A bare "+49" beside a picture, and not over it, may be where a phone number begins.
  const CALLING_CODE = /^\+\s?(?:2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[2-9]\d\d)$/;
  function* gallerySizes(text) {
    let data = null;
    try { data = JSON.parse(text); } catch { return; }
    for (const open = [data]; open.length;) {
      const each = open.pop();
      if (!each || typeof each !== "object") continue;
      if (/^(?:Image|Media)Gallery$/.test([each["@type"]].flat()[0])) for (const { numberOfItems } of [each, each.mainEntity || {}]) yield +numberOfItems;
      for (const inside of Object.values(each)) open.push(inside);
    }
  }
  // What a slide says without a picture; what only a screen reader is told, and a closed dialog's captions, are no content.
  const spoken = (element, closed) => {
    let words = element.textContent;
    for (const each of element.querySelectorAll(`[role=status], .visually-hidden, .sr-only${closed ? ", figcaption" : ""}`)) words = words.replace(each.textContent, "");
    return T.text(words);
  };
  // How many slides the lists of closed dialogs have; of those of one length one counts: previews, or a second dialog, show the same.
  function sizesOf(closedSlides) {
    const around = new Map(), lists = new Map(); // element -> slides below it; what is around two slides or more -> their number
    for (const { element, dialog } of closedSlides) for (let at = T.parent(element); at && dialog.contains(at); at = T.parent(at)) around.set(at, (around.get(at) || 0) + 1);
    for (const { element, dialog } of closedSlides) {
      let list = T.parent(element);
      while (around.get(list) < 2 && dialog !== list) list = T.parent(list);
      lists.set(list, { dialog, size: (lists.get(list) || { size: 0 }).size + 1 });
    }
    const sizes = new Set();
    for (const dialog of new Set(closedSlides.map((each) => each.dialog))) {
      const own = [...lists.values()].filter((each) => each.dialog === dialog).map(({ size }) => size);
      if (own.length > 2 && Math.max(...own) <= 4) sizes.add(own.reduce((sum, each) => sum + each, 0)); // rows of a grid
      else for (const each of own) sizes.add(each);
    }
    return [...sizes];
  }
  const inside = []; // what opened dialogs said before they were closed
  T.noteInside = () => { for (const each of T.announced(T.inOpened())) if (each.count && !inside.some(({ why }) => why === each.why)) inside.push(each); };
  // By all elements, or by those that `within` says yes to: an open dialog lies over the page, and its pictures over texts.
  T.announced = (within = null) => {
    const found = [];
    const pictures = [...T.elements(document)].filter((each) => each.tagName === "IMG" && visible(each)).map((each) => ({ box: each.getBoundingClientRect(), url: each.currentSrc || each.src })).filter(({ box }) => box.width >= 60 && box.height >= 45);
    const reaches = (element, gap) => {
      const own = element.getBoundingClientRect();
      return own.width > 0 && !element.querySelector("img") && pictures.some(({ box }) => own.left < box.right + gap && own.right > box.left - gap && own.top < box.bottom + gap && own.bottom > box.top - gap);
    };
    const beside = (element) => reaches(element, NEAR), over = (element) => reaches(element, -4);
    const shown = new Set(pictures.map(({ url }) => url)).size;
    const named = (element) => `${element.getAttribute("class") || ""} ${element.id}`;
    const nearNames = (element) => [element, element.parentElement, element.parentElement && element.parentElement.parentElement].filter(Boolean).map(named).join(" ");
    const said = new Map(); // element -> whether a gallery is around it
    const inGallery = (element) => {
      if (!element || /^(?:HTML|BODY|MAIN)$/.test(element.tagName)) return false;
      if (!said.has(element)) said.set(element, GALLERY.test(named(element)) || element.hasAttribute("aria-roledescription") || inGallery(T.parent(element) || element.getRootNode().host));
      return said.get(element);
    };
    const title = [T.ofDocument("title"), ...[...document.querySelectorAll("h1")].map((each) => each.textContent)].join("\n").replace(COUNT_IN_TITLE, "\n");
    // The name of a model, no scale or time ("1:24").
    const inTitle = (count) => new RegExp(`(?<![\\d.,]|\\d ?: ?)${count}(?![\\d.,]| ?: ?\\d|\\s*\\+?\\s*${NOUN})`, "iu").test(title);
    // Of a phone number: something to type in, or more digits, in what is around it without a picture.
    const callsSomebody = (element) => {
      for (let at = T.parent(element); at && !/^(?:HTML|BODY|MAIN)$/.test(at.tagName) && !at.querySelector("img"); at = T.parent(at))
        if (at.querySelector("input, select, a[href^='tel:']") || /\d[\d\s()/-]{4,}\d/.test(at.textContent)) return true;
      return [element.previousElementSibling, element.nextElementSibling].some((each) => each && each.matches("input, select, a[href^='tel:']"));
    };
    const scaleSaid = new Map(); // element -> whether its text, with spaces between paragraphs, is of a model car
    const saysScale = (element) => {
      if (!scaleSaid.has(element)) scaleSaid.set(element, SCALE_MODEL.test((element.innerText || element.textContent).slice(0, 400)));
      return scaleSaid.get(element);
    };
    const ofScaleModel = (element) => {
      if (SCALE_MODEL.test(title) || SCALE_IN_TITLE.test(title)) return true;
      for (let at = element, depth = 0; at && depth < 4 && !/^(?:HTML|BODY|MAIN)$/.test(at.tagName); at = T.parent(at), depth += 1) if (saysScale(at)) return true;
      return false;
    };
    const cards = [];
    // Whether "3 / 10" counts pictures: by its words, by what it is in, or by its form and place.
    const counts = (element, line, place, isLabel) => {
      const [, before, at, left, sign, right, of, after] = place, n = +at, spaced = sign !== "/" || !!(left && right);
      if (n < 1 || n > +of) return false;
      if (PICTURE.test(line)) return true;
      const near = nearNames(element);
      if (RATIO.test(near) || element.closest("time, address, table, select, a[href^='tel:']")) return false;
      const gallery = inGallery(element), counter = COUNTER.test(near) || element.hasAttribute("aria-live");
      if (n > 1 && n > shown + 2 && !(counter && spaced)) return false; // nobody came so far
      if (!COUNTING.test(before) || !COUNTING.test(after)) return isLabel && gallery;
      if (counter) return gallery || isLabel || beside(element);
      if (gallery || isLabel) return spaced || n === 1 || over(element);
      if (n === 1 && SCALES.has(+of) && ofScaleModel(element)) return false;
      if (n === 1 && beside(element)) cards.push({ count: +of, line, spaced, sure: spaced || over(element) });
      return false;
    };
    const note = (count, why) => { if (count >= 2 && count <= 2000) found.push({ count, why: T.text(why).slice(0, 80) }); };
    const slides = { all: 0, empty: 0 }, closedSlides = [];
    for (const element of T.elements(document)) {
      if (element.closest(OPINIONS) || (within && !within(element))) continue;
      const size = parseInt(element.getAttribute("aria-setsize"), 10);
      if (size && (element.querySelector("img,picture,canvas") || element.tagName === "IMG" || inGallery(element) || /photo|image/i.test(named(element)))) note(size, `aria-setsize=${size}`);
      for (const name of ["data-total", "data-total-images", "data-image-count", "data-photo-count", "data-total-photos", "data-total-slides", "data-slide-count", "data-images-count"]) {
        const value = element.getAttribute(name);
        if (value && /^\d{1,4}$/.test(value) && (name !== "data-total" || inGallery(element) || /photo|image/i.test(named(element)))) note(+value, `${name}=${value}`);
      }
      if (element.matches(SLIDES) && !/clone|duplicate/i.test(element.getAttribute("class") || "")) {
        const dialog = element.closest("dialog, [role=dialog], [aria-modal]");
        const closed = dialog && (!element.parentElement?.getClientRects().length || T.openedLater(dialog)) ? dialog : null; // one that we opened may load its slides one by one
        const shows = element.querySelector("img[src],img[srcset],img[data-src],img[data-srcset],picture,video,canvas,svg,iframe") || element.tagName === "IMG" || [element, ...element.querySelectorAll("*")].some((each) => getComputedStyle(each).backgroundImage.includes("url(") || [...each.attributes].some(({ name, value }) => name.startsWith("data-") && T.pictureAddress(value, false)));
        const blank = !shows && !spoken(element, closed), filmOnly = shows && element.querySelector("iframe,video") && !element.querySelector("img,picture");
        if (!closed) { slides.all += 1; if (blank) slides.empty += 1; } else if ((shows || blank) && !filmOnly) closedSlides.push({ element, dialog: closed });
      }
      const label = element.getAttribute("aria-label");
      const texts = [label || ""];
      const own = element.textContent || "", alone = () => { const inside = T.text(own); return ![...element.children].some((each) => T.text(each.textContent) === inside); };
      if (!element.children.length || (own.length < 60 && alone())) texts.push(element.innerText || "");
      for (const each of texts) {
        const line = T.text(each);
        if (line.length > 60 || !/\d/.test(line) || NOT_PICTURES.test(line)) continue;
        const place = line.match(PLACE);
        if (place) { if (counts(element, line, place, label === each)) note(+place[6], line); continue; }
        const all = line.match(ALL), link = all && element.closest("a[href]");
        if (all && !(link && link.pathname !== location.pathname) && (over(element) || PHOTOS.test(nearNames(element)))) { note(+all[1], line); continue; }
        for (const pattern of COUNTED) { const hit = line.match(pattern); if (hit) { if (+hit[1] < EARLIEST_YEAR && !((pattern === NUMBER || pattern === ALONE) && inTitle(hit[1]))) note(+hit[1], line); break; } }
      }
    }
    for (const spaced of [true, false]) {
      const alike = cards.filter((each) => each.spaced === spaced);
      if (alike.length <= MOST_CARDS || !alike.every((each) => SCALES.has(each.count))) for (const each of alike) if (each.sure) note(each.count, each.line);
    }
    for (const each of within ? [] : unopened) {
      const line = T.text(each.innerText), more = each.isConnected && visible(each) && beside(each) && line.match(MORE_PICTURES);
      if (more && (callsSomebody(each) || (CALLING_CODE.test(line) && !over(each) && !inGallery(each)))) continue;
      if (more) note(new Set(pictures.filter(({ box }) => box.width >= 100 && box.height >= 75).map(({ url }) => url)).size + +more[1] - 1, `"${line}" did not open`);
    }
    for (const { type, textContent } of T.ofDocument("scripts")) if (/ld\+json/i.test(type)) for (const count of gallerySizes(textContent)) note(count, "numberOfItems of the gallery");
    const closed = sizesOf(closedSlides).reduce((sum, each) => sum + each, 0);
    if (closed) note(closed, `${closed} slides of a dialog`);
    found.push(...inside);
    if (slides.empty) found.push({ count: 0, empty: slides.empty, why: `${slides.empty} of ${slides.all} slides show no picture` });
    return found;
  };
})();
