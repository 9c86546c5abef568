from .configs.label_config import (
    ProjectKind as ProjectKind,
)
from .consensus.agreement import (
    measure_agreement as measure_agreement,
)
from .exchange.mask_export import (
    export_masks as export_masks,
)
from .exchange.mask_import import (
    import_masks as import_masks,
)
from .records.pictures import (
    CatalogPicture as CatalogPicture,
)
from .records.pictures import (
    PreAnnotation as PreAnnotation,
)
from .records.selection import (
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
from .sync.doctor import (
    doctor as doctor,
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
