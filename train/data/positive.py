"""Which of two classes is the one to detect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bodyshop_core.catalog.labels import damage_meaning
from bodyshop_core.errors import UsageError


def order_classes(labels: Iterable[str], positive: str | None = None) -> tuple[str, ...]:
    """Return the distinct labels by name; of two, the one to detect comes last.

    Parameters
    ----------
    labels : Iterable of str
        Labels of pictures.
    positive : str, optional
        The class to detect; by default `guess_positive`.

    Raises
    ------
    UsageError
        `positive` is none of two classes.
    """
    names = tuple(sorted(set(labels)))
    if positive is not None and (len(names) != 2 or positive not in names):
        raise UsageError(
            f"positive is '{positive}', "
            + (
                f"but there are {len(names)} classes"
                if len(names) != 2
                else f"but the classes are '{names[0]}' and '{names[1]}'"
            ),
            hint="name one of two classes, or leave positive out of the recipe",
        )
    if len(names) != 2:
        return names
    last = positive or guess_positive(names)[0]
    return (*(name for name in names if name != last), last)


def guess_positive(classes: Sequence[str]) -> tuple[str, bool]:
    """Return the class of two that means damage, and whether the names say so.

    Parameters
    ----------
    classes : Sequence of str
        Two names.

    Returns
    -------
    name : str
        The one that means damage, or the one beside a name that means undamaged; else the last by
        name.
    certain : bool
        False when the choice is the alphabet's alone.
    """
    first, second = sorted(classes)
    meanings = {name: damage_meaning(name) for name in (first, second)}
    damaged = [name for name, meaning in meanings.items() if meaning is True]
    whole = [name for name, meaning in meanings.items() if meaning is False]
    if len(damaged) == 1:
        return damaged[0], True
    if len(whole) == 1 and not damaged:
        return (second if whole[0] == first else first), True
    return second, False
