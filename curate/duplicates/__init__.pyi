from .checks import (
    pixel_check as pixel_check,
)
from .overlap import (
    find_overlap as find_overlap,
)
from .pairs import (
    DuplicatePair as DuplicatePair,
)
from .pairs import (
    FoundPairs as FoundPairs,
)
from .pairs import (
    find_pairs as find_pairs,
)
from .search import (
    near_pairs as near_pairs,
)
