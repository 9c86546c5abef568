"""Result pages of image searches, with the elements and the manners of the real ones."""

# ruff: noqa: E501 - HTML of the pages

from __future__ import annotations

import html
import json

from abroad.pages import each, page

RESULTS = 6


def _google(answer: str) -> str:
    """Tiles that show their original in a panel; `answer` is what a click does first."""
    tiles = each(
        '<div jsname="dTDiAc" data-attrid="images universal" data-docid="d{k}" data-lpage="/from/{k}">'
        '<h3><a role=button tabindex=0><img width=260 height=170 src="/thumb/250/{k}.jpg" alt="Sonata {k}">'
        "</a></h3></div>", RESULTS)  # fmt: skip
    return page(
        f"<div id=rso style='width:50%'>{tiles}</div>"
        "<div id=pv style='position:fixed;right:0;top:0;width:45%;height:400px'></div><script>"
        "document.querySelectorAll('[data-docid] h3 a').forEach((a,k)=>a.addEventListener('click',e=>{"
        + answer + "const d=document.createElement('div');d.setAttribute('jsname','figiqf');"
        "d.style.cssText='position:absolute;inset:0';d.innerHTML=`<a class=YsLeY href=/from/${k}></a>"
        '<img jsname="kn3ccd" class="sFlh5c iPVvYb" width=500 src="/thumb/250/${k}.jpg">`;'
        "setTimeout(()=>{pv.append(d);setTimeout(()=>{d.querySelector('img').src=`/pics/${k}.jpg`},300)},"
        "200)}))</script>")  # fmt: skip


def _naver() -> str:
    """Two layouts in one list: half of the results lack the class by which the others are found."""
    source = "https://search.pstatic.net/common/?src=ORIGIN%2Fpics%2F{k}.jpg&amp;type=b400"
    image = f'<a class=link_thumb><img class="_fe_image_tab_content_thumbnail_image" width=200 height=130 src="{source}" alt="소나타 {{k}}"></a></div>'
    tiles = each('<div class="tile_item _fe_image_tab_content_tile">' + image, RESULTS // 2)
    others = (
        ('<div class="image_tile_new">' + image).replace("{k}", str(k))
        for k in range(RESULTS // 2, RESULTS)
    )
    return page(tiles + "".join(others))


def _bing() -> str:
    """The list as `/images/async` sends it: the original is in the JSON of an attribute."""
    result = '<li><div class=imgpt><a class=iusc m="{m}" href="/images/search?view=detailV2"><img class=mimg width=232 height=200 src="/thumb/250/{k}.jpg" alt="Sonata {k}"></a></div></li>'
    rows = ""
    for k in range(RESULTS):
        found = {"purl": f"ORIGIN/from/{k}", "murl": f"ORIGIN/pics/{k}.jpg", "t": f"Sonata {k}"}
        rows += result.replace("{m}", html.escape(json.dumps(found))).replace("{k}", str(k))
    return page(f'<div class=dgControl><ul class="dgControl_list">{rows}</ul></div>')


SHELL = (
    '<!DOCTYPE html><html lang="is"><head><title>Google Search</title></head><body><noscript><style>'
    'table,div,span,p{display:none}</style><meta content="0;url=/httpservice/retry/enablejs?sei=x" '
    'http-equiv="refresh"><div style="display:block">Smelltu <a href="/httpservice/retry/enablejs?sei=x">'
    "hér</a> ef ekki</div></noscript></body></html>"
)
"""What plain clients and some automated browsers get instead of results."""

SEARCHES = {
    "google": _google("pv.innerHTML='';"),
    "google-trusted": _google("if(!e.isTrusted)return;pv.innerHTML='';"),
    "google-appended": _google(""),
    "naver": _naver(),
    "bing": _bing(),
    "google-shell": SHELL,
}
"""Name -> page. The recipe is the one that the name begins with; ``ORIGIN`` is the server's."""

SEARCH_PAGES = {f"/search/{name}.html": text for name, text in SEARCHES.items()}
