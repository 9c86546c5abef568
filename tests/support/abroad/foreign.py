"""Pages built from libraries that were not looked at while the collector was written."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

from abroad.pages import WALL, Case, each, page, script

_STYLE = "<link rel=stylesheet href=/npm/{}>"
_ALL = "[...Array(10).keys()].map(k=>'/pics/'+k+'.jpg')"
_FULL = "[...Array(10).keys()].map(k=>({src:'/pics/'+k+'.jpg',width:1200,height:800}))"


FOREIGN = (
    # --- consent
    Case("orejime", "pages", 10, page(
        WALL + "<script>window.orejimeConfig={privacyPolicyUrl:'/p',purposes:[{id:'ga',title:'GA',cookies:['_ga']}]};"
        "document.addEventListener('click',e=>{if(e.target.closest('.orejime-Button--decline'))setTimeout(build,50)},true)"
        "</script>" + script("orejime/dist/orejime-standard-en.js")), "orejime"),
    Case("orejime-modal", "pages", 10, page(
        WALL + "<script>window.orejimeConfig={cookie:{name:'modal-consent'},forceModal:true,lang:'de',privacyPolicyUrl:'/p',purposes:[{id:'ga',title:'GA',cookies:['_ga']}]};"
        "document.addEventListener('click',e=>{if(e.target.closest('.orejime-Modal-declineAll,.orejime-Button--save,.orejime-PurposeToggles-disableAll,.orejime-Button--decline'))setTimeout(build,50)},true)"
        "</script>" + script("orejime/dist/orejime-standard-de.js")), "orejime"),
    Case("osano-cookieconsent", "pages", 10, page(
        WALL + script("cookieconsent/build/cookieconsent.min.js") + "<script>cookieconsent.initialise({type:'opt-in',"
        "onStatusChange(){if(this.hasAnswered())build()}})</script>"), "cookieconsent"),
    Case("consent-frame", "pages", 10, page(
        WALL + "<iframe id=sp_message_iframe title='SP Consent Message' style='position:fixed;inset:0;width:100%;height:100%' "
        "srcdoc=\"<button onclick='parent.postMessage(1,`*`)'>Reject all</button><button>Accept</button>\"></iframe>"
        "<script>document.body.style.overflow='hidden';onmessage=()=>{sp_message_iframe.remove();build()}</script>")),
    # --- galleries
    Case("flickity", "pages", 10, page(
        "<div class=c style='width:700px'>" + each('<div style="width:600px;height:400px"><img data-flickity-lazyload="/pics/{k}.jpg" width=600></div>')
        + "</div><script>new Flickity('.c',{lazyLoad:true,wrapAround:true})</script>",
        _STYLE.format("flickity/dist/flickity.min.css") + script("flickity/dist/flickity.pkgd.min.js")), "flickity"),
    Case("fancybox", "pages", 10, page(
        each('<img data-fancybox=g data-src="/pics/{k}.jpg" src="/thumb/250/{k}.jpg">') + script("@fancyapps/ui/dist/index.umd.js")
        + "<script>Fancybox.bind('[data-fancybox]')</script>"), "@fancyapps/ui"),
    Case("keen-slider", "pages", 10, page(
        "<div class=keen-slider id=k style='width:600px'></div><button id=n aria-label=Next>&#8594;</button><script>"
        "const L=" + _ALL + ";k.innerHTML=L.map(()=>'<div class=keen-slider__slide><img width=600 height=400></div>').join('');"
        "const I=[...k.querySelectorAll('img')],show=i=>{[i,i+1].forEach(j=>{if(I[j]&&!I[j].src)I[j].src=L[j]})};"
        "const s=new KeenSlider(k,{slideChanged(s){show(s.track.details.rel)},created(){show(0)}});n.onclick=()=>s.next()</script>",
        _STYLE.format("keen-slider/keen-slider.min.css") + script("keen-slider/keen-slider.js")), "keen-slider"),
    Case("slick", "pages", 10, page(
        "<div class=s style='width:600px'>" + each('<div><img data-lazy="/pics/{k}.jpg" width=600></div>')
        + "</div><script>jQuery('.s').slick({lazyLoad:'ondemand',infinite:true})</script>",
        _STYLE.format("slick-carousel/slick/slick.css") + script("jq1/dist/jquery.min.js") + script("slick-carousel/slick/slick.min.js")), "slick-carousel"),
    Case("viewerjs", "pages", 10, page(
        "<ul id=u>" + each('<li><img src="/thumb/250/{k}.jpg" data-original="/pics/{k}.jpg"></li>') + "</ul>"
        "<script>new Viewer(u,{url:'data-original'})</script>", script("viewerjs/dist/viewer.min.js")), "viewerjs"),
    Case("blueimp-gallery", "pages", 10, page(
        "<div id=blueimp-gallery class='blueimp-gallery blueimp-gallery-controls' aria-label='image gallery' aria-modal=true role=dialog>"
        "<div class=slides aria-live=polite></div><a class=prev aria-controls=blueimp-gallery aria-label='previous slide'></a>"
        "<a class=next aria-controls=blueimp-gallery aria-label='next slide'></a></div><button id=b>View photos</button><script>"
        "b.onclick=()=>blueimp.Gallery(" + _ALL + ")</script>",
        _STYLE.format("blueimp-gallery/css/blueimp-gallery.min.css") + script("blueimp-gallery/js/blueimp-gallery.min.js")), "blueimp-gallery"),
    Case("swiper-virtual", "pages", 10, page(
        "<div class=swiper style='width:800px;height:500px'><div class=swiper-wrapper></div><div class=swiper-button-next></div></div>"
        "<script>new Swiper('.swiper',{navigation:{nextEl:'.swiper-button-next'},virtual:{slides:" + _ALL
        + ".map(u=>`<img width=800 src=${u}>`)}})</script>",
        _STYLE.format("swiper/swiper-bundle.min.css") + script("swiper/swiper-bundle.min.js")), "swiper"),
    Case("photoswipe-list", "pages", 10, page(
        "<button id=b>Open gallery</button><script type=module>import L from '/npm/photoswipe/dist/photoswipe-lightbox.esm.js';"
        "const l=new L({dataSource:" + _FULL + ",pswpModule:()=>import('/npm/photoswipe/dist/photoswipe.esm.js')});"
        "l.init();b.onclick=()=>l.loadAndOpen(0)</script>", _STYLE.format("photoswipe/dist/photoswipe.css")), "photoswipe"),
    # --- viewers
    Case("view360-spin", "spinners", 24, page(
        "<div id=v style='width:300px;height:200px'></div>" + script("@egjs/view360/dist/view360.pkgd.min.js")
        + "<script>new eg.view360.SpinViewer(v,{imageUrl:'/sheet.jpg',rowCount:4,colCount:6,autoHeight:true})</script>"),
        "@egjs/view360", (300, 200), "sprite"),
    Case("threesixty-js-list", "spinners", 24, page(
        "<div id=v></div>" + script("@mladenilic/threesixty.js/dist/threesixty.js")
        + "<script>new ThreeSixty(v,{image:[...Array(24).keys()].map(k=>`/spin/tsj-${k+1}.jpg`),width:600,height:400})</script>"),
        "@mladenilic/threesixty.js", (600, 400)),
    Case("threesixty-js-sheet", "spinners", 24, page(
        "<div id=v></div>" + script("@mladenilic/threesixty.js/dist/threesixty.js")
        + "<script>new ThreeSixty(v,{image:'/sheet.jpg',count:24,perRow:6,width:300,height:200})</script>"),
        "@mladenilic/threesixty.js", (300, 200), "sprite"),
)  # fmt: skip
