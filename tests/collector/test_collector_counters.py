"""The counters that libraries write are read, wherever they stand; other ratios are not."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import pytest

from collector.browser import Browser
from collector.net.address import AddressGuard

pytestmark = [pytest.mark.usefixtures("chromium"), pytest.mark.slow]

PICTURES = "".join(f"<img width=300 height=200 src=/p/{n}.jpg>" for n in range(4))

# As the library writes it into the page, from its source
COUNTERS = {
    "swiper": "<div class='swiper-pagination swiper-pagination-fraction'><span class=swiper-pagination-current>2</span> / <span class=swiper-pagination-total>9</span></div>",
    "photoswipe": "<div class=pswp><div class=pswp__top-bar><div class=pswp__counter>1 / 9</div></div></div>",
    "fancybox": "<div class=fancybox__toolbar><div class=f-counter><span data-fancybox-current-index>1</span>/<span data-fancybox-count>9</span></div></div>",
    "fancybox-3": "<div class=fancybox-container><div class=fancybox-infobar><span data-fancybox-index>3</span>&nbsp;/&nbsp;<span data-fancybox-count>9</span></div></div>",
    "lightgallery": "<div class=lg-toolbar><div class=lg-counter role=status aria-live=polite><span class=lg-counter-current>3 </span> / <span class=lg-counter-all>9 </span></div></div>",
    "splide": "<ul class=splide__list><li class=splide__slide role=group aria-roledescription=slide aria-label='4 of 9'>x</li></ul>",
    "slick": "<ul class=slick-dots><li><button type=button aria-label='1 of 9'>1</button></li></ul>",
    "lightbox2": "<div class=lb-details><span class=lb-number>Image 3 of 9</span></div>",
    "magnific": "<div class=mfp-bottom-bar><div class=mfp-counter>3 of 9</div></div>",
    "colorbox": "<div id=colorbox><div id=cboxCurrent>image 3 of 9</div></div>",
    "tobii": "<div class=tobii role=dialog><div class=tobii__counter><p>2/9</p></div></div>",
    "parvus": "<div class=parvus role=dialog><div class=parvus__counter>1/9</div></div>",
    "chocolat": "<div class=chocolat-bottom><span class=chocolat-pagination>3 / 9</span></div>",
    "react-image-gallery": "<div class=image-gallery-index><span class=image-gallery-index-current>1</span><span class=image-gallery-index-separator> / </span><span class=image-gallery-index-total>9</span></div>",
    "galleria": "<div class=galleria-counter><span class=galleria-current>1</span> / <span class=galleria-total>9</span></div>",
    "bare": "<p>1 / 9</p>",
    "words": "<p>Photo 3 of 9</p>",
    "closed-dialog": "<dialog><ul>" + "<li aria-roledescription=slide></li>" * 9 + "</ul></dialog>",
    "previews": "<dialog><ul>" + "<li aria-roledescription=slide></li>" * 9 + "</ul><ol>" + "<li aria-roledescription=slide></li>" * 9 + "</ol></dialog>",
    "scala-carousel": "<h1>Škoda Scala</h1><div class=carousel><span>1 / 9</span></div>",
    "korean": "<div class=photo_count>사진 9장</div>",
}  # fmt: skip
OTHERS = {
    "date": "<div class=swiper><time>1/28</time></div>",
    "score": "<div class=swiper-slide><div class=score>8 / 10</div></div>",
    "test": "<div class=gallery><p>9/10</p></div>",
    "scale": "<p>Model 1/43</p>",
    "scale-spaced": "<div>Die-cast model<p>1 / 18</p></div>",
    "scale-title": "<h1>Miniaturen</h1><p>1 / 43</p>",
    "scale-cards": "<span>1 / 18</span><img width=300 height=200 src=/p/2.jpg><span>1 / 18</span><img width=300 height=200 src=/p/3.jpg><span>1 / 43</span>",
    "closed-words": "<dialog>" + "<div class=swiper-slide>Pay a deposit</div>" * 9 + "</dialog>",
    "closed-films": "<dialog>" + "<div class=swiper-slide><iframe></iframe></div>" * 9 + "</dialog>",
    "discount": "<div class=discount-badge>1/2</div>",
    "country": "<div class=country-list>3 / 12</div>",
    "models": "<div class=slider><h3>911/964</h3></div>",
    "hours": "<div class=carousel><p>24/7</p></div>",
    "table": "<table class=photos><tr><td>1 / 12</td></tr></table>",
    "ev6": "<h2>Kia EV6 images</h2>",
    "golf": "<h2>VW Golf 8 Bilder</h2>",
}  # fmt: skip
# Of each language in which a number of pictures is read
NUMBERS = (
    "Load 24 photos", "Exterior 24 photos", "Display 24 images", "Interior 24 pictures", "BMW M3 24 photos",
    "Zeige 24 Bilder", "Lade 24 Fotos", "Außen 24 Aufnahmen", "Galerie mit 24 Bildern",
    "Afficher 24 photos", "Découvrir 24 images", "Extérieur 24 photographies", "Il y a 24 photos",
    "Mostrar 24 fotos", "Cargar 24 imágenes", "Exibir 24 imagens", "Mostra 24 immagini", "Guarda 24 foto",
    "Bekijk 24 foto's", "Toon 24 afbeeldingen", "Galeria 24 zdjęć", "Zobacz wszystkie 24 zdjęcia",
    "Zobrazit 24 obrázků", "Všech 24 fotografií", "Näytä 24 kuvaa", "Se alla 24 bilder", "Visa 24 bilder", "Vis 24 billeder",
    "Показать 24 фото", "Все 24 фото", "Смотреть 24 фотографии", "Ещё 24 фотографий",
    "All 24 photos", "See all 24 photos", "Voir les 24 photos", "Las 24 fotos", "Gallery of 24 photos", "Serie de 24 fotos",
    "BMW M3 with 24 photos", "Ecco le 24 foto", "Galerie ze 24 obrázků", "Album z 24 zdjęć", "На 24 фото",
    "Tüm 24 fotoğraf", "Tüm 24 fotoğrafı gör", "Toplam 24 resim",
    "24 HD photos", "24 exterior photos", "View 24 more photos", "24 high-resolution images", "24 weitere Bilder", "24 autres photos",
    "Photos 24", "Bilder 24", "Photo gallery (24)", "Gallery (24)", "Bildergalerie (24)", "Galerie (24)", "Galería (24)", "Foto's (24)", "Kuvat (24)",
    "24 clichés", "24 fotografías", "24 fotek", "24 φωτογραφίες", "24 ảnh", "24 รูป", "24 صورة", "Image 1 out of 24",
    "24장의 사진", "사진 1/24", "사진 더보기 (24)", "24枚の写真", "写真 1/24", "フォトギャラリー（24）", "24枚中1枚目", "共24张图片", "图库（24）",
    "BMW 3 Series 24 photos", "Mercedes-Benz E-Class 24 photos", "VW Golf 24 Bilder", "Hyundai Sonata 24 photos", "Mercedes GLC 24 photos", "Hyundai Sonata 2024 24 photos",
)  # fmt: skip
NO_NUMBERS = (
    "Porsche 911 photos", "Mazda 6 images", "Audi A8 Bilder", "A4 Bilder", "Peugeot 208 fotos", "Kia EV6 images",
    "VW Golf 8 Bilder", "Hyundai Ioniq 5 images", "Tesla Model 3 photos", "Mercedes-Benz 190 photos", "Fiat 500 foto",
    "Alfa Romeo 147 immagini", "Citroën C 4 photos", "Škoda 120 obrázků", "Лада 2107 фото", "Mazda CX-5 photos",
    "Mercedes E 220 photos", "Mercedes S 500 Bilder", "Alpine A 110 photos", "BMW Z 4 photos", "E-tron 55 photos", "Audi RS 6 photos",
    "Aston Martin DB 11 photos", "VW Passat 8 Bilder", "Renault Clio 5 photos", "Mini Cooper 5 photos", "BYD Seal 6 images",
    "Boxster 718 photos", "smart 3 photos", "Lexus IS 300 photos", "Top 10 photos", "Posted October 24 photos by Kim", "Day 3 photos", "Le 3 août 24 photos",
    "Land Rover Defender 110 photos", "Upload up to 20 photos", "Bis zu 20 Fotos",
    "Series 3 photos", "3 Series images", "Kuga 3 Bilder", "GLC 300 photos", "Toyota RAV 4 photos", "360 photos", "Photos 360", "Photo 24", "Bild 24",
    "Part 24 photos", "Heft 24 Fotos", "Kapitel 24 Bilder", "Chapitre 24 photos", "Parte 24 fotos", "Capítulo 24 imágenes", "Issue 24 photos",
    "Photo: 24 May", "Foto: 24.05.2024", "Foto: 123RF", "Photos 2024", "24 photos maximum", "máximo 24 fotos", "24 images per minute",
    "최대 24장", "사진은 최대 24장", "写真は最大24枚", "1ページ24枚", "最多24张",
)  # fmt: skip
SAY = "document.getElementById('line').textContent = arguments[0]; return T.announced()"


@pytest.fixture(scope="module")
def announces():
    from picture_server import PictureServer

    server = PictureServer()
    server.add_pictures(4)
    with Browser(
        AddressGuard([server.host]), "bodyshop-test", load_seconds=20, behaviour_seconds=300
    ) as browser:

        def ask(name, html):
            browser.open(
                server.add(
                    f"/{name}",
                    f"<!doctype html>{PICTURES}{html}".encode(),
                    "text/html; charset=utf-8",
                )
            )
            browser.await_("T.quiet(1000)")
            return [sign["count"] for sign in browser.run("return T.announced()")]

        ask.browser = browser
        yield ask
    server.close()


@pytest.mark.parametrize("name", COUNTERS)
def test_the_counter_of_a_library_says_how_many_pictures_there_are(announces, name):
    assert max(announces(name, COUNTERS[name]), default=0) == 9


@pytest.mark.parametrize("name", OTHERS)
def test_a_ratio_or_model_near_pictures_is_no_counter(announces, name):
    assert announces(f"other-{name}", OTHERS[name]) == []


def test_any_word_but_a_name_may_be_before_a_number_of_pictures(announces):
    announces("lines", "<p id=line>a</p>")
    lines = (*NUMBERS, *NO_NUMBERS)
    read = {line: [sign["count"] for sign in announces.browser.run(SAY, line)] for line in lines}
    assert [line for line in NUMBERS if read[line] != [24]] == []
    assert [line for line in NO_NUMBERS if read[line]] == []


OVER = "<div style='position:relative;width:300px'><img width=300 height=200 src=/p/0.jpg><span style='position:absolute;left:10px;top:150px'>{}</span></div>"
ALL = {
    "over": (OVER.format("View all (9)"), [9]),
    "named": ("<div class=photo-head><a href='#all'>すべて見る（9）</a></div>", [9]),
    "beside": ("<p>View all (9)</p>", []),
    "elsewhere": (OVER.format("<a href=/cars>View all (9)</a>"), []),
}  # fmt: skip


def test_a_number_of_all_counts_over_a_picture_or_in_what_is_named_like_photos(announces):
    read = {name: announces(f"all-{name}", html) for name, (html, _) in ALL.items()}
    assert read == {name: counts for name, (_, counts) in ALL.items()}


SIZES = {
    "scala": ("<p>1 / 24</p><h1>Škoda Scala</h1>", [24]),
    "posted": ("<div>Posted 1:24 pm, 1:32</div><p>1 / 24</p>", [24]),
    "scala-carousel": ("<h1>Škoda Scala</h1><div class=carousel><span>1/24</span></div>", [24]),
    "large-scale": (
        "<h1>BMW 5: built on a large scale</h1><div class=slider><p>1 / 24</p></div>",
        [24],
    ),
    "die-cast-gallery": ("<h1>Die-cast cars</h1><div class=gallery><p>1 / 24</p></div>", [24]),
    "scale-model": ("<p>1 / 24</p><h1>Scale model of a BMW 5</h1>", []),
    "ratio": ("<p>1 / 18</p><h1>BMW 5 in 1:18</h1>", []),
}


def test_the_word_scale_or_a_gallery_makes_no_model_car_of_a_counter(announces):
    read = {name: announces(f"size-{name}", html) for name, (html, _) in SIZES.items()}
    assert read == {name: counts for name, (_, counts) in SIZES.items()}


def test_three_counters_between_pictures_are_read_unless_all_could_be_scales(announces):
    beside = "<img width=300 height=200 src=/p/2.jpg>"
    html = beside.join(f"<span>1 / {count}</span>" for count in (9, 12, 7))
    assert announces("three", html) == [9, 12, 7]


TITLES = {
    "time": ("<h1>Rennen um 1:24 Uhr</h1><p>24 Bilder</p>", {24}),
    "ratio": ("<h1>16:9 wallpapers</h1><p>9 pictures</p>", {9}),
    "model": ("<h1>Peugeot 208</h1><p>208 photos</p>", set()),
    "scale": ("<p>Modellauto 1:24 Bilder</p><p>16 : 9 photos</p>", set()),
    "colon": ("<p>Galerie: 24 Bilder</p>", {24}),
}  # fmt: skip


@pytest.mark.parametrize("name", TITLES)
def test_a_time_or_a_ratio_in_a_title_is_no_name_of_a_model(announces, name):
    html, counts = TITLES[name]
    assert set(announces(f"title-{name}", html)) == counts
