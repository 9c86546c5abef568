from .build import (
    build_showroom as build_showroom,
)
from .site.serving import (
    require_extra as require_extra,
)
from .site.serving import (
    serve as serve,
)
from .site.site import (
    Site as Site,
)
from .truth import (
    Brand as Brand,
)
from .truth import (
    Model as Model,
)
from .truth import (
    Picture as Picture,
)
from .truth import (
    Truth as Truth,
)
from .truth import (
    load_truth as load_truth,
)
