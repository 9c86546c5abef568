"""A sixth set of pages: libraries that nobody had looked at, each after its own documentation."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from abroad.further import REQUIRE
from abroad.pages import WALL, Case, each, page, script
from abroad.unseen import linked

_STYLE = "<link rel=stylesheet href=/npm/{}>"
_JQUERY = script("jq3/dist/jquery.min.js")
_REACT = script("react/umd/react.production.min.js") + script(
    "react-dom/umd/react-dom.production.min.js"
)
_REQUIRE = REQUIRE.replace(
    "const kept={};",
    "const kept={'/npm/react.js':{exports:React},'/npm/react-dom.js':{exports:ReactDOM}},"
    "main={'react-easy-swipe':'react-easy-swipe/lib/index'};",
).replace("{const at=", "{name=main[name]||name;const at=", 1)
_SLIDES = each("<div><img data-k={k} width=600 height=400></div>")
_FRAMES = "[...Array(24).keys()].map(k=>`/spin/{}-${{k+1}}.jpg`)"

# Pages on which the collector failed until their kind was mended.
SIXTH_MENDED = (
    Case("uikit-lightbox", "pages", 10, page(
        f"<div uk-lightbox>{linked('data-type=image')}</div>" + script("uikit/dist/js/uikit.min.js"),
        _STYLE.format("uikit/dist/css/uikit.min.css")), "uikit"),
    Case("smartphoto", "pages", 10, page(
        each("<a href='/media?file={k}' class=js-smartphoto data-caption=Car data-group=0><img src='/thumb/250/{k}.jpg' width=250></a>")
        + script("smartphoto/js/smartphoto.min.js") + "<script>new SmartPhoto('.js-smartphoto')</script>", _STYLE.format("smartphoto/css/smartphoto.min.css")), "smartphoto"),
    Case("react-responsive-carousel", "pages", 10, page(
        "<div id=r style='width:600px'></div><script>window.process={env:{NODE_ENV:'production'}}</script>" + _REACT + _REQUIRE
        + "<script>const {Carousel}=require('react-responsive-carousel/lib/js/index'),e=React.createElement;function A(){const [n,put]=React.useState(0);return e(Carousel,{showThumbs:false,selectedItem:n,onChange:put},"
        "[...Array(10).keys()].map(k=>e('div',{key:k},k<=n?e('img',{src:`/pics/${k}.jpg`}):null)))}ReactDOM.createRoot(r).render(e(A))</script>",
        _STYLE.format("react-responsive-carousel/lib/styles/carousel.min.css")), "react-responsive-carousel"),
    Case("flicking", "pages", 10, page(
        "<div id=f class=flicking-viewport style='width:600px'><div class=flicking-camera>" + _SLIDES + "</div></div>" + script("@egjs/flicking/dist/flicking.pkgd.min.js")
        + "<script>const f=new Flicking('#f',{align:'prev'}),put=()=>f.visiblePanels.forEach(p=>{const i=p.element.querySelector('img');if(!i.src)i.src=`/pics/${i.dataset.k}.jpg`});f.on('ready',put);f.on('moveEnd',put);f.on('move',put)</script>",
        _STYLE.format("@egjs/flicking/dist/flicking.css")), "@egjs/flicking"),
    Case("openseadragon-image", "pages", 10, page(
        "<div id=o style='width:700px;height:470px'></div>" + script("openseadragon/build/openseadragon/openseadragon.min.js") + "<script>OpenSeadragon({id:'o',prefixUrl:'/npm/openseadragon/build/openseadragon/images/',drawer:'canvas',"
        "sequenceMode:true,tileSources:[...Array(10).keys()].map(k=>({type:'image',url:`/pics/${k}.jpg`}))})</script>"), "openseadragon"),
)  # fmt: skip

# The others: only the benchmark has them.
SIXTH = (
    Case("uikit-slideshow", "pages", 10, page(
        "<div class=uk-position-relative uk-slideshow style='width:600px'><ul class=uk-slideshow-items>" + each("<li><img data-src=/pics/{k}.jpg loading=lazy uk-img uk-cover></li>")
        + "</ul><a class='uk-position-center-left' href uk-slidenav-previous uk-slideshow-item=previous></a><a class='uk-position-center-right' href uk-slidenav-next uk-slideshow-item=next></a></div>"
        + script("uikit/dist/js/uikit.min.js") + script("uikit/dist/js/uikit-icons.min.js"), _STYLE.format("uikit/dist/css/uikit.min.css")), "uikit"),
    Case("materialize-carousel", "pages", 10, page(
        "<div class=carousel>" + each("<a class=carousel-item href='#n{k}'><img data-k={k}></a>") + "</div>" + script("materialize-css/dist/js/materialize.min.js")
        + "<script>M.Carousel.init(document.querySelectorAll('.carousel'),{onCycleTo:e=>{const i=e.querySelector('img');i.src=`/pics/${i.dataset.k}.jpg`}});</script>",
        _STYLE.format("materialize-css/dist/css/materialize.min.css")), "materialize-css"),
    Case("materialize-box", "pages", 10, page(
        each("<p><img class=materialboxed width=650 src='/pics/{k}.jpg' loading=lazy height=430></p>") + script("materialize-css/dist/js/materialize.min.js")
        + "<script>M.Materialbox.init(document.querySelectorAll('.materialboxed'))</script>", _STYLE.format("materialize-css/dist/css/materialize.min.css")), "materialize-css"),
    Case("foundation-orbit", "pages", 10, page(
        "<div class=orbit role=region aria-label='Car pictures' data-orbit data-use-m-u-i=false style='width:600px'><div class=orbit-wrapper><div class=orbit-controls><button class=orbit-previous><span class=show-for-sr>Previous Slide</span>&#9664;&#xFE0E;</button>"
        "<button class=orbit-next><span class=show-for-sr>Next Slide</span>&#9654;&#xFE0E;</button></div><ul class=orbit-container>"
        + each("<li class=orbit-slide><figure class=orbit-figure><img class=orbit-image data-k={k} alt=Car width=600 height=400></figure></li>") + "</ul></div></div>"
        + _JQUERY + script("foundation-sites/dist/js/foundation.min.js") + "<script>const put=e=>{const i=$('.orbit-slide.is-active img')[0]||$('.orbit-slide img')[0];i.src='/pics/'+i.dataset.k+'.jpg'};"
        "$(document).foundation();$('.orbit').on('slidechange.zf.orbit',put);put()</script>", _STYLE.format("foundation-sites/dist/css/foundation.min.css")), "foundation-sites"),
    Case("unveil", "pages", 10, page(
        each("<p><img src='data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7' data-src='/thumb/600/{k}.jpg' data-src-retina='/pics/{k}.jpg' width=600 height=400></p>")
        + _JQUERY + script("jquery-unveil/jquery.unveil.js") + "<script>$('img').unveil()</script>"), "jquery-unveil"),
    Case("echo-js", "pages", 10, page(
        each("<p><img src='/thumb/20/77.jpg' data-echo='/pics/{k}.jpg' width=600 height=400></p>") + script("echo-js/dist/echo.min.js") + "<script>echo.init({offset:100,throttle:50})</script>"), "echo-js"),
    Case("lazyloadxt", "pages", 10, page(
        each("<p><img data-src='/pics/{k}.jpg' width=600 height=400></p>") + _JQUERY + script("lazyloadxt/dist/jquery.lazyloadxt.min.js")), "lazyloadxt"),
    Case("lazyloadxt-bg", "pages", 10, page(
        each("<div data-bg='/pics/{k}.jpg' style='width:600px;height:400px'></div>") + _JQUERY + script("lazyloadxt/dist/jquery.lazyloadxt.min.js") + script("lazyloadxt/dist/jquery.lazyloadxt.bg.min.js")), "lazyloadxt"),
    Case("zooming", "pages", 10, page(
        each("<p><img class=z src='/thumb/400/{k}.jpg' data-original='/media?file={k}' width=400></p>") + script("zooming/build/zooming.min.js") + "<script>new Zooming().listen('.z')</script>"), "zooming"),
    Case("bs5-lightbox", "pages", 10, page(
        each("<a href='/media?file={k}' data-toggle=lightbox data-gallery=g data-type=image><img src='/thumb/250/{k}.jpg' class=img-fluid></a>")
        + script("bootstrap/dist/js/bootstrap.bundle.min.js") + script("bs5-lightbox/dist/index.bundle.min.js"), _STYLE.format("bootstrap/dist/css/bootstrap.min.css")), "bs5-lightbox"),
    Case("imagelightbox", "pages", 10, page(
        linked("data-imagelightbox=x") + script("imagelightbox/dist/imagelightbox.umd.cjs") + "<script>new (window.ImageLightbox.ImageLightbox||ImageLightbox)(document.querySelectorAll('a'))</script>",
        _STYLE.format("imagelightbox/dist/imagelightbox.css")), "imagelightbox"),
    Case("lity", "pages", 10, page(
        each("<a href='/media?file={k}&x=.jpg' data-lity data-lity-target='/media?file={k}' class=l>Car {k}</a> ") + _JQUERY + script("lity/dist/lity.min.js")
        + "<script>lity.handlers('image')</script>", _STYLE.format("lity/dist/lity.min.css")), "lity"),
    Case("react-photo-view", "pages", 10, page(
        "<div id=r></div><script>window.process={env:{NODE_ENV:'production'}}</script>" + _REACT + _REQUIRE
        + "<script>{const P=require('react-photo-view/dist/react-photo-view'),e=React.createElement;ReactDOM.createRoot(r).render(e(P.PhotoProvider,null,[...Array(10).keys()].map(k=>"
        "e(P.PhotoView,{key:k,src:`/media?file=${k}`},e('img',{src:`/thumb/250/${k}.jpg`})))))}</script>", _STYLE.format("react-photo-view/dist/react-photo-view.css")), "react-photo-view"),
    Case("ez-plus", "pages", 10, page(
        "<img id=z src='/thumb/500/0.jpg' data-zoom-image='/media?file=0' width=500><div id=g>" + each("<a href='#' data-image='/thumb/500/{k}.jpg' data-zoom-image='/media?file={k}'><img src='/thumb/100/{k}.jpg'></a>")
        + "</div>" + _JQUERY + script("ez-plus/src/jquery.ez-plus.js") + "<script>$('#z').ezPlus({gallery:'g',cursor:'pointer'})</script>"), "ez-plus"),
    Case("js-image-zoom", "pages", 10, page(
        each("<div class=z style='width:400px'></div>") + script("js-image-zoom/js-image-zoom.js")
        + "<script>document.querySelectorAll('.z').forEach((e,k)=>{new ImageZoom(e,{width:400,zoomWidth:500,img:`/pics/${k}.jpg`})})</script>"), "js-image-zoom"),
    Case("jquery-zoom", "pages", 10, page(
        each("<span class=z style='display:inline-block'><img src='/thumb/400/{k}.jpg' width=400></span>") + _JQUERY + script("jquery-zoom/jquery.zoom.min.js")
        + "<script>$('.z').each((k,e)=>$(e).zoom({url:`/media?file=${k}`,on:'click'}))</script>"), "jquery-zoom"),
    Case("nivo-slider", "pages", 10, page(
        "<div id=s class=nivoSlider style='width:600px'>" + each("<img src='/thumb/600/{k}.jpg' data-thumb='/thumb/60/{k}.jpg' data-large='/pics/{k}.jpg' title=Car>") + "</div>" + script("jq1/dist/jquery.min.js")
        + script("nivo-slider/jquery.nivo.slider.pack.js") + "<script>$('#s').nivoSlider({manualAdvance:true})</script>", _STYLE.format("nivo-slider/nivo-slider.css")), "nivo-slider"),
    Case("unslider", "pages", 10, page(
        "<div class=u style='width:600px'><ul>" + each("<li><img data-k={k} width=600 height=400></li>") + "</ul></div>" + script("jq1/dist/jquery.min.js") + script("unslider/dist/js/unslider-min.js")
        + "<script>const put=i=>{const e=$('.u li:not(.unslider-clone) img')[i];if(e)e.src=`/pics/${e.dataset.k}.jpg`};$('.u').on('unslider.change',(e,i)=>put(i)).unslider();put(0)</script>",
        _STYLE.format("unslider/dist/css/unslider.css")), "unslider"),
    Case("responsive-slides", "pages", 10, page(
        "<ul class=rslides style='width:600px'>" + each("<li><img data-k={k} width=600 height=400></li>") + "</ul>" + script("jq1/dist/jquery.min.js") + script("responsive-slides/responsiveslides.min.js")
        + "<script>const put=i=>{const e=$('.rslides img')[i];e.src=`/pics/${e.dataset.k}.jpg`};put(0);$('.rslides').responsiveSlides({auto:false,nav:true,before:i=>put(i)})</script>",
        _STYLE.format("responsive-slides/responsiveslides.css")), "responsive-slides"),
    Case("jcarousel", "pages", 10, page(
        "<div class=jcarousel-wrapper style='width:600px'><div class=jcarousel style='overflow:hidden;width:600px;position:relative'><ul style='width:20000em;position:relative;list-style:none;margin:0;padding:0'>" + each("<li style='float:left'><img data-k={k} width=600 height=400></li>")
        + "</ul></div><a href='#' class=jcarousel-control-prev>&lsaquo;</a><a href='#' class=jcarousel-control-next>&rsaquo;</a></div>" + script("jq1/dist/jquery.min.js") + script("jcarousel/dist/jquery.jcarousel.min.js")
        + "<script>const put=()=>$('.jcarousel').jcarousel('visible').find('img').each((_,e)=>{e.src=`/pics/${e.dataset.k}.jpg`});$('.jcarousel').on('jcarousel:createend jcarousel:animateend jcarousel:visiblein',put).jcarousel();"
        "$('.jcarousel-control-prev').jcarouselControl({target:'-=1'});$('.jcarousel-control-next').jcarouselControl({target:'+=1'});put()</script>"), "jcarousel"),
    Case("blaze-slider", "pages", 10, page(
        "<div class=blaze-slider style='width:600px'><div class=blaze-container><div class=blaze-track-container><div class=blaze-track>" + _SLIDES + "</div></div><button class=blaze-prev aria-label='Go to previous slide'></button><button class=blaze-next aria-label='Go to next slide'>&gt;</button></div></div>"
        + script("blaze-slider/dist/blaze-slider.min.js") + "<script>const put=i=>{const e=document.querySelector(`[data-k='${i}']`);e.src=`/pics/${i}.jpg`};put(0);new BlazeSlider(document.querySelector('.blaze-slider'),{all:{slidesToShow:1,loop:false}}).onSlide(i=>put(i))</script>",
        _STYLE.format("blaze-slider/dist/blaze.css")), "blaze-slider"),
    Case("a11y-slider", "pages", 10, page(
        "<style>.s{display:flex;width:600px}.s>*{width:100%;flex:0 0 auto}</style><div style='width:600px'><ul class=s>" + each("<li><img loading=lazy src=/pics/{k}.jpg width=600 height=400></li>") + "</ul></div>"
        + script("a11y-slider/dist/a11y-slider.js") + "<script>new A11YSlider(document.querySelector('.s'),{dots:false})</script>", _STYLE.format("a11y-slider/dist/a11y-slider.css")), "a11y-slider"),
    Case("nanogallery", "pages", 10, page(
        "<div id=n></div>" + script("jq1/dist/jquery.min.js") + script("nanogallery/dist/jquery.nanogallery.min.js")
        + "<script>$('#n').nanoGallery({itemsBaseURL:'',thumbnailWidth:250,thumbnailHeight:170,items:[...Array(10).keys()].map(k=>({src:`/media?file=${k}`,srct:`/thumb/250/${k}.jpg`,title:'Car'}))})</script>",
        _STYLE.format("nanogallery/dist/css/nanogallery.min.css")), "nanogallery"),
    Case("porsche-consent", "pages", 10, page(
        WALL + "<cookie-consent-banner headline='Cookies' btn-label-accept-and-continue='Agree and continue' btn-label-select-all-and-continue='Agree to all' btn-label-only-essential-and-continue='Continue with technically required cookies only' "
        "btn-label-persist-selection-and-continue='Save selection and continue' content-settings-description='You can decide which cookies are used.'>We use cookies.</cookie-consent-banner><script>document.addEventListener('cookie_consent_preferences_updated',()=>build());"
        "document.querySelector('cookie-consent-banner').availableCategories=[{key:'technically_required',label:'Technically required',isMandatory:true},{key:'analytics',label:'Analytics'}]</script>"
        + script("@porscheofficial/cookie-consent-banner/dist/cookie-consent-banner/cookie-consent-banner.esm.js", "type=module")), "@porscheofficial/cookie-consent-banner"),
    Case("cookie-though", "pages", 10, page(
        WALL + "<script type=module>import {init,onPreferencesChanged} from '/npm/cookie-though/dist/lib.js';</script>" + "<script>window.process={env:{}};window.module=undefined</script>" + REQUIRE
        + "<script>const c=require('cookie-though/dist/lib');c.init({policies:[{id:'essential',label:'Essential Cookies',description:'d',category:'essential'},{id:'functional',label:'Functional Cookies',category:'functional',description:'d'}],"
        "essentialLabel:'Always on',permissionLabels:{accept:'Accept',acceptAll:'Accept all',decline:'Decline'},cookiePreferenceKey:'cookie-preferences',header:{title:'cookie though?',subTitle:'x',description:'Everybody wants to show their best side.'},"
        "cookiePolicy:{url:'/p',label:'Read the full cookie declaration'},customizeLabel:'Customize'});c.onPreferencesChanged(()=>build())</script>"), "cookie-though"),
    Case("threesixty", "spinners", 24, page(
        "<div id=t style='width:600px;height:400px'></div>" + script("threesixty/dist/threesixty.min.js") + f"<script>(threesixty.default||threesixty)(document.querySelector('#t'),{_FRAMES.format('ts')}).init()</script>"), "threesixty", (600, 400)),
    Case("spin-360", "spinners", 24, page(
        "<div id=t></div>" + _JQUERY + script("spin-360/scripts/spin360.js") + f"<script>$('#t').spin360({{width:600,height:400,datas:{_FRAMES.format('spt')}}})</script>"), "spin-360", (600, 400)),
)  # fmt: skip
