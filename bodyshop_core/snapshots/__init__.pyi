from .erase import (
    erase_from_states as erase_from_states,
)
from .reading import (
    PART as PART,
)
from .reading import (
    mask_digests as mask_digests,
)
from .reading import (
    read_state as read_state,
)
from .state import (
    PictureState as PictureState,
)
from .state import (
    State as State,
)
from .store import (
    NOW as NOW,
)
from .store import (
    Snapshot as Snapshot,
)
from .store import (
    SnapshotList as SnapshotList,
)
from .store import (
    chunk_digests as chunk_digests,
)
from .store import (
    list_snapshots as list_snapshots,
)
from .store import (
    load_state as load_state,
)
from .store import (
    record_state as record_state,
)
from .store import (
    remove_snapshot as remove_snapshot,
)
from .store import (
    resolve_state as resolve_state,
)
from .store import (
    save_snapshot as save_snapshot,
)
