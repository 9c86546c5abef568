from .batches import (
    batches_as_they_come as batches_as_they_come,
)
from .batches import (
    batches_of as batches_of,
)
from .batches import (
    list_entries as list_entries,
)
from .downloads import (
    Downloads as Downloads,
)
from .files import (
    predict as predict,
)
from .files import (
    predict_batches as predict_batches,
)
from .predictor import (
    Predictor as Predictor,
)
from .records import (
    CarBox as CarBox,
)
from .records import (
    PicturePrediction as PicturePrediction,
)
from .sources import (
    find_run as find_run,
)
from .sources import (
    find_run_or_shipped as find_run_or_shipped,
)
from .sources import (
    find_segmenter as find_segmenter,
)
from .sources import (
    list_pictures as list_pictures,
)
