from .checkup import (
    doctor as doctor,
)
from .configs.scheme import (
    Kind as Kind,
)
from .consensus.agreement import (
    measure_agreement as measure_agreement,
)
from .exchange import (
    export_masks as export_masks,
)
from .exchange import (
    import_masks as import_masks,
)
from .pictures import (
    Picture as Picture,
)
from .pictures import (
    Prediction as Prediction,
)
from .selection import (
    Selection as Selection,
)
from .server.connection import (
    Connection as Connection,
)
from .server.local_server import (
    AnnotationServer as AnnotationServer,
)
from .server.local_server import (
    serve as serve,
)
from .sync.project import (
    init as init,
)
from .sync.pull import (
    pull as pull,
)
from .sync.push import (
    push as push,
)
from .sync.status import (
    status as status,
)
