from .inspection import (
    inspect as inspect,
)
from .prediction import (
    PicturePrediction as PicturePrediction,
)
from .prediction import (
    Predictor as Predictor,
)
from .prediction import (
    predict as predict,
)
from .stages import (
    Workspace as Workspace,
)
from .stages import (
    augment as augment,
)
from .stages import (
    collect as collect,
)
from .stages import (
    curate as curate,
)
from .stages import (
    evaluate as evaluate,
)
from .stages import (
    find_outliers as find_outliers,
)
from .stages import (
    find_similar as find_similar,
)
from .stages import (
    import_folder as import_folder,
)
from .stages import (
    map_pictures as map_pictures,
)
from .stages import (
    segment as segment,
)
from .stages import (
    train as train,
)

__version__: str
