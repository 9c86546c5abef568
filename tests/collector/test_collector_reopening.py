"""Pictures that a host gives to browsers only wait for their page, once."""

from __future__ import annotations

from collector.candidate import Candidate, Find, Task, UrlCandidate
from collector.crawl.reopening import Reopening
from collector.ledger.record import DownloadRecord

PAGE = Task("pages", "http://cars.example/page", "Norden", "Fjell")
LIST = Task("lists", "http://cars.example/list", "Norden", "Fjell")


def failed(name: str, error_class: str = "http_403") -> DownloadRecord:
    url = UrlCandidate("src", f"http://cars.example/{name}.jpg")
    candidate: Candidate = PAGE.candidate((url,))
    return DownloadRecord(candidate, "failed", error_class=error_class)


def test_a_page_is_opened_once_for_all_its_pictures_and_each_is_put_off_once():
    first, second = failed("a"), failed("b")
    again = Reopening([PAGE], {each.candidate.key: PAGE.key for each in (first, second)})
    assert again.puts_off(first)
    assert again.due() == [PAGE]
    assert again.puts_off(second)
    assert again.due() == []
    assert again.found(PAGE, [Find(first.candidate)]) == [first.candidate]
    assert not again.puts_off(first)
    assert again.left(PAGE) == [second]
    assert again.left(PAGE) == []


def test_other_failures_and_pictures_of_no_page_are_final():
    gone, listed, new = failed("a", "http_404"), failed("b"), failed("c")
    again = Reopening([PAGE], {gone.candidate.key: PAGE.key, listed.candidate.key: LIST.key})
    assert not any(again.puts_off(each) for each in (gone, listed, new))
    assert again.due() == []
