"""Online augmentation: a policy inside training, without files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from augment.policy import AugmentPolicy, load_policy
from augment.rendering import pipeline_of, seed_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Augmenter:
    """A policy as a function of picture, sha256 and epoch; picklable and without state.

    Parameters
    ----------
    policy : AugmentPolicy
        Its settings ``picture`` and ``masks`` are not used here.
    """

    policy: AugmentPolicy

    def __call__(self, rgb: NDArray[np.uint8], *, sha256: str, copy: int) -> NDArray[np.uint8]:
        """Return a variant of a picture, of the same size.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (height, width, 3)
            Not changed.
        sha256 : str
            Of the picture.
        copy : int
            The epoch: the same epoch gives the same variant, also after a resume.
        """
        seed = seed_for(self.policy.digest, sha256, copy)
        made = pipeline_of(self.policy)(rgb, seed=seed).image
        if made.shape == rgb.shape:
            return made
        import cv2
        import numpy as np

        height, width = rgb.shape[:2]
        shrinks = made.shape[0] >= height and made.shape[1] >= width
        # INTER_AREA averages when a picture is reduced, but shows blocks when it is enlarged.
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(made, (width, height), interpolation=how), np.uint8)


def online(policy: str | Path | AugmentPolicy) -> Augmenter:
    """Load a policy for use inside training.

    Raises
    ------
    ConfigError
        The policy is invalid.
    """
    return Augmenter(load_policy(policy))
