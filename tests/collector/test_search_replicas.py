"""The replicas: the same pictures everywhere, and APIs that respond as documented."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from sites import Replicas, serve_replicas

AGENT = {"User-Agent": "bodyshop-test/1 (test@example.org)"}


@pytest.fixture(scope="module")
def replicas() -> Iterator[Replicas]:
    with serve_replicas(count=45) as running:
        yield running


def test_originals_differ_from_one_another_and_from_their_thumbnails(replicas: Replicas) -> None:
    assert len({item.sha256 for item in replicas.items}) == 45
    item = replicas.items[3]
    assert requests.get(item.full, timeout=10).content == item.data
    thumb = f"http://{replicas.hosts['thumbs']}/th/id/OIP.3?w=240"
    assert requests.get(thumb, timeout=10).content == item.small != item.data


def test_openverse_pages_through_all_results_and_names_every_licence(replicas: Replicas) -> None:
    found = []
    for page in (1, 2, 3):
        answer = requests.get(replicas.openverse, params={"q": "car", "page": page}, timeout=10)
        found += answer.json()["results"]
    assert [r["url"] for r in found] == [i.full for i in replicas.items]
    assert answer.json()["page_count"] == 3
    assert {r["license"] for r in found} == {"by", "by-sa", "cc0", "by-nc"}
    assert all(r["creator"] and r["license_url"].startswith("https://") for r in found)


def test_openverse_filters_by_licence_and_refuses_large_pages(replicas: Replicas) -> None:
    answer = requests.get(replicas.openverse, params={"q": "car", "license": "by,cc0"}, timeout=10)
    assert {r["license"] for r in answer.json()["results"]} == {"by", "cc0"}
    for params in ({"page_size": 21}, {"page": 13}):
        refused = requests.get(replicas.openverse, params={"q": "car", **params}, timeout=10)
        assert (refused.status_code, "detail" in refused.json()) == (401, True)
    empty = requests.get(replicas.openverse, params={"q": "none"}, timeout=10).json()
    assert (empty["result_count"], empty["results"]) == (0, [])


def test_commons_continues_until_the_last_file(replicas: Replicas) -> None:
    params = {
        "action": "query", "generator": "search", "gsrsearch": "car", "gsrnamespace": "6",
        "gsrlimit": "20", "prop": "imageinfo", "iiprop": "url|size|mime|extmetadata",
        "format": "json", "formatversion": "2",
    }  # fmt: skip
    pages: list[dict] = []
    carry: dict = {}
    for _ in range(3):
        answer = requests.get(
            replicas.commons, params={**params, **carry}, headers=AGENT, timeout=10
        ).json()
        pages += answer["query"]["pages"]
        carry = answer.get("continue", {})
    assert not carry
    assert [p["imageinfo"][0]["url"] for p in pages] == [i.full for i in replicas.items]
    licences = {p["imageinfo"][0]["extmetadata"]["LicenseShortName"]["value"] for p in pages}
    assert licences == {"CC BY 2.0", "CC BY-SA 4.0", "CC0", "CC BY-NC 3.0"}
    assert [p["pageid"] for p in pages if p["imageinfo"][0]["mime"] != "image/jpeg"] == [1005]


def test_commons_wants_to_know_who_asks_and_where_to_look(replicas: Replicas) -> None:
    params = {"action": "query", "generator": "search", "gsrsearch": "car", "format": "json"}
    assert requests.get(replicas.commons, params=params, timeout=10).status_code == 403
    answer = requests.get(replicas.commons, params=params, headers=AGENT, timeout=10).json()
    assert "query" not in answer
    old = requests.get(
        replicas.commons, params={**params, "gsrnamespace": "6"}, headers=AGENT, timeout=10
    ).json()
    assert isinstance(old["query"]["pages"], dict)
