"""Adapter of Albumentations: no other module imports it.

To replace the library, write `check_step`, `Pipeline`, `versions` and `CONTAINERS` anew. A
replacement must transform image, masks and boxes together, take every random number from the
generators it is given, and report the parameters it drew. Policies use the transform names of
Albumentations, so a table from old to new names is needed too.
"""

from __future__ import annotations

import difflib
import inspect
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from bodyshop_core.extras import need_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from augment.step import Step

CONTAINERS: Mapping[str, tuple[str, ...]] = {
    "OneOf": ("p",),
    "SomeOf": ("n", "replace", "p"),
    "RandomOrder": ("n", "replace", "p"),
    "Sequential": ("p",),
}
"""Groups of transforms and the arguments they take besides ``transforms``."""

_OTHER_PICTURES = "it combines several pictures, which would mix labels"
_VALUES = "it changes the value range, but a variant is an 8-bit picture"
_BOXES = "it needs boxes on every picture"
EXCLUDED: Mapping[str, str] = {
    "FDA": _OTHER_PICTURES,
    "HistogramMatching": _OTHER_PICTURES,
    "PixelDistributionAdaptation": _OTHER_PICTURES,
    "Mosaic": _OTHER_PICTURES,
    "OverlayElements": _OTHER_PICTURES,
    "TextImage": _OTHER_PICTURES,
    "Normalize": _VALUES,
    "ToFloat": _VALUES,
    "FromFloat": _VALUES,
    "ToRGB": "pictures are RGB already",
    "Lambda": "it runs code, which a policy file can't contain",
    "AtLeastOneBBoxRandomCrop": _BOXES,
    "BBoxSafeRandomCrop": _BOXES,
    "RandomSizedBBoxSafeCrop": _BOXES,
    "RandomCropNearBBox": _BOXES,
    "ConstrainedCoarseDropout": _BOXES,
    "MaskDropout": "it erases labelled regions",
    "FrequencyMasking": "it is for sound",
    "TimeMasking": "it is for sound",
    "TimeReverse": "it is for sound",
}
"""Transforms that no policy may name, and why."""

_FLAGS: Mapping[str, Mapping[str, int]] = {
    # OpenCV's constants: cv2.INTER_* and cv2.BORDER_*
    "interpolation": {"nearest": 0, "linear": 1, "cubic": 2, "area": 3, "lanczos": 4},
    "mask_interpolation": {"nearest": 0},
    "border_mode": {"constant": 0, "replicate": 1, "reflect": 2, "wrap": 3, "reflect_101": 4},
}

_NOT_REPORTED = {
    "shape", "interpolation", "mask_interpolation", "fill", "fill_mask", "bbox_matrix",
    "output_shape", "image_type",
}  # fmt: skip
_LARGEST_LIST = 32


