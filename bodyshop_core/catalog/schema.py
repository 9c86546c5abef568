"""The catalog's tables. Everything about a picture hangs on its sha256.

Computed values are keyed on (sha256, algorithm name and version); nothing here is ever deleted by a
stage: a reject is a row in `verdicts`, an erasure leaves a row in `tombstones`.
"""

from bodyshop_core.catalog.tables.collected import (
    candidates as candidates,
)
from bodyshop_core.catalog.tables.collected import (
    collectors as collectors,
)
from bodyshop_core.catalog.tables.collected import (
    hosts as hosts,
)
from bodyshop_core.catalog.tables.collected import (
    images as images,
)
from bodyshop_core.catalog.tables.collected import (
    labels as labels,
)
from bodyshop_core.catalog.tables.collected import (
    pages as pages,
)
from bodyshop_core.catalog.tables.collected import (
    sightings as sightings,
)
from bodyshop_core.catalog.tables.columns import metadata as metadata
from bodyshop_core.catalog.tables.judged import (
    assignments as assignments,
)
from bodyshop_core.catalog.tables.judged import (
    cluster_decisions as cluster_decisions,
)
from bodyshop_core.catalog.tables.judged import (
    copy_checks as copy_checks,
)
from bodyshop_core.catalog.tables.judged import (
    decisions as decisions,
)
from bodyshop_core.catalog.tables.judged import (
    detections as detections,
)
from bodyshop_core.catalog.tables.judged import (
    gate_scores as gate_scores,
)
from bodyshop_core.catalog.tables.judged import (
    gold as gold,
)
from bodyshop_core.catalog.tables.judged import (
    hiding_decisions as hiding_decisions,
)
from bodyshop_core.catalog.tables.judged import (
    hiding_proposals as hiding_proposals,
)
from bodyshop_core.catalog.tables.judged import (
    measurements as measurements,
)
from bodyshop_core.catalog.tables.judged import (
    pair_checks as pair_checks,
)
from bodyshop_core.catalog.tables.judged import (
    split_sets as split_sets,
)
from bodyshop_core.catalog.tables.judged import (
    splits as splits,
)
from bodyshop_core.catalog.tables.judged import (
    verdicts as verdicts,
)
from bodyshop_core.catalog.tables.labelled import (
    annotations as annotations,
)
from bodyshop_core.catalog.tables.labelled import (
    label_projects as label_projects,
)
from bodyshop_core.catalog.tables.labelled import (
    label_tasks as label_tasks,
)
from bodyshop_core.catalog.tables.labelled import (
    regions as regions,
)
from bodyshop_core.catalog.tables.made import (
    policies as policies,
)
from bodyshop_core.catalog.tables.made import (
    runs as runs,
)
from bodyshop_core.catalog.tables.made import (
    snapshots as snapshots,
)
from bodyshop_core.catalog.tables.made import (
    state_chunks as state_chunks,
)
from bodyshop_core.catalog.tables.made import (
    states as states,
)
from bodyshop_core.catalog.tables.made import (
    tombstones as tombstones,
)
from bodyshop_core.catalog.tables.made import (
    variant_sets as variant_sets,
)
from bodyshop_core.catalog.tables.made import (
    variants as variants,
)

SCHEMA_VERSION = 7
"""In the catalog itself; older ones are migrated, newer ones refused with a message."""
