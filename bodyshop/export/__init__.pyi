from .exporting import (
    FORMATS as FORMATS,
)
from .exporting import (
    DatasetExport as DatasetExport,
)
from .exporting import (
    export as export,
)
from .hiding import (
    read_kinds as read_kinds,
)
from .licences import (
    read_licences as read_licences,
)
from .rows import (
    COLUMNS as COLUMNS,
)
from .rows import (
    manifest_rows as manifest_rows,
)
