from .shards import (
    read_rows as read_rows,
)
from .shards import (
    run_shards as run_shards,
)
