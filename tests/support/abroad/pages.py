"""The pages: one per library and kind, each with what has to come of it."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from dataclasses import dataclass

FULL = (1200, 800)
"""Size of the photos at full size."""


@dataclass(frozen=True)
class Case:
    """One page.

    Parameters
    ----------
    kind : str
        ``pages`` or ``spinners``, as in brands.yaml.
    expected : int
        Pictures or frames.
    full : tuple of int
        Their size.
    captures : str
        Of frames: how they have to be taken.
    """

    name: str
    kind: str
    expected: int
    html: str
    library: str = ""
    full: tuple[int, int] = FULL
    captures: str = "bytes"


def page(body: str, head: str = "") -> str:
    """Return a page with this body."""
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>t</title>{head}<body>{body}"


def each(template: str, count: int = 10) -> str:
    """Return the template once per picture, with its number for ``{k}``."""
    return "".join(template.replace("{k}", str(k)) for k in range(count))


def script(path: str, kind: str = "") -> str:
    """Return the element that loads a library."""
    return f'<script {kind} src="/npm/{path}"></script>'


WALL = """<script>window.build=()=>{const d=document.getElementById("main");if(d.dataset.done)return;
d.dataset.done=1;for(let k=0;k<10;k++){const p=document.createElement("p");p.style.height="500px";
p.innerHTML=`<img src=/pics/${k}.jpg width=600 height=400>`;d.append(p)}};</script><div id=main></div>"""

_VCC = WALL + script("vanilla-cookieconsent/dist/cookieconsent.umd.js")
_VCC_TEXT = """{hideFromBots:false,onConsent:()=>build(),categories:{necessary:{enabled:true,readOnly:true}},
language:{default:'en',translations:{en:{consentModal:{title:'t',description:'d',acceptAllBtn:'Accept all',
acceptNecessaryBtn:'Reject all',showPreferencesBtn:'m'},preferencesModal:{title:'p',sections:[]}}}}}"""

_IMPORT = '<script type=importmap>{"imports":{"three":"/npm/three/build/three.module.js",'
_IMPORT += '"@photo-sphere-viewer/core":"/npm/@photo-sphere-viewer/core/index.module.js"}}</script>'

_SPRITE = script("jquery/dist/jquery.min.js") + script("spritespin/release/spritespin.js")

CASES = (
    Case("lazysizes", "pages", 10, page(each(
        '<p><img class=lazyload src="/thumb/60/{k}.jpg" data-sizes=auto width=600 height=400 '
        'data-srcset="/thumb/300/{k}.jpg 300w, /pics/{k}.jpg 1200w"></p>'),
        script("lazysizes/lazysizes.min.js", "async")), "lazysizes"),
    Case("lozad", "pages", 10, page(each(
        '<p><img class=lozad src="/thumb/200/77.jpg" data-src="/pics/{k}.jpg" width=600 '
        'height=400></p>') + "<script>lozad().observe()</script>",
        script("lozad/dist/lozad.min.js")), "lozad"),
    Case("vanilla-lazyload", "pages", 10, page(each(
        '<p><img class=lazy data-src="/pics/{k}.jpg" width=600 height=400></p>')
        + "<script>new LazyLoad()</script>",
        script("vanilla-lazyload/dist/lazyload.min.js")), "vanilla-lazyload"),
    Case("swiper", "pages", 10, page(
        "<div class=swiper style='width:800px;height:500px'><div class=swiper-wrapper>" + each(
        '<div class=swiper-slide><img loading=lazy src="/pics/{k}.jpg" width=800></div>')
        + "</div><div class=swiper-button-next></div></div>"
        "<script>new Swiper('.swiper',{loop:true,navigation:{nextEl:'.swiper-button-next'}})</script>",
        "<link rel=stylesheet href=/npm/swiper/swiper-bundle.min.css>"
        + script("swiper/swiper-bundle.min.js")), "swiper"),
    Case("splide", "pages", 10, page(
        "<div class=splide style='width:800px'><div class=splide__track><ul class=splide__list>"
        + each('<li class=splide__slide><img data-splide-lazy="/pics/{k}.jpg" width=800></li>')
        + "</ul></div></div><script>new Splide('.splide',{type:'loop',lazyLoad:'nearby'}).mount()"
        "</script>", script("@splidejs/splide/dist/js/splide.min.js")), "@splidejs/splide"),
    Case("photoswipe", "pages", 10, page("<div id=g>" + each(
        '<a href="/pics/{k}.jpg" data-pswp-width=1200 data-pswp-height=800>'
        '<img src="/thumb/250/{k}.jpg"></a>') + "</div><script type=module>"
        "import L from '/npm/photoswipe/dist/photoswipe-lightbox.esm.js';"
        "new L({gallery:'#g',children:'a',pswpModule:()=>import("
        "'/npm/photoswipe/dist/photoswipe.esm.js')}).init()</script>"), "photoswipe"),
    Case("lightgallery", "pages", 10, page(
        "<button id=b>Gallery</button><script>const l=lightGallery(b,{dynamic:true,dynamicEl:"
        "[...Array(10).keys()].map(k=>({src:`/pics/${k}.jpg`,thumb:`/thumb/250/${k}.jpg`}))});"
        "b.onclick=()=>l.openGallery(0)</script>",
        script("lightgallery/lightgallery.min.js")), "lightgallery"),
    Case("fslightbox", "pages", 10, page(each(
        '<a data-fslightbox=g href="/pics/{k}.jpg"><img src="/thumb/250/{k}.jpg"></a>')
        + script("fslightbox/index.js")), "fslightbox"),
    Case("vanilla-cookieconsent", "pages", 10, page(
        f"{_VCC}<script>setTimeout(()=>CookieConsent.run({_VCC_TEXT}),1500)</script>"),
        "vanilla-cookieconsent"),
    Case("klaro", "pages", 10, page(
        WALL + "<script>var klaroConfig={version:1,elementID:'klaro',mustConsent:true,"
        "acceptAll:true,lang:'en',translations:{en:{purposes:{a:{title:'A'}},privacyPolicyUrl:'/p'}},"
        "services:[{name:'ga',title:'GA',purposes:['a']}]};document.addEventListener('click',e=>{"
        "if(e.target.closest('.cm-btn'))setTimeout(build,50)},true)</script>"
        + script("klaro/dist/klaro.js")), "klaro"),
    Case("tarteaucitron", "pages", 10, page(
        WALL + script("tarteaucitronjs/tarteaucitron.js") + "<script>tarteaucitron.init({"
        "privacyUrl:'',cookieName:'tac',orientation:'middle',highPrivacy:true,DenyAllCta:true,"
        "AcceptAllCta:true,handleBrowserDNTRequest:false,removeCredit:true,showIcon:false,"
        "mandatory:true});(tarteaucitron.job=tarteaucitron.job||[]).push('gtag');"
        "tarteaucitron.user.gtagUa='G-1';document.addEventListener('click',e=>{"
        "if(e.target.closest('#tarteaucitronAllDenied2'))setTimeout(build,50)})</script>"),
        "tarteaucitronjs"),
    Case("next-image", "pages", 10, page(each(
        '<p><img src="/_next/image?url=%2Fpics%2F{k}.jpg&amp;w=640&amp;q=75" width=600></p>'))),
    Case("cloudinary", "pages", 10, page(each(
        '<p><img src="/image/upload/c_fill,w_400,q_auto/cars/{k}.jpg" width=400></p>'))),
    Case("shopify", "pages", 10, page(each(
        '<p><img src="/cdn/shop/files/{k}_400x.jpg?v=17" width=400></p>'))),
    Case("scene7", "pages", 10, page(each(
        '<p><img src="/is/image/brand/{k}?wid=400&amp;fmt=jpg" width=400></p>'))),
    Case("cloudflare", "pages", 10, page(each(
        '<p><img src="/cdn-cgi/image/width=400/pics/{k}.jpg" width=400></p>'))),
    Case("late-module", "pages", 10, page(
        '<div id=r></div><script type=module>const {draw}=await import("/slow/1500/chunk.js");'
        "draw(r)</script>")),
    Case("late-timer", "pages", 10, page(
        "<div id=r></div><script>setTimeout(async()=>{const l=await(await fetch('/list.json')).json();"
        "r.innerHTML=l.map(u=>`<p><img width=600 src=${u}></p>`).join('')},4000)</script>")),
    Case("meta-refresh", "pages", 10, page(
        "", "<meta http-equiv=refresh content='1;url=/cloudflare.html'>")),
    Case("inner-scroll", "pages", 10, page(
        "<style>html,body{height:100%;margin:0;overflow:hidden}#s{height:500px;overflow:auto}</style>"
        "<div id=s></div><script>let n=0;const add=()=>{for(let i=0;i<2&&n<10;i++,n++)"
        "s.insertAdjacentHTML('beforeend',`<img style='display:block' width=600 height=400 "
        "src=/pics/${n}.jpg>`)};add();s.onscroll=()=>{if(s.scrollTop+s.clientHeight>"
        "s.scrollHeight-50)setTimeout(add,100)}</script>")),
    Case("load-more", "pages", 10, page(
        "<button onclick='if(event.isTrusted)add()'>Load more photos</button><div id=x></div><script>"
        "let n=0;function add(){for(let i=0;i<4&&n<10;i++,n++)x.insertAdjacentHTML('beforeend',"
        "`<img width=400 src=/pics/${n}.jpg>`)}add()</script>")),
    Case("cloudimage-360-js", "spinners", 36, page(
        "<div style='width:800px'><div id=v style='height:500px'></div></div>"
        + script("js-cloudimage-360-view/dist/js-cloudimage-360-view.min.js")
        + "<script>CI360.init(v,{folder:'/spin/',filenameX:'ci-{index}.jpg',amountX:36,keys:true,"
        "draggable:true})</script>"), "js-cloudimage-360-view", (600, 400)),
    Case("cloudimage-360-two-axes", "spinners", 48, page(
        "<div style='width:800px'><div class=cloudimage-360 id=v data-folder=/spin/ "
        'data-filename-x="ci-{index}.jpg" data-amount-x=36 data-filename-y="axis-{index}.jpg" '
        "data-amount-y=12></div></div>"
        + script("js-cloudimage-360-view/dist/js-cloudimage-360-view.min.js")
        + "<script>CI360.initAll()</script>"), "js-cloudimage-360-view", (600, 400)),
    Case("spritespin-sheet", "spinners", 24, page(
        f"<div id=v></div>{_SPRITE}<script>$('#v').spritespin({{source:'/sheet.jpg',frames:24,"
        "framesX:6,width:300,height:200,sense:-1,animate:false})</script>"),
        "spritespin", (300, 200), "sprite"),
    Case("spritespin-bundled", "spinners", 32, page(
        f"<div id=v></div>{_SPRITE}<script>jQuery('#v').spritespin({{source:SpriteSpin.sourceArray("
        "'/spin/ss-{frame}.jpg',{frame:[1,32],digits:2}),width:600,height:400,sense:-1,"
        "animate:false});jQuery.noConflict(true);delete window.SpriteSpin</script>"),
        "spritespin", (600, 400)),
    Case("threesixty-slider", "spinners", 24, page(
        "<div class='threesixty p1'><div class=spinner><span>0%</span></div>"
        "<ol class=threesixty_images></ol></div>" + script("jq1/dist/jquery.min.js")
        + script("threesixty-slider/src/threesixty.js") + "<script>$('.p1').ThreeSixty({"
        "totalFrames:24,endFrame:24,currentFrame:1,imgList:'.threesixty_images',progress:'.spinner',"
        "imagePath:'/spin/',filePrefix:'tss-',ext:'.jpg',height:400,width:600,navigation:false,"
        "disableSpin:true})</script>"), "threesixty-slider", (600, 400)),
    Case("model-viewer", "spinners", 36, page(
        "<model-viewer src=/box.glb camera-controls auto-rotate style='width:400px;height:250px'>"
        "</model-viewer>",
        '<script type=module src="/npm/@google/model-viewer/dist/model-viewer.min.js"></script>'),
        "@google/model-viewer", (400, 250), "canvas"),
    Case("three-orbit-controls", "spinners", 36, page(
        "<script type=module>import * as THREE from 'three';import {OrbitControls} from "
        "'/npm/three/examples/jsm/controls/OrbitControls.js';const r=new THREE.WebGLRenderer();"
        "r.setSize(500,300);document.body.append(r.domElement);const s=new THREE.Scene();"
        "s.background=new THREE.Color(0xdddddd);const c=new THREE.PerspectiveCamera(45,5/3,.1,100);"
        "c.position.set(0,1.5,5);s.add(new THREE.Mesh(new THREE.BoxGeometry(3,1,1.4),[1,2,3,4,5,6]"
        ".map(k=>new THREE.MeshBasicMaterial({color:k*2500000}))));const o=new OrbitControls(c,"
        "r.domElement);o.enableDamping=true;(function f(){o.update();r.render(s,c);"
        "requestAnimationFrame(f)})();</script>", _IMPORT), "three", (500, 300), "canvas"),
    Case("pannellum", "spinners", 1, page(
        "<div id=p style='width:900px;height:500px'></div>" + script("pannellum/build/pannellum.js")
        + "<script>pannellum.viewer('p',{type:'equirectangular',panorama:'/pano.jpg',autoLoad:true})"
        "</script>", "<link rel=stylesheet href=/npm/pannellum/build/pannellum.css>"),
        "pannellum", (2048, 1024), "panorama"),
    Case("photo-sphere-viewer", "spinners", 1, page(
        "<div id=p style='width:900px;height:500px'></div><script type=module>import {Viewer} from "
        "'@photo-sphere-viewer/core';new Viewer({container:'p',panorama:'/pano.jpg'})</script>",
        _IMPORT + "<link rel=stylesheet href=/npm/@photo-sphere-viewer/core/index.css>"),
        "@photo-sphere-viewer/core", (2048, 1024), "panorama"),
)  # fmt: skip
