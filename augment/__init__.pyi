from .apply import (
    AugmentSummary as AugmentSummary,
)
from .apply import (
    augment as augment,
)
from .contact_sheet import (
    preview as preview,
)
from .live import (
    Augmenter as Augmenter,
)
from .live import (
    online as online,
)
from .policy import (
    Policy as Policy,
)
from .policy import (
    load_policy as load_policy,
)
from .policy import (
    preset_names as preset_names,
)
from .replay import (
    Replay as Replay,
)
from .replay import (
    verify as verify,
)
