from .predictor import (
    predict as predict,
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
    find_segmenter as find_segmenter,
)
from .sources import (
    list_pictures as list_pictures,
)
