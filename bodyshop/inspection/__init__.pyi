from .inspecting import (
    inspect as inspect,
)
from .records import (
    InspectedPair as InspectedPair,
)
from .records import (
    InspectionSummary as InspectionSummary,
)
from .records import (
    NewDamage as NewDamage,
)
