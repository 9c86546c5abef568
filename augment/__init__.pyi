from .contact_sheet import (
    preview as preview,
)
from .offline import (
    AugmentSummary as AugmentSummary,
)
from .offline import (
    augment as augment,
)
from .online_augmenter import (
    Augmenter as Augmenter,
)
from .online_augmenter import (
    online as online,
)
from .policy import (
    AugmentPolicy as AugmentPolicy,
)
from .policy import (
    load_policy as load_policy,
)
from .policy import (
    preset_names as preset_names,
)
from .verification import (
    VerifySummary as VerifySummary,
)
from .verification import (
    verify as verify,
)
