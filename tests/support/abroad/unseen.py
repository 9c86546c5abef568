"""A third set of pages built from libraries that were not looked at while the collector was written."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from abroad.further import REQUIRE
from abroad.pages import WALL, Case, each, page, script

_STYLE = "<link rel=stylesheet href=/npm/{}>"
_JQUERY = script("jq1/dist/jquery.min.js")
_PANO = (2048, 1024)
_IMPORT = (
    '<script type=importmap>{"imports":{"three":"/npm/three/build/three.module.js",'
    '"@photo-sphere-viewer/core":"/npm/@photo-sphere-viewer/core/index.module.js"}}</script>'
    + _STYLE.format("@photo-sphere-viewer/core/index.css")
    + _STYLE.format("@photo-sphere-viewer/virtual-tour-plugin/index.css")
)


def linked(mark: str) -> str:
    """Return ten small copies with links to addresses that are not named as pictures."""
    return each(f"<a {mark} href='/media?file={{k}}'><img src='/thumb/250/{{k}}.jpg' alt=Car></a>")


# Pages on which the collector failed until their kind was mended.
UNSEEN_MENDED = (
    # --- what a lightbox shows has an address without the name of a picture
    Case("simplelightbox", "pages", 10, page(
        f"<div class=gallery>{linked('')}</div>" + script("simplelightbox/dist/simple-lightbox.min.js")
        + "<script>new SimpleLightbox('.gallery a',{fileExt:false})</script>",
        _STYLE.format("simplelightbox/dist/simple-lightbox.min.css")), "simplelightbox"),
    Case("luminous", "pages", 10, page(
        linked("class=gallery-demo") + script("luminous-lightbox/dist/luminous.min.js")
        + "<script>new LuminousGallery(document.querySelectorAll('.gallery-demo'))</script>",
        _STYLE.format("luminous-lightbox/dist/luminous-basic.min.css")), "luminous-lightbox"),
    Case("venobox", "pages", 10, page(
        linked("class=venobox data-gall=g") + script("venobox/dist/venobox.min.js") + "<script>new VenoBox({selector:'.venobox'})</script>",
        _STYLE.format("venobox/dist/venobox.min.css")), "venobox"),
    # --- lists that open by a click on something without words, and are turned by arrows without names
    Case("colorbox", "pages", 10, page(
        each("<p><a class=group1 href='/media?file={k}' title=Car>Grouped photo {k}</a></p>") + _JQUERY + script("jquery-colorbox/jquery.colorbox-min.js")
        + "<script>$('.group1').colorbox({rel:'group1',photo:true})</script>"), "jquery-colorbox"),
    Case("bigpicture-list", "pages", 10, page(
        "<img id=b width=250 src='/thumb/250/0.jpg'>" + script("bigpicture/dist/BigPicture.min.js")
        + "<script>b.onclick=e=>BigPicture({el:e.target,gallery:[...Array(10).keys()].map(k=>({src:`/pics/${k}.jpg`}))})</script>"), "bigpicture"),
    Case("glide", "pages", 10, page(
        "<div class=glide style='width:600px'><div class=glide__track data-glide-el=track><ul class=glide__slides>"
        + each("<li class=glide__slide><img data-k={k} width=600 height=400></li>") + "</ul></div><div class=glide__arrows data-glide-el=controls>"
        "<button class='glide__arrow glide__arrow--left' data-glide-dir='<'>prev</button><button class='glide__arrow glide__arrow--right' data-glide-dir='>'></button></div></div>"
        + script("@glidejs/glide/dist/glide.min.js") + "<script>const g=new Glide('.glide',{type:'carousel'});g.on(['mount.after','run.after'],()=>"
        "document.querySelectorAll('.glide__slide--active img').forEach(i=>{i.src=`/pics/${i.dataset.k}.jpg`}));g.mount()</script>",
        _STYLE.format("@glidejs/glide/dist/css/glide.core.min.css")), "@glidejs/glide"),
    # --- larger copies that an attribute names until the smaller one is loaded, or that only the state of a component names
    Case("blazy", "pages", 10, page(
        each("<p><img class=b-lazy src='data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==' data-src='/thumb/700/{k}.jpg|/pics/{k}.jpg' width=600 height=400></p>")
        + script("blazy/blazy.min.js") + "<script>new Blazy()</script>"), "blazy"),
    Case("jquery-lazy", "pages", 10, page(
        each("<p><img class=lazy data-src='/thumb/700/{k}.jpg' data-retina='/pics/{k}.jpg' width=600 height=400></p>", 5)
        + "".join(f"<div class=lazy data-src='/pics/{k}.jpg' style='width:600px;height:400px'></div>" for k in range(5, 10))
        + script("jq3/dist/jquery.min.js") + script("jquery-lazy/jquery.lazy.min.js") + "<script>$(()=>$('.lazy').Lazy())</script>"), "jquery-lazy"),
    Case("react-image-gallery", "pages", 10, page(
        "<div id=r></div><script>window.process={env:{}}</script>" + REQUIRE + "<script>const R=require('react/index.js'),G=require('react-image-gallery/build/image-gallery.js');"
        "const items=[...Array(10).keys()].map(k=>({original:`/thumb/700/${k}.jpg`,thumbnail:`/thumb/60/${k}.jpg`,fullscreen:`/pics/${k}.jpg`}));"
        "require('react-dom/client.js').createRoot(document.getElementById('r')).render(R.createElement(G.default||G,{items,lazyLoad:true}))</script>",
        _STYLE.format("react-image-gallery/styles/css/image-gallery.css")), "react-image-gallery"),
    # --- panoramas, known by the file that a canvas is painted from
    Case("marzipano", "spinners", 1, page(
        "<div id=p style='width:900px;height:500px'></div>" + script("marzipano/dist/marzipano.js") + "<script>new Marzipano.Viewer(p).createScene({"
        "source:Marzipano.ImageUrlSource.fromString('/pano.jpg'),geometry:new Marzipano.EquirectGeometry([{width:2048}]),view:new Marzipano.RectilinearView("
        "{yaw:Math.PI},Marzipano.RectilinearView.limit.traditional(1024,100*Math.PI/180)),pinFirstLevel:true}).switchTo()</script>"), "marzipano", _PANO, "panorama"),
    Case("view360-pano", "spinners", 1, page(
        "<div id=v style='width:900px;height:500px'></div>" + script("@egjs/view360/dist/view360.pkgd.min.js")
        + "<script>new eg.view360.PanoViewer(v,{image:'/pano.jpg',projectionType:'equirectangular'})</script>"), "@egjs/view360", _PANO, "panorama"),
    Case("psv-tour", "spinners", 2, page(
        "<div id=p style='width:900px;height:500px'></div><script type=module>import {Viewer} from '@photo-sphere-viewer/core';import {VirtualTourPlugin} from "
        "'/npm/@photo-sphere-viewer/virtual-tour-plugin/index.module.js';const node=(id,panorama,nodeId)=>({id,panorama,links:[{nodeId,position:{textureX:1500,textureY:780}}]});"
        "new Viewer({container:'p',plugins:[VirtualTourPlugin.withConfig({positionMode:'manual',renderMode:'3d',nodes:[node('1','/pano.jpg','2'),"
        "node('2','/pano-2.jpg','1')],startNodeId:'1'})]})</script>", _IMPORT), "@photo-sphere-viewer/virtual-tour-plugin", _PANO, "panorama"),
    # A-Frame's own markup; the library depends on an archive that is in no registry.
    Case("a-sky", "spinners", 1, page("<a-scene embedded><a-sky src=/pano.jpg style='display:block;height:9px'></a-sky></a-scene>"), "", _PANO, "panorama"),
    # --- its viewer goes back in the history when it closes, further than the page
    Case("spotlight-group", "pages", 10, page(
        "<div class=spotlight-group>" + each("<div class=spotlight data-src='/media?file={k}'><img src='/thumb/250/{k}.jpg'></div>")
        + "</div>" + script("spotlight.js/dist/spotlight.bundle.js")), "spotlight.js"),
)  # fmt: skip

# Pages that were collected whole at once.
UNSEEN = (
    Case("spotlight-show", "pages", 10, page(
        "<button id=b>Show gallery</button>" + script("spotlight.js/dist/spotlight.bundle.js")
        + "<script>(()=>{const g=[...Array(10).keys()].map(k=>({src:`/pics/${k}.jpg`}));b.onclick=()=>Spotlight.show(g)})()</script>"), "spotlight.js"),
    Case("bigpicture", "pages", 10, page(
        "<div id=c>" + each("<img src='/thumb/250/{k}.jpg' data-bp='/pics/{k}.jpg'>") + "</div>" + script("bigpicture/dist/BigPicture.min.js")
        + "<script>document.querySelectorAll('#c img').forEach(i=>i.onclick=e=>BigPicture({el:e.target,gallery:'#c'}))</script>"), "bigpicture"),
    Case("yall", "pages", 10, page(
        each("<p><img class=lazy src='/thumb/60/77.jpg' data-src='/pics/{k}.jpg' width=600 height=400></p>", 5)
        + "<style>.b{width:600px;height:400px}" + "".join(f".b{k}.lazy-bg-loaded{{background-image:url(/pics/{k}.jpg)}}" for k in range(5, 10)) + "</style>"
        + "".join(f"<div class='b b{k} lazy-bg'></div>" for k in range(5, 10))
        + "<script type=module>import {yall} from '/npm/yall-js/dist/yall.modern.js';yall()</script>"), "yall-js"),
    Case("swiffy", "pages", 10, page(
        "<div class=swiffy-slider style='width:600px'><ul class=slider-container>" + each("<li><img src='/pics/{k}.jpg' loading=lazy width=600 height=400></li>")
        + "</ul><button type=button class=slider-nav></button><button type=button class='slider-nav slider-nav-next'></button></div><script type=module>"
        "import {swiffyslider} from '/npm/swiffy-slider/dist/js/swiffy-slider.js';window.swiffyslider=swiffyslider;swiffyslider.init()</script>",
        _STYLE.format("swiffy-slider/dist/css/swiffy-slider.css")), "swiffy-slider"),
    Case("medium-zoom", "pages", 10, page(
        each("<p><img class=z src='/thumb/400/{k}.jpg' data-zoom-src='/media?file={k}'></p>") + script("medium-zoom/dist/medium-zoom.min.js")
        + "<script>mediumZoom('.z')</script>"), "medium-zoom"),
    Case("flexslider", "pages", 10, page(
        "<div class=flexslider style='width:600px'><ul class=slides>" + each("<li data-thumb='/thumb/60/{k}.jpg'><img data-k={k} width=600 height=400></li>") + "</ul></div>"
        + _JQUERY + script("flexslider/jquery.flexslider-min.js") + "<script>const put=i=>$('.slides li:not(.clone) img').eq(i).each(function(){this.src='/pics/'+this.dataset.k+'.jpg'});"
        "$('.flexslider').flexslider({animation:'fade',slideshow:false,start:()=>put(0),before:s=>put(s.animatingTo)})</script>",
        _STYLE.format("flexslider/flexslider.css")), "flexslider"),
    Case("siema", "pages", 10, page(
        "<div class=siema style='width:600px'>" + each("<img data-k={k} width=600 height=400>") + "</div><button class=prev>Prev</button><button class=next>Next</button>"
        + script("siema/dist/siema.min.js") + "<script>const put=()=>{const i=document.querySelectorAll('.siema img')[s.currentSlide];i.src=`/pics/${i.dataset.k}.jpg`};"
        "const s=new Siema({onChange:()=>put()});put();document.querySelector('.next').onclick=()=>s.next()</script>"), "siema"),
    Case("cookies-eu-banner", "pages", 10, page(
        WALL + "<template id=cookies-eu-banner-template><div id=cookies-eu-banner>By continuing to visit this site, you accept the use of cookies by Google Analytics for "
        "statistical purposes. <button id=cookies-eu-reject>Reject</button><button id=cookies-eu-accept>Accept</button></div></template>"
        + script("cookies-eu-banner/dist/cookies-eu-banner.global.js") + "<script>document.addEventListener('click',e=>{if(e.target.id==='cookies-eu-reject')setTimeout(build,50)});"
        "CookiesEuBanner.createCookiesBanner({onAccept(){}})</script>"), "cookies-eu-banner"),
)  # fmt: skip
