"""A fitted gate: logistic regression on a backbone's feature vector, a few kilobytes of numbers."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bodyshop_core import atomic
from bodyshop_core.backbones import in_float32
from bodyshop_core.errors import BodyshopError, MissingPartError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1

SHIPPED = ("efficientnet-lite0",)
"""Backbones whose probe comes with bodyshop, in the folder ``probes``."""


@dataclass(frozen=True)
class Probe:
    """A logistic regression and what it was fitted on.

    Parameters
    ----------
    weights : ndarray of float32, shape (d,)
        For feature vectors scaled to unit length.
    bias : float
        Added to the product.
    threshold : float
        Smallest probability that passes.
    fingerprint : str
        The backbone whose features it reads (`bodyshop_core.backbones.fingerprint`).
    part_weights : ndarray of float32, shape (d,), optional
        A second regression: is this a close-up of a part, or a whole car?
    part_bias : float
        Added to its product.
    card : dict
        JSON-able facts about the fit: sources, counts, out-of-fold figures.
    """

    weights: NDArray[np.float32]
    bias: float
    threshold: float
    fingerprint: str
    part_weights: NDArray[np.float32] | None = None
    part_bias: float = 0.0
    card: dict[str, Any] = field(default_factory=dict)

    def for_features(self, fingerprint: str) -> Probe | None:
        """Return the probe for the features of a backbone; None where it can't read them.

        Features in 8 bits are read by what was fitted on those in float32: 3 of 1,250 pictures are
        decided differently (docs/benchmarks/looking.md).
        """
        if self.fingerprint == fingerprint:
            return self
        if self.fingerprint == in_float32(fingerprint):
            return replace(self, fingerprint=fingerprint)
        return None

    @property
    def digest(self) -> str:
        """12 hexadecimal digits that change with any number of the probe."""
        content = self.weights.tobytes() + f"{self.bias!r}{self.fingerprint}".encode()
        return hashlib.sha256(content).hexdigest()[:12]

    @property
    def framing_digest(self) -> str:
        """12 hexadecimal digits that change with the framing regression."""
        content = b"" if self.part_weights is None else self.part_weights.tobytes()
        return hashlib.sha256(content + f"{self.part_bias!r}".encode()).hexdigest()[:12]

    def p_car(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the probability of a car.

        Parameters
        ----------
        features : ndarray, shape (n, d)
            Feature vectors as the backbone gives them.

        Returns
        -------
        ndarray of float32, shape (n,)
            0 to 1.
        """
        return _logistic(features, self.weights, self.bias)

    def p_part(self, features: NDArray[np.floating]) -> NDArray[np.float32] | None:
        """Return the probability that less than about half of the car is in the picture.

        Returns
        -------
        ndarray of float32, shape (n,), or None
            None when the probe was fitted without framing.
        """
        if self.part_weights is None:
            return None
        return _logistic(features, self.part_weights, self.part_bias)

    def as_dict(self) -> dict[str, Any]:
        """Return the probe as JSON-able values, without its card."""
        return {
            "weights": self.weights.astype(float).tolist(),
            "bias": self.bias,
            "threshold": self.threshold,
            "fingerprint": self.fingerprint,
            "part_weights": None
            if self.part_weights is None
            else self.part_weights.astype(float).tolist(),
            "part_bias": self.part_bias,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Probe:
        """Rebuild what `as_dict` returned."""
        import numpy as np

        part = facts["part_weights"]
        return cls(
            np.array(facts["weights"], np.float32),
            facts["bias"],
            facts["threshold"],
            facts["fingerprint"],
            None if part is None else np.array(part, np.float32),
            facts["part_bias"],
        )

    def save(self, path: Path) -> None:
        """Write the probe to a ``.npz`` file, atomically."""
        import numpy as np

        facts = {
            "format": FORMAT,
            "bias": self.bias,
            "threshold": self.threshold,
            "fingerprint": self.fingerprint,
            "part_bias": self.part_bias,
            "card": self.card,
        }
        text = np.frombuffer(json.dumps(facts, ensure_ascii=False).encode(), dtype=np.uint8)
        arrays: dict[str, Any] = {"weights": self.weights.astype(np.float32), "facts": text}
        if self.part_weights is not None:
            arrays["part_weights"] = self.part_weights.astype(np.float32)
        with atomic.replacing(path) as temporary:
            np.savez_compressed(temporary, **arrays)


def _logistic(
    features: NDArray[np.floating], weights: NDArray[np.float32], bias: float
) -> NDArray[np.float32]:
    import numpy as np
    from scipy.special import expit

    # In double precision: a picture's value must not depend on those it was multiplied with.
    product = unit_length(features).astype(np.float64) @ weights.astype(np.float64)
    return expit(product + bias).astype(np.float32)


def unit_length(features: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale each row to length 1: contrast and blur change its length more than its direction."""
    import numpy as np

    vectors = np.asarray(features, dtype=np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def load_probe(path: Path) -> Probe:
    """Read a probe; nothing in the file is executed.

    Raises
    ------
    BodyshopError
        The file is absent or no probe.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as content:
            weights = np.asarray(content["weights"], dtype=np.float32)
            part = content.get("part_weights")
            facts = json.loads(bytes(content["facts"]).decode())
        if facts["format"] != FORMAT:
            raise BodyshopError(
                f"{path} is a probe of format {facts['format']}, this bodyshop reads {FORMAT}",
                hint="fit it again: bodyshop gate fit",
            )
        return Probe(
            weights,
            facts["bias"],
            facts["threshold"],
            facts["fingerprint"],
            None if part is None else np.asarray(part, dtype=np.float32),
            facts["part_bias"],
            facts["card"],
        )
    except FileNotFoundError as error:
        raise BodyshopError(
            f"there is no probe {path}", hint="make one with: bodyshop gate fit"
        ) from error
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise BodyshopError(
            f"{path} is not a probe: {error}", hint="make one with: bodyshop gate fit"
        ) from error


def fitted_probe_path(workspace_root: Path, fingerprint: str) -> Path:
    """Return where ``bodyshop gate fit`` puts a workspace's own probe."""
    return workspace_root / "gates" / f"{fingerprint}.npz"


def find_probe(fingerprint: str, workspace_root: Path | None = None) -> Probe | None:
    """Return the probe for a backbone.

    Parameters
    ----------
    fingerprint : str
        The backbone (`bodyshop_core.backbones.fingerprint`).
    workspace_root : Path, optional
        A probe fitted in this workspace has precedence over the shipped one.

    Returns
    -------
    Probe or None
        None when no probe was fitted for this backbone and these weights.

    Raises
    ------
    MissingPartError
        A probe is shipped for the backbone, but its file is not in this installation.
    """
    if workspace_root is not None:
        for name in (fingerprint, in_float32(fingerprint)):
            own = fitted_probe_path(workspace_root, name)
            if own.exists():
                return load_probe(own).for_features(fingerprint)
    for name in SHIPPED:
        if fingerprint.startswith(f"{name}-"):
            return _shipped(name).for_features(fingerprint)
    return None


def _shipped(backbone: str) -> Probe:
    file = resources.files("curate.gate") / "probes" / f"{backbone}.npz"
    if not file.is_file():
        raise MissingPartError(
            f"the gate's probe {file} is not in this installation",
            hint="install bodyshop again: pip install --force-reinstall bodyshop",
        )
    with resources.as_file(file) as path:
        return load_probe(path)
