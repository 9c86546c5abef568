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
from .site import (
    Site as Site,
)
from .site import (
    serve as serve,
)
