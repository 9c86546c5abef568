"""Pictures that show the same: re-saved, resized, cropped, mirrored, watermarked."""

from bodyshop.lazy import lazy_exports

__all__ = ["DuplicatePair", "FoundPairs", "find_overlap", "find_pairs", "near_pairs", "pixel_check"]

__getattr__ = lazy_exports(
    __name__,
    {
        "DuplicatePair": "pairs",
        "FoundPairs": "pairs",
        "find_overlap": "overlap",
        "find_pairs": "pairs",
        "near_pairs": "search",
        "pixel_check": "checks",
    },
)
