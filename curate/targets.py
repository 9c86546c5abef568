"""The label field that is split and trained on."""

from __future__ import annotations

from bodyshop_core.catalog import Catalog, Field, each_effective_label
from bodyshop_core.errors import UsageError


def resolve_target(catalog: Catalog, target: Field | str | None = None) -> Field:
    """Return the field to predict.

    Parameters
    ----------
    catalog : Catalog
        Where the labels are.
    target : str, optional
        ``damage``, ``brand`` or ``model``. By default damage when pictures carry at least two
        damage values, else model.

    Raises
    ------
    UsageError
        There is no such field.
    """
    if target is not None:
        try:
            return Field(target)
        except ValueError:
            allowed = ", ".join(field.value for field in Field)
            raise UsageError(
                f"invalid target '{target}'", hint=f"choose one of: {allowed}"
            ) from None
    values = set()
    with catalog.read() as connection:
        for _, label in each_effective_label(connection, Field.DAMAGE):
            values.add(label.value)
            if len(values - {None}) >= 2:
                return Field.DAMAGE
    return Field.MODEL
