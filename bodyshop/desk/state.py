"""What the desk keeps between requests: the table, models that are open, the suspects."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bodyshop.desk import acts
from bodyshop.desk.effect_job import EffectJob
from bodyshop.desk.filters import View, apply_view
from bodyshop.desk.hiding import HidingQueue, read_regions
from bodyshop.desk.map_job import MapJob
from bodyshop.desk.suspects_job import SuspectsJob
from bodyshop.desk.table import MOST_PATCHED, facets, load_table, patched, shown_target
from bodyshop.desk.trying import answer_about, answer_about_address
from bodyshop_core.errors import BodyshopError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bodyshop.prediction import Predictor
    from bodyshop_core.workspace import Workspace

PAGE = 200
"""Pictures of one answer."""

COLOURS = 6
"""Labels with a colour of their own on the map."""


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
    allow_hosts : iterable of str
        Hosts, or host:port pairs, in a private network that photos to try may come from.
    """

    def __init__(
        self, workspace: Workspace, by: str, *, read_only: bool, allow_hosts: Iterable[str] = ()
    ) -> None:
        self.workspace, self.by, self.read_only = workspace, by, read_only
        self.allow_hosts = tuple(allow_hosts)
        self._lock = threading.RLock()
        self._opening = threading.Lock()
        self._predictor: Predictor | None = None
        self._rows: tuple[View, NDArray[np.int64]] | None = None
        self.suspects = SuspectsJob(workspace, self.reload)
        self.effect = EffectJob(workspace)
        self.map = MapJob(workspace, self.reload)
        self.hiding = HidingQueue(workspace, read_only=read_only)
        self.table: pa.Table = load_table(workspace)

    @property
    def field(self) -> str:
        """What the labels that are shown are about: ``damage``, ``brand`` or ``model``."""
        return shown_target(self.workspace)[1]

    def reload(self) -> None:
        """Read the catalog again."""
        with self._lock:  # held while reading: an act of that time must not be lost from view
            table = load_table(self.workspace, self.suspects.predictions, self.map.places)
            self.table, self._rows = table, None

    def page(self, view: View, offset: int) -> dict[str, Any]:
        """Return `PAGE` pictures of a view from an offset on, how many it has and are decided."""
        table, rows = self._matching(view)
        part = table.take(rows[max(0, offset) : max(0, offset) + PAGE]).drop(["words", "x", "y"])
        said = len(rows) - table["said"].take(rows).null_count
        return {"total": len(rows), "offset": offset, "said": said, "pictures": part.to_pylist()}

    def map_points(self, view: View) -> dict[str, Any]:
        """Return the places of the pictures of a view, but for its polygon, coloured by label.

        Returns
        -------
        dict
            ``points``: x and y in turn, little-endian float32 in base64; ``colours``: a byte each,
            the place of its label in ``labels`` (0: none of those).
        """
        table, rows = self._matching(replace(view, area=(), sort=""))
        part = table.select(["x", "y", "label"]).take(rows)
        part = part.filter(pc.is_valid(part["x"]))
        places = np.column_stack([part["x"].to_numpy(), part["y"].to_numpy()]).astype("<f4")
        counts = Counter(label for label in part["label"].to_pylist() if label)
        labels = sorted(label for label, _ in counts.most_common(COLOURS))
        numbers = pc.index_in(part["label"], pa.array(labels, pa.string())).fill_null(-1)
        colours = (numbers.to_numpy() + 1).astype(np.uint8)
        return {
            "points": b64encode(places.tobytes()).decode(),
            "colours": b64encode(colours.tobytes()).decode(),
            "labels": labels,
        }

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """Return the values that can be filtered by, with their numbers."""
        return facets(self.table)

    def act(self, wanted: Mapping[str, Any], view: View | None) -> dict[str, Any]:
        """Perform an act on named pictures, or on all of a view when their number was confirmed.

        Parameters
        ----------
        wanted : Mapping
            ``kind`` and ``value`` as of `bodyshop.desk.acts.Act`; ``field``, by default that of
            the labels that are shown; ``pictures``, or ``confirmed``, the number of pictures that
            the person was told; ``regions``, each with ``kind``, ``box`` and ``hide``,
            what the person saw that was said about it (nothing: None, or left out).
        view : View, optional
            Stands for all of its pictures.

        Raises
        ------
        UsageError
            The desk is read-only, the number is another one, or the act is not possible.
        """
        self._check_writable()
        pictures = [str(each) for each in wanted.get("pictures", ())]
        if view is not None:
            table, rows = self._matching(view)
            pictures = table["sha256"].take(rows).to_pylist()
            if wanted.get("confirmed") != len(pictures):
                told = wanted.get("confirmed")
                raise UsageError(
                    f"{len(pictures)} pictures are chosen, {told} were confirmed",
                    hint="look again, and confirm",
                )
        kind, value = str(wanted.get("kind", "")), str(wanted.get("value", ""))
        field = str(wanted.get("field") or self.field)
        seen = read_regions(wanted.get("regions"))
        chosen = tuple(dict.fromkeys(pictures))
        regions = {"regions": tuple(seen), "seen": tuple(seen.values())}
        act = acts.Act(kind, chosen, self.by, value, field, **regions)  # type: ignore[arg-type]
        changed = acts.perform(self.workspace, act)
        if kind in ("hide", "show", "clear"):
            self.hiding.refresh(changed.pictures)
        if kind not in ("hide", "show"):  # the grid shows no regions
            self._refresh(changed.pictures)
        return {"pictures": len(changed.pictures), "act": changed.id}

    def undo(self, act: str = "") -> dict[str, Any]:
        """Take back the newest act of this person, or the one with this id."""
        self._check_writable()
        done = acts.undo(self.workspace, self.by, act)
        self._refresh(done.pictures)
        self.hiding.refresh(done.pictures)
        return {"pictures": len(done.pictures), "changed_since": len(done.changed_since)}

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
        return answer_about(file, self._opened(), lambda photo: self.similar(photo, top=12))

    def try_address(self, address: str) -> dict[str, Any]:
        """Ask about a photo on the web."""
        return answer_about_address(address, self.try_photo, allow_hosts=self.allow_hosts)

    def _matching(self, view: View) -> tuple[pa.Table, NDArray[np.int64]]:
        """Return the table and the rows of a view in it; those of the last view are kept."""
        with self._lock:
            if self._rows is None or self._rows[0] != view:
                self._rows = view, apply_view(self.table, view)
            return self.table, self._rows[1]

    def _refresh(self, pictures: Sequence[str]) -> None:
        if len(pictures) > MOST_PATCHED:
            self.reload()
        elif pictures:
            with self._lock:
                self.table, self._rows = patched(self.table, self.workspace, pictures), None

    def _opened(self) -> Predictor:
        from bodyshop.prediction import Predictor
        from bodyshop.prediction.sources import find_run_or_shipped

        with self._opening:
            if self._predictor is None:
                run = find_run_or_shipped(self.workspace.root, None)
                self._predictor = Predictor.open(run)
            return self._predictor

    def _check_writable(self) -> None:
        if self.read_only:
            raise UsageError("this desk is read-only", hint="start it without --read-only")
