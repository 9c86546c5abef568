"""What a map of a set says: a row per picture, clusters, doubtful labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from bodyshop_core.summary import Summary

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class MappedPicture:
    """One picture on the map.

    Parameters
    ----------
    sha256 : str
        The picture.
    x, y : float
        First two principal components of the feature vectors of length 1.
    cluster : int
        Number of its cluster; 0 is the largest.
    label, split, verdict : str or None
        As the newest `curate` left them.
    reasons : str
        Why it was rejected, joined by ``;``.
    source : str
        Its origin: the host or the name of the import.
    file : str or None
        Where it was found first: a URL, or the file of an import.
    doubt : float or None
        Probability that the label is wrong, out of fold; None: not asked.
    instead : str or None
        The label that a classifier would give, where it doubts.
    """

    sha256: str
    x: float
    y: float
    cluster: int
    label: str | None
    split: str | None
    verdict: str | None
    reasons: str
    source: str
    file: str | None
    doubt: float | None = None
    instead: str | None = None


@dataclass(frozen=True)
class MapSummary(Summary):
    """The outcome of `map_pictures`.

    Parameters
    ----------
    pictures : int
        On the map.
    explained : float
        Share of the variance of the features that its two axes show, 0 to 1.
    clusters : tuple of dict
        ``{cluster, pictures, labels, examples}``, the largest first; the examples are the sha256 of
        those nearest to the centre.
    label_errors : tuple of dict
        ``{sha256, label, instead, doubt, file}``, the most doubtful first.
    outliers : tuple of dict
        ``{sha256, similarity, file}`` of the kept pictures that are least like their fifth
        neighbour, the farthest first; the similarity is a cosine.
    doubted : int
        Labels that were judged.
    not_looked_for : str or None
        Why no label was.
    page, image : Path
        The page to hover over, and the same as a picture.
    places : tuple of MappedPicture
        One per picture.
    """

    pictures: int
    explained: float
    clusters: tuple[dict[str, Any], ...]
    label_errors: tuple[dict[str, Any], ...]
    outliers: tuple[dict[str, Any], ...]
    doubted: int
    not_looked_for: str | None
    page: Path
    image: Path
    places: tuple[MappedPicture, ...]

    columns: ClassVar[tuple[str, ...]] = ("cluster", "pictures", "labels", "an example")

    def rows(self) -> list[tuple[object, ...]]:
        """Return one row per cluster, for a table."""
        return [
            (
                one["cluster"],
                one["pictures"],
                ", ".join(f"{count} {label}" for label, count in one["labels"].items()),
                one["examples"][0][:12],
            )
            for one in self.clusters
        ]

    def notes(self) -> list[str]:
        """Return what to print below the table."""
        doubted = (
            f"label errors were not looked for: {self.not_looked_for}"
            if self.not_looked_for
            else f"{len(self.label_errors)} of {self.doubted} labels are doubtful"
        )
        return [doubted, f"Page: {self.page}", f"Picture: {self.image}"]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able values; the places are in the table only."""
        facts = {**super().as_dict(), "page": str(self.page), "image": str(self.image)}
        del facts["places"]
        return facts

    def to_arrow(self) -> pa.Table:
        """Return one row per picture as an Arrow table; ``to_pandas()`` follows."""
        import pyarrow as pa

        names = MappedPicture.__dataclass_fields__
        kinds = {"x": pa.float32(), "y": pa.float32(), "cluster": pa.int32(), "doubt": pa.float32()}
        return pa.table(
            {
                name: pa.array([getattr(one, name) for one in self.places],
                               kinds.get(name, pa.string()))
                for name in names
            }
        )  # fmt: skip
