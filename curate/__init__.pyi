from .audit.stage import (
    audit_shortcuts as audit_shortcuts,
)
from .detection.detector import (
    Detector as Detector,
)
from .detection.stage import (
    detect as detect,
)
from .gate.gate import (
    Gate as Gate,
)
from .gate.gate import (
    GateScore as GateScore,
)
from .gate.stage import (
    load_gate as load_gate,
)
from .gate.stage import (
    open_gate as open_gate,
)
from .gate.stage import (
    score as score,
)
from .gate_fitting.discover import (
    discover_categories as discover_categories,
)
from .gate_fitting.evaluate import (
    evaluate_gate as evaluate_gate,
)
from .gate_fitting.fit import (
    fit_gate as fit_gate,
)
from .measure.stage import (
    measure_images as measure_images,
)
from .overlap.stage import (
    find_overlap as find_overlap,
)
from .pipeline import (
    curate as curate,
)
from .policy import (
    Policy as Policy,
)
from .policy import (
    load_policy as load_policy,
)
from .policy import (
    parse_policy as parse_policy,
)
from .report.stage import (
    write_report as write_report,
)
from .similar.map_stage import (
    map_pictures as map_pictures,
)
from .similar.map_stage import (
    picture_places as picture_places,
)
from .similar.stage import (
    find_outliers as find_outliers,
)
from .similar.stage import (
    find_similar as find_similar,
)
from .splits.stage import (
    split as split,
)
from .verdicts.explain import (
    explain as explain,
)
from .verdicts.stage import (
    judge as judge,
)
