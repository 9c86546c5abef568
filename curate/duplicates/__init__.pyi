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
from .stage import (
    pixel_check as pixel_check,
)
