"""Pages that follow public reports of pictures that other collectors miss or mix up."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import json

from abroad.pages import Case, each, page

_GALLERY = json.dumps(
    [{"url": f"/pics/{n}.jpg", "preview_url": f"/thumb/250/{n}.jpg"} for n in range(10)]
)

SERVICE_WORKER = """self.oninstall=()=>self.skipWaiting();self.onactivate=e=>e.waitUntil(clients.claim());
self.onfetch=e=>{const m=e.request.url.match(/virtual\\/(\\d)/);if(m)e.respondWith(fetch(`/pics/${m[1]}.jpg`))}"""

REPORTS = (
    # browsertrix 1408, dembrandt 128, browserless 827: the content comes after the load event
    Case("late-chain", "pages", 10, page(
        "<div id=r></div><script>(async()=>{for(let i=0;i<3;i++)await new Promise(s=>setTimeout(s,900));"
        "const l=await(await fetch('/list.json')).json();r.innerHTML=l.map(u=>"
        "`<p><img width=600 height=400 src=${u}></p>`).join('')})()</script>")),
    # waypoints 269: the window does not scroll, <main> does
    Case("main-scrolls", "pages", 10, page(
        "<style>html,body{margin:0;height:100%;overflow:hidden}main{height:100vh;overflow-y:auto}</style>"
        "<main id=x></main><script>let n=0;function add(){for(let i=0;i<3&&n<10;i++,n++){"
        "const p=document.createElement('p');p.style.height='500px';p.innerHTML="
        "`<img width=600 height=400 src=/pics/${n}.jpg>`;x.append(p)}}add();x.onscroll=()=>{"
        "if(x.scrollTop+x.clientHeight>x.scrollHeight-100)setTimeout(add,150)}</script>")),
    # crawlee 704: more comes only to one who goes up again before the next scroll to the end
    Case("armed-scroll", "pages", 10, page(
        "<div id=x></div><div style='height:40px'></div><script>let n=0;function add(){"
        "for(let i=0;i<2&&n<10;i++,n++){const p=document.createElement('p');p.style.height='700px';"
        "p.innerHTML=`<img width=600 height=400 src=/pics/${n}.jpg>`;x.append(p)}}add();let armed=true;"
        "addEventListener('scroll',()=>{const b=document.documentElement.scrollHeight-innerHeight-scrollY;"
        "if(b>150)armed=true;if(armed&&b<100){armed=false;setTimeout(add,200)}})</script>")),
    # gallery-dl 3830: the full size is only in a JSON attribute of the box around the previews
    Case("json-attribute", "pages", 10, page(
        f"<div class=gallery data-gallery='{_GALLERY}'>" + each('<img src="/thumb/250/{k}.jpg">')
        + "</div>")),
    # gallery-dl 1061: a step of the path looks like a size, and is none
    Case("no-size-in-path", "pages", 3, page(each('<p><img src="/e/korean/w226-h410/{k}.jpg" width=226></p>', 3))),
    # Two sizes of a picture in attributes of a link without an address, and of a background
    Case("two-sizes", "pages", 6, page(
        each('<a data-src="/pics/{k}.jpg"><img src="/thumb/250/{k}.jpg"></a>', 3)
        + "".join(f'<div data-bg="/thumb/600/{k}.jpg" data-bg-hidpi="/pics/{k}.jpg" style="height:300px"></div>'
                  for k in range(3, 6)))),
    # One link around ten pictures
    Case("one-link", "pages", 10, page(
        "<a href=/pics/0.jpg>" + each("<img src=/pics/{k}.jpg width=300>") + "</a>")),
    Case("service-worker", "pages", 5, page(
        "<script>navigator.serviceWorker.register('/sw.js').then(()=>navigator.serviceWorker.ready)"
        ".then(()=>{const go=()=>{for(let k=0;k<5;k++){const g=new Image();g.width=600;"
        "g.src='/virtual/'+k;document.body.append(g)}};if(navigator.serviceWorker.controller)go();"
        "else navigator.serviceWorker.oncontrollerchange=go})</script>")),
    # browsertrix-crawler 531: one element shows the pictures in turn, by a timer
    Case("timed-carousel", "pages", 6, page(
        "<div class=hero><img id=h width=900 height=600 src=/pics/0.jpg></div><script>let n=0;"
        "setInterval(()=>{n=(n+1)%6;h.src=`/pics/${n}.jpg`},3000)</script>")),
)  # fmt: skip
