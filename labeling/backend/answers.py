"""What the backend answers to Label Studio: proposals for a task, or a region grown from clicks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bodyshop_core.errors import BodyshopError, TransientError, UnreadableImageError
from bodyshop_core.progress import SILENT, Progress
from labeling.backend.growing import Box, Click, grow_region
from labeling.backend.segment_anything import SegmentAnythingError
from labeling.configs.label_config import LabelConfig, parse_label_config
from labeling.formats.documents import FAULTS, number
from labeling.formats.shapes import MaskFormatError
from labeling.records.pictures import CatalogPicture, PreAnnotator, load_pictures
from labeling.records.shown import ShownSize
from labeling.sync.results import write_result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bodyshop_core.catalog import BlobRef
    from bodyshop_core.workspace import Workspace

SMART = "smart tool"
"""Name of the model behind regions that were grown from clicks."""

UNANSWERED = (UnreadableImageError, TransientError, SegmentAnythingError, OSError)
"""What costs the answer for one picture."""

Answer = dict[str, Any]

Grow = Callable[["BlobRef", Sequence[Click], Box | None], "NDArray[np.bool_]"]
"""From a picture, clicks and a box to the region, as `SegmentAnything.region` does."""


class Answers:
    """Answers of one workspace and model; may be asked by several threads, one at a time.

    Parameters
    ----------
    workspace : Workspace
        Tasks name its pictures (``data.ext_id``); the pictures are read from its disk.
    predict : callable
        Proposes masks and choices, as for `labeling.push`.
    version : str
        Name of the model behind it, shown to labelers.
    grow : callable, optional
        What answers clicks and boxes; default `grow_region`.
    progress : Progress
        Told of pictures without an answer.
    """

    def __init__(
        self,
        workspace: Workspace,
        predict: PreAnnotator,
        version: str,
        *,
        grow: Grow | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.workspace, self.predict, self.version = workspace, predict, version
        self.progress = progress
        self._pixels = lru_cache(maxsize=4)(_read)
        self._grow = grow or self._grow_by_colour

    def answer(self, request: Mapping[str, Any]) -> list[Answer]:
        """Answer a request to ``/predict``.

        Parameters
        ----------
        request : mapping
            With ``tasks``, ``label_config`` (XML), and ``params.context.result``: the clicks and
            boxes of the smart tools.

        Returns
        -------
        list of dict
            One per task, with ``result``, ``score`` and ``model_version``; an empty result for a
            picture that is not in the workspace or can't be read, or on which the model of the
            smart tools failed.

        Raises
        ------
        MaskFormatError
            It is no such request.
        """
        try:
            tasks = request["tasks"]
            config = parse_label_config(str(request["label_config"]))
            context = (request.get("params") or {}).get("context") or {}
            prompts = context.get("result") or []
            wanted = [str(task["data"].get("ext_id")) for task in tasks]
        except (*FAULTS, BodyshopError) as error:
            raise MaskFormatError(f"this is no request for predictions: {error!r}") from error
        found = {picture.sha256: picture for picture in load_pictures(self.workspace, wanted)}
        answers = []
        for sha256, task in zip(wanted, tasks, strict=True):
            result: list[dict[str, Any]] = []
            score, version = 0.0, SMART if prompts else self.version
            if sha256 not in found:
                self.progress.log(f"no answer for {sha256[:12]}: it is not in the workspace")
            else:
                try:
                    if prompts:
                        result = self._grown(found[sha256], config, prompts)
                    else:
                        url = task["data"].get("image")
                        result, score = self._proposed(found[sha256], config, url)
                except UNANSWERED as error:
                    self.progress.log(f"no answer for {sha256[:12]}: {_why(error)}")
            answers.append({"result": result, "score": score, "model_version": version})
        return answers

    def _proposed(
        self, picture: CatalogPicture, config: LabelConfig, url: object
    ) -> tuple[list[dict[str, Any]], float]:
        proposed = next(iter(self.predict([picture])), None)
        if proposed is None:
            return [], 0.0
        offered = set(config.brush.values if config.brush else ())
        masks = {label: mask for label, mask in proposed.masks.items() if label in offered}
        choices = {
            name: chosen
            for name, chosen in proposed.choices.items()
            if (control := config.control(name)) and chosen in control.values
        }
        result = write_result(
            masks, config, choices=choices, seed=f"{picture.sha256}|{self.version}",
            score=proposed.score, shown=ShownSize.at(picture.width, picture.height, url),
        )  # fmt: skip
        return result, proposed.score or 0.0

    def _grown(
        self, picture: CatalogPicture, config: LabelConfig, prompts: Sequence[Any]
    ) -> list[dict[str, Any]]:
        try:
            clicks, box, label, size = read_prompts(prompts, picture)
        except FAULTS as error:
            raise MaskFormatError(f"a click can't be read: {error!r}") from error
        shown = ShownSize.stated(picture.width, picture.height, size)
        if shown is None or config.brush is None or label not in config.brush.values:
            return []
        mask = self._grow(picture.path, clicks, box)
        told = "|".join(map(str, (picture.sha256, *clicks, box)))
        seed = hashlib.sha256(told.encode()).hexdigest()
        return write_result({label: mask}, config, seed=seed, shown=shown)

    def _grow_by_colour(
        self, path: BlobRef, clicks: Sequence[Click], box: Box | None
    ) -> NDArray[np.bool_]:
        return grow_region(self._pixels(path), clicks, box)


def read_prompts(
    prompts: Sequence[Any], picture: CatalogPicture
) -> tuple[list[Click], Box | None, str, tuple[Any, Any]]:
    """Read the regions of smart tools, in percent of what is shown.

    Parameters
    ----------
    prompts : sequence of mappings
        Regions of type ``keypointlabels`` (with ``is_positive``) and ``rectanglelabels``.
    picture : CatalogPicture
        What they were drawn on.

    Returns
    -------
    clicks : list of Click
        In pixels of the upright picture; `grow_region` takes a click beside it to its edge.
    box : (left, top, right, bottom) or None
        The last rectangle, in pixels.
    label : str
        The damage class of the last prompt.
    size : (width, height)
        That the prompts state, in pixels.

    Raises
    ------
    MaskFormatError
        A prompt has no class, or is of another type.
    """
    clicks: list[Click] = []
    box: Box | None = None
    label, size = "", (None, None)
    for prompt in prompts:
        kind, value = prompt["type"], prompt["value"]
        size = (prompt["original_width"], prompt["original_height"])
        shown = ShownSize.stated(picture.width, picture.height, size)
        wide, high = (shown or ShownSize(picture.width, picture.height)).canvas
        x, y = number(value["x"]) * wide / 100, number(value["y"]) * high / 100
        labels = value.get(kind)
        if kind not in ("keypointlabels", "rectanglelabels") or not labels:
            raise MaskFormatError(f"a {kind} prompt has no class, or is none")
        label = str(labels[0])
        if kind == "keypointlabels":
            positive = prompt.get("is_positive", value.get("is_positive", 1))
            clicks.append(Click(x, y, positive=bool(int(positive))))
        else:
            across, down = (
                number(value["width"]) * wide / 100,
                number(value["height"]) * high / 100,
            )
            box = (x, y, x + across, y + down)
    return clicks, box, label, size


def _why(error: BodyshopError | OSError) -> str:
    return error.message if isinstance(error, BodyshopError) else str(error)


def _read(path: Any) -> NDArray[np.uint8]:
    from bodyshop_core.imaging import load_rgb

    return load_rgb(path)
