from .shards import (
    compute_here as compute_here,
)
from .shards import (
    compute_shards as compute_shards,
)
from .shards import (
    read_rows as read_rows,
)
from .shards import (
    run_shards as run_shards,
)
