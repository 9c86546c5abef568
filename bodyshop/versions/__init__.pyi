from .checkout import (
    Checkout as Checkout,
)
from .checkout import (
    checkout as checkout,
)
from .compare import (
    Change as Change,
)
from .compare import (
    StateDiff as StateDiff,
)
from .compare import (
    compare as compare,
)
from .diff import (
    diff as diff,
)
from .outcome import (
    Diff as Diff,
)