class StepError(ValueError):
    """An invalid step; `key` is the invalid argument, None when the name is invalid."""

    def __init__(
        self,
        message: str,
        *,
        key: str | None = None,
        allowed: Sequence[str] | None = None,
        near: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.key, self.allowed, self.near = message, key, allowed, near


@dataclass(frozen=True)
class Transformed:
    """A transformed picture with its masks and boxes.

    Parameters
    ----------
    image : ndarray of uint8, shape (height, width, 3)
        RGB.
    masks : tuple of ndarray of uint8, shape (height, width)
        0 or 255, in the order they were given.
    boxes : tuple of (int, float, float, float, float)
        Index of the given box, then x1, y1, x2, y2 as fractions of width and height, clipped to
        the picture; without the boxes of which less than `min_visibility` is left.
    applied : list of dict
        ``{"transform": name, ...parameters}`` in the order in which they were applied; JSON-able.
    """

    image: NDArray[np.uint8]
    masks: tuple[NDArray[np.uint8], ...]
    boxes: tuple[tuple[int, float, float, float, float], ...]
    applied: list[dict[str, Any]]


class Pipeline:
    """The transforms of a policy as a function of a picture.

    Parameters
    ----------
    steps : Sequence of Step
        Checked steps of a policy.
    min_visibility : float
        Boxes with a smaller share of their area inside the picture are dropped, 0 to 1.
    """

    def __init__(self, steps: Sequence[Step], *, min_visibility: float = 0.0) -> None:
        library = _library()
        self._plain = library.Compose(
            [_build(step) for step in steps], strict=True, save_applied_params=True
        )
        self._boxed: Any = None
        self._moves = any(_moves(transform) for transform in self._plain.transforms)
        self._steps, self._min_visibility = steps, min_visibility

    def __call__(
        self,
        image: NDArray[np.uint8],
        *,
        seed: int,
        masks: Sequence[NDArray[np.uint8]] = (),
        boxes: Sequence[tuple[float, float, float, float]] = (),
    ) -> Transformed:
        """Transform a picture with its masks and boxes.

        Parameters
        ----------
        image : ndarray of uint8, shape (height, width, 3)
            RGB; not changed.
        seed : int
            The only source of randomness: seed, picture and policy determine every byte.
        masks : sequence of ndarray of uint8, shape (height, width)
            0 or 255.
        boxes : sequence of (x1, y1, x2, y2)
            Fractions of width and height, 0 to 1.

        Raises
        ------
        ValueError
            A transform can't process this picture or did not return an 8-bit RGB picture.
        """
        import numpy as np

        data: dict[str, Any] = {"image": image}
        if masks:
            data["masks"] = np.stack(masks)
        pipeline = self._plain
        if boxes and self._moves:
            pipeline = self._with_boxes()
            data |= {"bboxes": np.asarray(boxes, np.float64), "index": list(range(len(boxes)))}
        # One generator for all transforms: 3 times faster than one each, and as reproducible.
        pipeline.set_random_state(np.random.Generator(np.random.PCG64(seed)), random.Random(seed))
        result = pipeline(**data)
        picture = result["image"]
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"the transforms gave {picture.dtype} {picture.shape}, not 8-bit RGB")
        if not picture.size:
            raise ValueError("the transforms gave a picture without pixels")
        return Transformed(
            image=np.ascontiguousarray(picture),
            masks=tuple(_binary(mask) for mask in result.get("masks", ())),
            boxes=tuple(
                (int(index), float(box[0]), float(box[1]), float(box[2]), float(box[3]))
                for box, index in zip(
                    result.get("bboxes", boxes), result.get("index", range(len(boxes))), strict=True
                )
            ),
            applied=[
                {"transform": name} | _reported(parameters)
                for name, parameters in result["applied_transforms"]
            ],
        )

    def _with_boxes(self) -> Any:
        if self._boxed is None:
            library = _library()
            self._boxed = library.Compose(
                [_build(step) for step in self._steps],
                bbox_params=library.BboxParams(
                    format="albumentations",
                    label_fields=["index"],
                    min_visibility=self._min_visibility,
                    clip=True,
                ),
                strict=True,
                save_applied_params=True,
            )
        return self._boxed


def check_step(name: str, arguments: Mapping[str, Any], children: Sequence[Step] = ()) -> None:
    """Check a transform and its arguments, before any picture is processed.

    Parameters
    ----------
    name : str
        A transform of Albumentations 2.0.8, or a name of `CONTAINERS`.
    arguments : Mapping
        As in the policy, without the ``transforms`` of a container.
    children : sequence of Step
        The transforms of a container, already checked.

    Raises
    ------
    StepError
        With the invalid argument, the allowed values and the most similar name.
    """
    if name in CONTAINERS:
        _check_names(arguments, CONTAINERS[name], name)
        _check_container(name, arguments, children)
        return
    if name in EXCLUDED:
        raise StepError(f"{name} can't be used here: {EXCLUDED[name]}")
    known = _transforms()
    if name not in known:
        near = difflib.get_close_matches(name, [*known, *CONTAINERS], n=3, cutoff=0.5)
        raise StepError(f"unknown transform {name!r}", near=_or(near))
    parameters = list(inspect.signature(known[name]).parameters)
    _check_names(arguments, parameters, name)
    for key, value in arguments.items():
        _flag(key, value)
    try:
        _make(name, arguments)
    except (TypeError, ValueError) as error:
        raise _explained(error, name, parameters) from error


@cache
def versions() -> dict[str, str]:
    """Return the versions of the libraries that change pixels."""
    packages = ("albumentations", "albucore", "opencv-python-headless", "numpy", "pillow")
    return {package: version(package) for package in packages}


def _library() -> Any:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else its import asks for a newer version
    need_extra("train", "augmentation")
    import albumentations

    return albumentations


@cache
def _transforms() -> dict[str, type]:
    library = _library()
    return {
        name: thing
        for name, thing in vars(library).items()
        if inspect.isclass(thing)
        and issubclass(thing, library.ImageOnlyTransform | library.DualTransform)
        and not issubclass(thing, library.Transform3D)
        and thing not in (library.ImageOnlyTransform, library.DualTransform)
        and name not in EXCLUDED
    }


