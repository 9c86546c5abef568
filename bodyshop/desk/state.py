"""What the desk keeps between requests: the table, models that are open, the suspects."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bodyshop.desk import acts
from bodyshop.desk.filters import View, apply_view
from bodyshop.desk.table import MOST_PATCHED, facets, load_table, patched
from bodyshop_core.errors import BodyshopError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from bodyshop.prediction import Predictor
    from bodyshop_core.workspace import Workspace

PAGE = 200
"""Pictures of one answer."""


class DeskState:
    """The set as one person sees it; methods may be called by several threads.

    Parameters
    ----------
    workspace : Workspace
        What is shown.
    by : str
        Name under which decisions are written.
    read_only : bool
        Refuse every act.
    """

    def __init__(self, workspace: Workspace, by: str, *, read_only: bool) -> None:
        self.workspace, self.by, self.read_only = workspace, by, read_only
        self._lock = threading.Lock()
        self._predictions: dict[str, tuple[str, float]] = {}
        self._predictor: Predictor | None = None
        self._rows: tuple[View, NDArray[np.int64]] | None = None
        self.table: pa.Table = load_table(workspace)

    def reload(self) -> None:
        """Read the catalog again."""
        table = load_table(self.workspace, self._predictions)
        with self._lock:
            self.table, self._rows = table, None

    def page(self, view: View, offset: int) -> dict[str, Any]:
        """Return `PAGE` pictures of a view from an offset on, and how many it has."""
        rows = self.rows(view)
        part = self.table.take(rows[max(0, offset) : max(0, offset) + PAGE]).drop(["words"])
        return {"total": len(rows), "offset": offset, "pictures": part.to_pylist()}

    def rows(self, view: View) -> NDArray[np.int64]:
        """Return the rows of a view; the last one's are kept, since a grid asks again."""
        with self._lock:
            if self._rows is None or self._rows[0] != view:
                self._rows = view, apply_view(self.table, view)
            return self._rows[1]

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """Return the values that can be filtered by, with their numbers."""
        return facets(self.table)

    def act(self, wanted: Mapping[str, Any], view: View | None) -> dict[str, Any]:
        """Perform an act on named pictures, or on all of a view when their number was confirmed.

        Parameters
        ----------
        wanted : Mapping
            ``kind``, ``value``, ``field`` as of `bodyshop.desk.acts.Act`; ``pictures``, or
            ``confirmed``, the number of pictures that the person was told.
        view : View, optional
            Stands for all of its pictures.

        Raises
        ------
        UsageError
            The desk is read-only, the number is another one, or the act is not possible.
        """
        if self.read_only:
            raise UsageError("this desk is read-only", hint="start it without --read-only")
        pictures = [str(each) for each in wanted.get("pictures", ())]
        if view is not None:
            pictures = self.table["sha256"].take(self.rows(view)).to_pylist()
            if wanted.get("confirmed") != len(pictures):
                raise UsageError(f"{len(pictures)} pictures are chosen, {wanted.get('confirmed')} "
                                 "were confirmed", hint="look again, and confirm")  # fmt: skip
        kind, value = str(wanted.get("kind", "")), str(wanted.get("value", ""))
        field = str(wanted.get("field", "damage"))
        act = acts.Act(kind, tuple(dict.fromkeys(pictures)), self.by, value, field)  # type: ignore[arg-type]
        acts.perform(self.workspace, act)
        self._refresh(act.pictures)
        return {"pictures": len(act.pictures)}

    def undo(self) -> dict[str, Any]:
        """Take back the newest act of this person."""
        if self.read_only:
            raise UsageError("this desk is read-only", hint="start it without --read-only")
        pictures = acts.undo(self.workspace, self.by)
        if pictures:
            self._refresh(pictures)
        return {"pictures": len(pictures), "first": pictures[0] if pictures else None}

    def _refresh(self, pictures: Sequence[str]) -> None:
        if len(pictures) > MOST_PATCHED:
            self.reload()
            return
        with self._lock:
            self.table, self._rows = patched(self.table, self.workspace, pictures), None

    def find_suspects(self) -> dict[str, Any]:
        """Compare every damage label with what a classifier that did not see the picture says.

        Returns
        -------
        dict
            ``checked`` pictures, ``suspected`` ones, and ``agreement``, the share of labels that
            the out-of-fold classifier gives, too: the linear probe's accuracy.
        """
        from bodyshop.suspects import Suspects

        found = Suspects(self.workspace).judged()
        self._predictions = {
            each.sha256: (each.instead if each.doubt > 0.5 else each.label, each.doubt)
            for each in found
        }
        self.reload()
        doubted = sum(each.doubt > 0.5 for each in found)
        agreement = 1 - doubted / len(found) if found else None
        return {"checked": len(found), "suspected": doubted, "agreement": agreement}

    def similar(self, picture: str | Path, top: int = 60) -> list[dict[str, Any]]:
        """Return the nearest neighbours of a picture of the workspace, or of any file."""
        from curate import find_similar

        found = find_similar(self.workspace, picture, top=top).found
        return [vars(each) for each in found]

    def explain(self, sha256: str) -> dict[str, Any]:
        """Return everything that is known about a picture."""
        from curate import explain

        try:
            found = explain(self.workspace, sha256)
        except BodyshopError as error:
            return {"title": str(error), "facts": {}}
        return {"title": found.title, "facts": found.as_dict()}

    def try_photo(self, file: Path) -> dict[str, Any]:
        """Ask the newest run, or the shipped model, about a photo; with its nearest neighbours."""
        from bodyshop.prediction import Predictor
        from bodyshop.prediction.sources import find_run_or_shipped

        with self._lock:
            if self._predictor is None:
                run = find_run_or_shipped(self.workspace.root, None)
                self._predictor = Predictor.open(run)
        (prediction,) = self._predictor.predict([file])
        answer = prediction.as_dict()
        heat = prediction.heat
        try:
            neighbours = self.similar(file, top=12)
        except BodyshopError:  # nothing is curated yet: the answer is still one
            neighbours = []
        return {
            "prediction": answer,
            "heat": None if heat is None else np.asarray(heat, float).round(2).tolist(),
            "neighbours": neighbours,
        }
