"""More pages built from libraries that were not looked at while the collector was written."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from abroad.pages import WALL, Case, each, page, script

_STYLE = "<link rel=stylesheet href=/npm/{}>"
_LIST = "[...Array(10).keys()].map(k=>({{src:`/pics/${{k}}.jpg`{}}}))"
_JQUERY = script("jq1/dist/jquery.min.js")
_REACT = script("react/umd/react.production.min.js") + script(
    "react-dom/umd/react-dom.production.min.js"
)

# What a bundler does: modules by their names.
REQUIRE = r"""<script>const kept={};function require(name,base='/'){const at=name[0]==='.'?new URL(name,'http://x'+base).pathname:'/npm/'+name;
for(const file of /\.js$/.test(at)?[at]:[at+'.js',at+'/index.js']){if(kept[file])return kept[file].exports;const x=new XMLHttpRequest();x.open('GET',file,false);x.send();
if(x.status!==200)continue;const m=kept[file]={exports:{}};new Function('module','exports','require',x.responseText)(m,m.exports,n=>require(n,file));return m.exports}
throw Error(name)}</script>"""


# Pages on which the collector failed until their kind was mended.
MENDED = (
    Case("magnific-popup", "pages", 10, page(
        "<a class=o href='#'>View gallery</a>" + _JQUERY + script("magnific-popup/dist/jquery.magnific-popup.min.js") + "<script>$('.o').magnificPopup({items:"
        + _LIST.format("") + ",gallery:{enabled:true},type:'image'})</script>", _STYLE.format("magnific-popup/dist/magnific-popup.css")), "magnific-popup"),
    Case("nanogallery2", "pages", 10, page(
        "<div id=n></div><script>jQuery('#n').nanogallery2({itemsBaseURL:'',thumbnailWidth:250,thumbnailHeight:170,items:[...Array(10).keys()].map(k=>"
        "({src:`/pics/${k}.jpg`,srct:`/thumb/250/${k}.jpg`,title:'Car'}))})</script>",
        script("jq3/dist/jquery.min.js") + _STYLE.format("nanogallery2/dist/css/nanogallery2.min.css") + script("nanogallery2/dist/jquery.nanogallery2.min.js")), "nanogallery2"),
    Case("fotorama", "pages", 10, page(
        "<div class=fotorama data-auto=false data-width=600 data-ratio=3/2 data-nav=dots></div><script>$('.fotorama').fotorama({data:[...Array(10).keys()].map(k=>"
        "({img:`/thumb/700/${k}.jpg`,full:`/pics/${k}.jpg`,thumb:`/thumb/60/${k}.jpg`})),allowfullscreen:true})</script>",
        _JQUERY + _STYLE.format("fotorama/fotorama.css") + script("fotorama/fotorama.js")), "fotorama"),
    Case("galleria", "pages", 10, page(
        "<div class=galleria style='width:700px;height:500px'></div>" + script("jq3/dist/jquery.min.js") + script("galleria/dist/galleria.min.js")
        + "<script>Galleria.loadTheme('/npm/galleria/dist/themes/classic/galleria.classic.min.js');Galleria.run('.galleria',{dataSource:[...Array(10).keys()].map(k=>"
        "({image:`/thumb/700/${k}.jpg`,big:`/pics/${k}.jpg`,thumb:`/thumb/60/${k}.jpg`}))})</script>",
        _STYLE.format("galleria/dist/themes/classic/galleria.classic.min.css")), "galleria"),
    Case("fancybox-3", "pages", 10, page(
        "<a id=f href='javascript:;'>Показать все фото</a>" + script("jq3/dist/jquery.min.js") + script("@fancyapps/fancybox/dist/jquery.fancybox.min.js")
        + "<script>f.onclick=()=>$.fancybox.open([...Array(10).keys()].map(k=>({src:`/pics/${k}.jpg`,opts:{thumb:`/thumb/60/${k}.jpg`}})),{loop:true})</script>",
        _STYLE.format("@fancyapps/fancybox/dist/jquery.fancybox.min.css")), "@fancyapps/fancybox"),
    Case("lightbox2", "pages", 10, page(
        each("<a href='/media?file={k}' data-lightbox=car><img src='/thumb/250/{k}.jpg'></a>") + script("lightbox2/dist/js/lightbox-plus-jquery.min.js")), "lightbox2"),
    Case("baguettebox", "pages", 10, page(
        "<div class=g>" + each("<a href='/thumb/600/{k}.jpg' data-at-600='/thumb/600/{k}.jpg' data-at-1920='/pics/{k}.jpg'><img src='/thumb/250/{k}.jpg'></a>")
        + "</div>" + script("baguettebox.js/dist/baguetteBox.min.js") + "<script>baguetteBox.run('.g')</script>"), "baguettebox.js"),
    # --- a second button that a site may use for refusing or, as here, for its settings
    Case("vanilla-cookieconsent-2", "pages", 10, page(
        WALL + script("vcc2/dist/cookieconsent.js") + "<script>initCookieConsent().run({cookie_name:'version-2',current_lang:'fr',onAccept:()=>build(),"
        "hide_from_bots:false,languages:{fr:{consent_modal:{title:'Cookies',description:'d',primary_btn:{text:'Tout accepter',role:'accept_all'},"
        "secondary_btn:{text:'Paramètres',role:'settings'}},settings_modal:{title:'Préférences',save_settings_btn:'Enregistrer',"
        "accept_all_btn:'Tout accepter',reject_all_btn:'Tout refuser',blocks:[{title:'A',description:'b',toggle:{value:'n',enabled:true,readonly:true}}]}}}})</script>",
        _STYLE.format("vcc2/dist/cookieconsent.css")), "vcc2"),
)  # fmt: skip

# Pages that were collected whole at once: only the benchmark has them.
FURTHER = (
    Case("react-cookie-consent", "pages", 10, page(
        WALL + "<div id=cc></div>" + _REACT + script("react-cookie-consent/dist/react-cookie-consent.umd.js")
        + "<script>ReactDOM.createRoot(cc).render(React.createElement(ReactCookieConsent.default,{enableDeclineButton:true,"
        "onDecline:()=>build(),debug:true},'We use cookies.'))</script>"), "react-cookie-consent"),
    Case("glightbox", "pages", 10, page(
        "<button id=b>Alle Fotos anzeigen</button>" + script("glightbox/dist/js/glightbox.min.js")
        + "<script>const g=GLightbox({elements:[...Array(10).keys()].map(k=>({href:`/pics/${k}.jpg`,type:'image'}))});b.onclick=()=>g.open()</script>",
        _STYLE.format("glightbox/dist/css/glightbox.min.css")), "glightbox"),
    Case("embla-carousel", "pages", 10, page(
        "<style>.e{overflow:hidden;width:600px}.c{display:flex}.c div{flex:0 0 100%}</style><div class=e><div class=c>"
        + each("<div><img width=600 height=400></div>") + "</div></div><button class='embla__button embla__button--next' type=button><svg width=40 height=40></svg></button>"
        + script("embla-carousel/embla-carousel.umd.js") + "<script>const m=EmblaCarousel(document.querySelector('.e'),{loop:false}),"
        "f=()=>m.slidesInView().forEach(i=>{const g=m.slideNodes()[i].firstChild;if(!g.src)g.src=`/pics/${i}.jpg`});m.on('slidesInView',f);"
        "document.querySelector('.embla__button--next').onclick=()=>m.scrollNext()</script>"), "embla-carousel"),
    Case("tiny-slider", "pages", 10, page(
        "<div style='width:600px'><div class=t>" + each("<div><img class=tns-lazy-img data-src='/pics/{k}.jpg' width=600 height=400></div>") + "</div></div>"
        + script("tiny-slider/dist/min/tiny-slider.js") + "<script>tns({container:'.t',items:1,lazyload:true,controlsText:['<','>']})</script>",
        _STYLE.format("tiny-slider/dist/tiny-slider.css")), "tiny-slider"),
    Case("bootstrap-carousel", "pages", 10, page(
        "<div id=c class='carousel slide' style='width:600px'><div class=carousel-inner>"
        + each("<div class=carousel-item><img class='d-block w-100' loading=lazy data-full-src='/pics/{k}.jpg' src='/thumb/640/{k}.jpg'></div>")
        + "</div><button class=carousel-control-next type=button data-bs-target='#c' data-bs-slide=next><span class=carousel-control-next-icon></span>"
        "<span class=visually-hidden>Suivant</span></button></div><script>document.querySelector('.carousel-item').classList.add('active')</script>"
        + script("bootstrap/dist/js/bootstrap.bundle.min.js"), _STYLE.format("bootstrap/dist/css/bootstrap.min.css")), "bootstrap"),
    Case("photoswipe-4", "pages", 10, page(
        "<button id=b>10 Fotos</button><div class=pswp tabindex=-1 role=dialog aria-hidden=true><div class=pswp__bg></div><div class=pswp__scroll-wrap><div class=pswp__container>"
        "<div class=pswp__item></div><div class=pswp__item></div><div class=pswp__item></div></div><div class='pswp__ui pswp__ui--hidden'><div class=pswp__top-bar><div class=pswp__counter></div>"
        "<button class='pswp__button pswp__button--close' title='Close (Esc)'></button><button class='pswp__button pswp__button--share'></button>"
        "<button class='pswp__button pswp__button--fs'></button><button class='pswp__button pswp__button--zoom'></button><div class=pswp__preloader><div class=pswp__preloader__icn></div></div></div>"
        "<div class='pswp__share-modal pswp__share-modal--hidden'><div class=pswp__share-tooltip></div></div><button class='pswp__button pswp__button--arrow--left' title='Previous (arrow left)'></button>"
        "<button class='pswp__button pswp__button--arrow--right' title='Next (arrow right)'></button><div class=pswp__caption><div class=pswp__caption__center></div></div></div></div></div>"
        + script("pswp4/dist/photoswipe.min.js") + script("pswp4/dist/photoswipe-ui-default.min.js") + "<script>b.onclick=()=>new PhotoSwipe(document.querySelector('.pswp'),PhotoSwipeUI_Default,"
        + _LIST.format(",w:1200,h:800") + ",{index:0}).init()</script>", _STYLE.format("pswp4/dist/photoswipe.css") + _STYLE.format("pswp4/dist/default-skin/default-skin.css")), "pswp4"),
    Case("owl-carousel", "pages", 10, page(
        "<div class='owl-carousel o' style='width:600px'>" + each("<img class=owl-lazy data-src='/pics/{k}.jpg' data-src-retina='/pics/{k}.jpg' width=600 height=400>")
        + "</div><script>$('.o').owlCarousel({items:1,lazyLoad:true,loop:true,nav:true,dots:false})</script>",
        _JQUERY + _STYLE.format("owl.carousel/dist/assets/owl.carousel.min.css") + script("owl.carousel/dist/owl.carousel.min.js")), "owl.carousel"),
    Case("drift-zoom", "pages", 10, page(
        each("<p><img class=z src='/thumb/400/{k}.jpg' data-zoom='/media?file={k}' width=400></p>") + script("drift-zoom/dist/Drift.min.js")
        + "<script>document.querySelectorAll('.z').forEach(z=>new Drift(z,{paneContainer:document.body}))</script>"), "drift-zoom"),
    Case("lightgallery-1", "pages", 10, page(
        "<ul id=l>" + each("<li data-src='/pics/{k}.jpg' data-responsive='/thumb/400/{k}.jpg 400, /thumb/800/{k}.jpg 800'><img src='/thumb/250/{k}.jpg'></li>") + "</ul>"
        + script("lightgallery.js/dist/js/lightgallery.min.js") + "<script>lightGallery(l)</script>", _STYLE.format("lightgallery.js/dist/css/lightgallery.min.css")), "lightgallery.js"),
    Case("infinite-scroll", "pages", 10, page(
        "<div class=p style='min-height:1400px'></div><script>const s=new InfiniteScroll('.p',{path(){if(this.loadCount<5)return '/list.json?'+this.loadCount},responseBody:'json',history:false});"
        "s.on('load',(l)=>{l.slice(2*(s.loadCount-1),2*s.loadCount).forEach(u=>document.querySelector('.p').insertAdjacentHTML('beforeend',`<p><img width=600 height=400 src=${u}></p>`))});s.loadNextPage()</script>",
        script("infinite-scroll/dist/infinite-scroll.pkgd.min.js")), "infinite-scroll"),
    Case("tanstack-virtual", "pages", 10, page(
        "<div id=v style='height:450px;width:640px;overflow:auto'><div id=i style='position:relative'></div></div><script>window.process={env:{}}</script><script type=module>"
        "import {Virtualizer,elementScroll,observeElementOffset,observeElementRect} from '/npm/@tanstack/virtual-core/dist/esm/index.js';"
        "const w=new Virtualizer({count:10,getScrollElement:()=>v,estimateSize:()=>420,overscan:0,scrollToFn:elementScroll,observeElementOffset,observeElementRect,onChange:d});"
        "function d(){i.style.height=w.getTotalSize()+'px';i.innerHTML=w.getVirtualItems().map(e=>`<img width=600 height=400 style='position:absolute;top:${e.start}px' src=/pics/${e.index}.jpg>`).join('')}"
        "w._didMount();w._willUpdate();d()</script>"), "@tanstack/virtual-core"),
    Case("circlr", "spinners", 24, page(
        "<div class=c style='width:600px;height:400px'>" + "".join(f"<img src=/spin/circ-{k}.jpg width=600 height=400>" for k in range(24)) + "</div>" + REQUIRE
        + "<script>require('circlr')(document.querySelector('.c')).scroll(true)</script>"), "circlr", (600, 400)),
    Case("tridi", "spinners", 24, page(
        "<div id=t style='width:600px;height:400px'></div>" + script("tridi/dist/js/tridi.min.js")
        + "<script>Tridi.create({element:'#t',images:[...Array(24).keys()].map(k=>`/spin/td-${k+1}.jpg`),autoplay:false,buttons:true}).load()</script>",
        _STYLE.format("tridi/dist/css/tridi.css")), "tridi", (600, 400)),
    Case("cloudimage-360-v2", "spinners", 36, page(
        "<div style='width:700px'><div class=cloudimage-360 id=v data-folder=/spin/ data-filename='cit-{index}.jpg' data-amount=36 data-spin-reverse data-lazyload></div></div>"
        + REQUIRE + "<script>window.process={env:{}};require('ci360v2/dist/index')</script>"), "ci360v2", (600, 400)),
)  # fmt: skip
