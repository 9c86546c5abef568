// What is left alone while a page is explored: consent, accounts, purchases, votes, forms. And the signs of a gallery or
// of a choice of variants, without which no control of unknown purpose is pressed. Needs inpage.js.
(() => {
  "use strict";
  const T = window.__bodyshop;
  if (!T || T.apart) return;
  const bordered = (list) => new RegExp(`(?<!\\p{L})(?:${list})(?!\\p{L})`, "iu");
  const ELSE = bordered("(?:add ?to )?(?:carts?|bags?|baskets?)|buy(?: ?now)?|purchase|orders?|order ?now|wish(?: ?list)?s?|favou?rites?|likes?|unlike|dislike|share[sd]?|sharing|tweet|follow|subscri\\p{L}+|newsletter|log ?(?:in|out|off)|sign ?(?:in|up|out)?|accounts?|delete|remove|trash|close|compare|(?:up|down)?votes?|rat(?:e|ing)s?|reviews?|downloads?|print|chat|lang(?:uages?)?|country|currency|book(?: ?now|ing)?|reserve|reservation|pay(?: ?now|ment)?|check ?out|financ\\p{L}+|leas(?:e|ing)|accept|agree|allow|consent|cookies?|phone|call|tel|submit|send"
    + "|abmelden|anmelden|buchen|(?:be)?zahlen|(?:ab)?senden|löschen|entfernen|schließen|bewert\\p{L}+|akzept\\p{L}+|zustimm\\p{L}+|envoyer|supprimer|fermer|payer|réserver|accept\\p{L}+|déconnexion|connexion|enviar|eliminar|borrar|cerrar|pagar|reservar|acept\\p{L}+|aceit\\p{L}+|accett\\p{L}+|invia|elimina|prenota|panier|acheter|partager|carrito|comprar|удалить|купить|отправить|заказать|войти|выйти");
  const ELSE_NAMED = bordered("hearts?|stars?"); // "Star Silver" is a colour
  const ELSE_DRAWN = bordered("hearts?|stars?|bookmarks?|flags?|report|bells?|pins?|pinterest|facebook|twitter|whats ?app|instagram|telegram|linked ?in|e ?mails?|envelope|saved?|favs?|favo\\p{L}+|thumbs? (?:up|down)"); // of icons
  const ELSE_ANYWHERE = /warenkorb|kaufen|teilen|checkout|wishlist|newsletter|unsubscribe|logout|addtocart|buynow|장바구니|구매|찜|공유|로그인|로그아웃|삭제|닫기|동의|예약|결제|전송|カート|購入|共有|同意|ログ(?:イン|アウト)|予約|送信|削除|登录|注销|购买|预订|提交|删除|分享/iu;
  const VARIANT = new RegExp(`swatch|couleur|farb(?:e|en|wahl)|lackierung|색상|컬러|カラー|颜色|${bordered("\\p{L}*colou?rs?(?:way)?s?(?:picker)?|paints?|paintwork|colori?|kleur(?:en)?|variants?|trims?|finish(?:es)?|wheels?|angles?|views?").source}`, "iu");
  const COLOUR_WORD = /swatch|couleur|farbe|lackierung|색상|컬러|カラー|颜色|colou?r|paint/iu;
  const COLOUR = bordered("red|blue|green|black|white|gr[ae]y|silver|gold|yellow|orange|brown|beige|metallic|pearl|rot|blau|grün|schwarz|weiß|grau|silber|gelb|braun|rouge|bleue?|verte?|noire?|blanc(?:he)?|grise?|argent|jaune|rojo|azul|verde|negro|blanco|plata|rosso|blu|nero|bianco|grigio|красный|синий|белый|ч[её]рный|серый");
  const SIDE = bordered("front|rear|back|side|left|right|top|interior|exterior|inside|outside|dashboard|cockpit|seats?|boot|trunk|wheels?|engine|roof|vorne|hinten|seite|links|rechts|innen(?:raum)?|außen|motor|kofferraum|avant|arrière|côté|gauche|droite|intérieur|extérieur|delante|detrás|lado|interno|esterno|fronte|retro|전면|후면|측면|실내|외관|内装|外装|前面|后面");
  const WAYS = /(?<!\p{L})(?:back|top|left|right|links|rechts|next|side|seite)(?!\p{L})/giu; // of a page, too: "Back", "Top"
  const SPOT = bordered("\\p{L}*hot ?spots?|\\p{L}*dots?|\\p{L}*bullets?|\\p{L}*indicators?|\\p{L}*swatch(?:es)?|thumb(?:nail)?s?(?!\\s+(?:up|down))|\\p{L}*paginat\\p{L}*|pagers?|slide to|(?:slide|photo|image|picture|foto|bild|frame)\\s?\\d{1,3}");
  const PAGER = bordered("pagers?|\\p{L}*paginat\\p{L}*|pages?\\s(?:numbers?|links?|nav|list)|pages");
  const GALLERY = bordered("\\p{L}*galler(?:y|ies|ie|ia)|galería|\\p{L}*carousel|\\p{L}*slid(?:er?s?|es|eshow)|swiper|splide|glide|flickity|slick|lightbox|viewer|photos");
  const STYLING = /(?<![\w-])order-(?:\d+|first|last|none)|(?:text|font|border|fill|icon|bg|background|theme|button|btn)[-_]?colou?r[\w-]*|has-[\w-]*colou?r|colou?r-?(?:primary|secondary|inherit|default|error|info|success|warning|action|disabled|scheme|mode)/gi;
  const FILTERS = new RegExp(`가격|연식|주행|필터|価格|年式|走行|价格|里程|年份|\\p{L}*filter\\p{L}*|${bordered("\\p{L}*pri[cx]\\p{L}*|\\p{L}*preis\\p{L}*|preci\\p{L}+|prezz\\p{L}+|preço\\p{L}*|cena|ceny|цен\\p{L}+|fiyat\\p{L}*|budget|\\p{L}*rates?|loan|deposit|amount|term|months?|monthly|interest|\\p{L}*mileage|miles|km|kilom\\p{L}+|laufleistung|пробег|years?|baujahr|jahre?|années?|años?|anno|anni|rok|год|distance|radius|umkreis|volume|min|max(?:imum)?|bids?|offer").source}`, "iu");
  const MARKED = bordered("cookies?|cookie\\p{L}+|\\p{L}*consent|privacy|gdpr|cmp ?box|cmp ui|calendar|\\p{L}*date ?pick\\p{L}*|surveys?|nps|feedback|polls?|quiz|votes?|voting|ratings?|reviews?|comments?|newsletter|log ?in|check ?out");
  const DIALOG = "dialog, [role=dialog], [role=alertdialog]";

  // "addToCart" and "add_to-cart" are read as words; "print:hidden" is a style.
  const split = (text) => text.replace(/(\p{Ll})(\p{Lu})/gu, "$1 $2").replace(/[-_]+/g, " ");
  const named = (element) => split(`${element.id} ${(element.getAttribute("class") || "").split(/\s+/).filter((each) => !each.includes(":")).join(" ").replace(STYLING, "")}`);
  const labelled = (element) => split(`${element.getAttribute("aria-label") || ""} ${element.title || ""} ${T.text(element.textContent).slice(0, 60)}`);
  const about = (element) => `${named(element)} ${labelled(element)}`;
  const up = (element) => T.parent(element) || element.getRootNode().host || null;
  const size = (element) => { const { width, height } = element.getBoundingClientRect(); return width * height; };
  const shows = (element) => /^(?:IMG|CANVAS|VIDEO)$/.test(element.tagName) || getComputedStyle(element).backgroundImage.includes("url(");
  const large = (element) => { const box = element.getBoundingClientRect(); return box.width >= 100 && box.height >= 60 && shows(element); };

  const elsewhere = (text) => ELSE.test(text) || ELSE_ANYWHERE.test(text);
  T.doesElse = (element) => elsewhere(about(element)) || ELSE_NAMED.test(named(element)) || elsewhere(split(`${element.name || ""} ${element.value || ""}`));
  // What has no words, by the names of the icon in it: "fa-heart", aria-label="Like", "#icon-share", star.png.
  const NAMES = ["aria-label", "title", "alt", "data-icon", "data-testid", "data-action"];
  const drawn = (each) => split(`${named(each)} ${NAMES.map((name) => each.getAttribute(name) || "").join(" ")} ${(each.getAttribute("href") || each.getAttribute("xlink:href") || "").split("#")[1] || ""} ${each.tagName === "IMG" ? (each.getAttribute("src") || "").slice(0, 300).split(/[?#]/)[0].split("/").pop() : ""}`);
  T.iconElse = (element) => [element, ...element.querySelectorAll("*")].slice(0, 8).some((each) => { const text = drawn(each); return elsewhere(text) || ELSE_DRAWN.test(text); });
  // A range of a search or of a calculator: by its name, its labels, and what is around it without a picture.
  T.filters = (element) => {
    if ([...(element.labels || [])].some((each) => FILTERS.test(about(each))) || FILTERS.test(split(element.name || ""))) return true;
    for (let at = element, depth = 0; at && depth < 4 && !/^(?:HTML|BODY|MAIN)$/.test(at.tagName) && (at === element || !at.querySelector("img, canvas")); at = up(at), depth += 1) if (FILTERS.test(about(at))) return true;
    const before = element.previousElementSibling;
    return !!before && !before.querySelector("img, canvas") && FILTERS.test(about(before));
  };
  const largeIn = (at) => { for (const each of at.querySelectorAll("img, canvas")) if (large(each)) return true; return false; };
  // Whether an element is such a box; false is the page, null means that what is around it decides.
  function judged(at, text) {
    const pictured = largeIn(at);
    if (/^(?:HTML|BODY|MAIN)$/.test(at.tagName) || at.querySelector("main") || (pictured && at.querySelector("h1, footer"))) return false;
    if (MARKED.test(`${named(at)} ${split(at.getAttribute("aria-label") || "")}`)) return true;
    const fixed = at.matches(DIALOG) || /fixed|sticky/.test(getComputedStyle(at).position);
    if (!T.topics || (pictured && !fixed)) return null;
    const words = text();
    return (fixed || (words.length < 600 && !at.querySelector("footer"))) && T.topics.test(words.slice(0, 6000)) ? true : null;
  }
  const LASTS = 500; // ms; thousands of pictures are in one box
  const said = new WeakMap();
  const around = (at, depth) => {
    if (!at || depth >= 40) return false;
    const known = said.get(at);
    if (known && performance.now() < known.until) return known.apart;
    const apart = judged(at, () => at.textContent || "") ?? around(up(at), depth + 1);
    said.set(at, { apart, until: performance.now() + LASTS });
    return apart;
  };
  // In a box for consent, a calendar, a survey: by its name, or, of a short text without a picture, by what it says.
  T.apart = (element) => judged(element, () => labelled(element)) ?? around(up(element), 1);
  // In a dialog that shows no picture; one that does is a gallery, unless `apart` says what else it is.
  const pictured = new WeakMap();
  T.inDialog = (element) => {
    let at = element;
    while (at && !at.matches(DIALOG)) at = up(at);
    if (!at) return false;
    const known = pictured.get(at);
    if (known && performance.now() < known.until) return !known.large;
    const large = largeIn(at);
    pictured.set(at, { large, until: performance.now() + LASTS });
    return !large;
  };
  const dialogs = () => [...T.elements(document)].filter((each) => each.matches(DIALOG) && each.getClientRects().length);
  T.openDialogs = () => dialogs().filter(largeIn);
  let openAtFirst = null; // also those whose pictures have not come yet: some pages are one
  T.exploringBegins = () => { openAtFirst ||= dialogs(); };
  T.openedLater = (dialog) => !!openAtFirst && !openAtFirst.includes(dialog);
  const opened = () => dialogs().filter((each) => T.openedLater(each) && each.querySelector("img, picture, canvas") && !T.apart(each));
  const staying = new WeakSet(); // pop-ups that no Escape closes: they are not waited for again
  T.openedSince = () => opened().some((each) => !staying.has(each));
  T.inOpened = () => { const list = opened(); return (element) => { for (let at = element; at; at = up(at)) if (list.includes(at)) return true; return false; }; };
  // An Escape that we make is none to the browser, which closes a modal dialog by itself.
  T.closeNative = () => {
    for (const each of opened()) if (each.tagName === "DIALOG" && each.open) each.close();
    for (const each of opened()) staying.add(each);
  };
  // In a form, also from inside a shadow root.
  T.inForm = (element) => { for (let at = element; at; at = up(at)) if (at.tagName === "FORM" || at.form) return true; return false; };
  // What an attribute of the page says that it leads to: another page.
  T.declared = (element) => /\blocation\b|\.submit\(|requestSubmit|window\.open|logout/i.test([element.onclick, element.onchange, element.getAttribute("onclick"), element.getAttribute("onchange")].join(" "));

  T.pictures = () => [...T.elements(document)].filter(large);
  // Whether a picture is at most `gap` pixels away.
  T.beside = (element, pictures, gap) => {
    const a = element.getBoundingClientRect();
    return pictures.some((each) => {
      const b = each.getBoundingClientRect();
      return Math.max(a.left - b.right, b.left - a.right) <= gap && Math.max(a.top - b.bottom, b.top - a.bottom) <= gap;
    });
  };
  // What says that a group of controls shows pictures or variants: 2 for its own sign, 1 for a gallery around, 0 for none.
  T.sign = (kind, list, outer) => {
    const around = [outer, outer && up(outer)].filter((each) => each && each.tagName && !/^(?:HTML|BODY|MAIN)$/.test(each.tagName));
    const outside = around.map((each) => `${named(each)} ${split(each.getAttribute("aria-label") || "")} ${each.tagName === "FIELDSET" && each.querySelector("legend") ? each.querySelector("legend").textContent : ""}`).join(" ");
    const inside = list.map((each) => `${about(each)} ${each.control ? split(each.control.name) : ""}`);
    const most = (pattern) => inside.filter((each) => pattern.test(each)).length * 2 > inside.length;
    if (kind === "section") return 1;
    if (kind === "word") { const texts = list.map((each) => T.text(each.innerText)); return (T.views(texts) && texts.some((each) => SIDE.test(each.replace(WAYS, "")))) || texts.filter((each) => COLOUR.test(each)).length * 2 > texts.length ? 2 : 0; }
    const text = outer ? T.text(outer.textContent).slice(0, 60) : "";
    if (VARIANT.test(outside) || (kind !== "number" && COLOUR_WORD.test(text)) || most(VARIANT) || (kind !== "number" && most(COLOUR))) return 2;
    if (kind === "choice") return 0;
    if (kind === "number") return PAGER.test(outside) || most(PAGER) ? 2 : GALLERY.test(outside) ? 1 : 0;
    if (SPOT.test(outside) || most(SPOT) || list.every((each) => each.matches("[data-slide-to], [data-bs-slide-to]"))) return 2;
    const alike = new Set(list.map((each) => about(each).replace(/\d+|active|current|selected/g, "").trim())).size === 1;
    return alike && GALLERY.test(outside) ? 1 : 0;
  };
  // Choices of which several are sides of a car.
  T.views = (texts) => texts.filter((each) => SIDE.test(each)).length >= 2;
  T.largest = (pictures) => pictures.reduce((best, each) => (!best || size(each) > size(best) ? each : best), null);
  T.variant = (text) => { const said = split(text).replace(STYLING, ""); return (VARIANT.test(said) || COLOUR.test(said)) && !elsewhere(said); };
})();
