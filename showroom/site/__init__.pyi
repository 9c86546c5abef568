from .hosts import (
    Hosts as Hosts,
)
from .log import (
    Request as Request,
)
from .log import (
    RequestLog as RequestLog,
)
from .server import (
    Fault as Fault,
)
from .serving import (
    require_extra as require_extra,
)
from .serving import (
    serve as serve,
)
from .site import (
    Site as Site,
)