def _moves(transform: Any) -> bool:
    """Return whether a transform can move pixels, and with them masks and boxes."""
    if hasattr(transform, "transforms"):
        return any(_moves(child) for child in transform.transforms)
    return isinstance(transform, _library().DualTransform)


def _build(step: Step) -> Any:
    if step.name in CONTAINERS:
        children = [_build(child) for child in step.children]
        return getattr(_library(), step.name)(children, **step.arguments)
    return _make(step.name, step.arguments)


def _make(name: str, arguments: Mapping[str, Any]) -> Any:
    kind = _transforms()[name]
    values = {key: _flag(key, value) for key, value in arguments.items()}
    # MedianBlur and similar ones inherit their parent's checks and take no `strict`.
    strict = {"strict": True} if "InitSchema" in vars(kind) else {}
    return kind(**values, **strict)


def _flag(key: str, value: Any) -> Any:
    """Convert ``border_mode: reflect`` to OpenCV's number; masks are never interpolated."""
    table = _FLAGS.get(key)
    if table is None or value in table.values():
        return value
    if not isinstance(value, str) or value not in table:
        why = ": mask values are 0 or 255 only" if key == "mask_interpolation" else ""
        raise StepError(f"{value!r} is not allowed here{why}", key=key, allowed=list(table))
    return table[value]


def _check_names(arguments: Mapping[str, Any], allowed: Sequence[str], name: str) -> None:
    for key in arguments:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=3, cutoff=0.5)
            raise StepError(
                f"{name} has no argument {key!r}", key=str(key), allowed=allowed, near=_or(near)
            )


def _check_container(name: str, arguments: Mapping[str, Any], children: Sequence[Step]) -> None:
    chance = arguments.get("p", 1.0)
    if not isinstance(chance, int | float) or not 0 <= chance <= 1:
        raise StepError(f"p must be a probability from 0 to 1, but {chance!r} was given", key="p")
    count = arguments.get("n", 1)
    if not isinstance(count, int) or count < 1:
        raise StepError(f"n must be a whole number from 1, but {count!r} was given", key="n")
    if not isinstance(arguments.get("replace", False), bool):
        raise StepError("replace must be true or false", key="replace")
    draws = "n" in CONTAINERS[name]
    if draws and count > len(children) and not arguments.get("replace", False):
        raise StepError(f"{count} of {len(children)} can't be drawn without replace", key="n")
    if name == "OneOf" and not any(_build(child).p for child in children):
        raise StepError("all its transforms have p: 0, so none is ever chosen")


def _explained(error: Exception, name: str, parameters: Sequence[str]) -> StepError:
    """Convert a validation error of the library; find the invalid argument in it."""
    if isinstance(error, StepError):
        return error
    findings = getattr(error.__cause__, "errors", None)
    if findings is None:
        return StepError(f"{name}: {error}")
    found = findings(include_url=False)
    first = found[0]
    key = str(first["loc"][0]) if first["loc"] else None
    if first["type"] == "missing":
        return StepError(f"{name} needs the argument {key!r}", allowed=parameters)
    # An argument that may be a number or a pair gives one finding per alternative.
    about_key = (each["msg"] for each in found if each["loc"][:1] == first["loc"][:1])
    message = ", or: ".join(dict.fromkeys(text.removeprefix("Value error, ") for text in about_key))
    if key is None:
        return StepError(f"{name}: {message}", allowed=parameters)
    return StepError(f"{name}.{key}: {message}, but {first['input']!r} was given", key=key)


def _or(names: Sequence[str]) -> str | None:
    return " or ".join(f"'{name}'" for name in names) or None


def _binary(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import numpy as np

    return np.where(mask > 127, np.uint8(255), np.uint8(0))


def _reported(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _jsonable(value)
        for key, value in parameters.items()
        if key not in _NOT_REPORTED and value is not None
    }


def _jsonable(value: Any) -> Any:
    """Make a parameter JSON-able; a large array (noise, a warp field) is named by its shape.

    The seed gives it back exactly, so that nothing is lost.
    """
    import numpy as np

    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.size > _LARGEST_LIST:
            return {"array": list(value.shape), "dtype": str(value.dtype)}
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        items = list(value)
        if len(items) > _LARGEST_LIST:
            return {"items": len(items)}
        return [_jsonable(item) for item in items]
    if isinstance(value, float):
        return round(value, 6)
    return value if isinstance(value, int | str | bool) or value is None else str(value)
