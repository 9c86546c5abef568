"""The count of pictures that wait at the desk."""

from __future__ import annotations

from random import Random

from bodyshop.desk.waiting import Waiting
from bodyshop.export.proposed import Proposed


def test_what_waits_is_the_same_as_counted_anew_after_every_change():
    random = Random(0)
    names = [f"{number:02d}" for number in range(30)]

    def some() -> Proposed:
        boxes = [("faces", (number, 0, 9, 9)) for number in range(random.randrange(4))]
        return Proposed((640, 480), tuple(boxes))

    proposed = {name: some() for name in names[::2]}
    decided: dict[str, dict] = {}
    waiting = Waiting(proposed, decided)
    for _ in range(600):
        name, kind = random.choice(names), random.choice(("add", "decide", "decide", "remove"))
        if kind == "add" and name not in proposed:
            proposed[name] = some()
            waiting.add(name, proposed[name])
        elif kind == "decide" and name in proposed:
            regions = [each for each in proposed[name].regions if random.random() < 0.5]
            decided[name] = dict.fromkeys(regions, True)
            waiting.decide(name, decided[name])
        elif kind == "remove":
            there = bool(proposed.pop(name, Proposed((1, 1), ())).regions)
            decided.pop(name, None)
            assert waiting.remove(name) == there
        left = {name: len(each.undecided(decided.get(name, {}))) for name, each in proposed.items()}
        wait = sorted(name for name, number in left.items() if number)
        assert (waiting.regions, waiting.pictures) == (sum(left.values()), len(wait))
        assert waiting.near("", 1, 99) == wait and waiting.near("99", -1, 99) == wait[::-1]
        assert waiting.near(name, 1, 2) == [each for each in wait if each > name][:2]
        assert waiting.near(name, -1, 2) == [each for each in wait if each < name][::-1][:2]
