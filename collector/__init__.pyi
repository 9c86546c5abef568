from .brands import (
    Brands as Brands,
)
from .brands import (
    brands_of_list as brands_of_list,
)
from .brands import (
    load_brands as load_brands,
)
from .brands import (
    parse_brands as parse_brands,
)
from .crawl.canary import (
    SourceCheck as SourceCheck,
)
from .crawl.canary import (
    check_sources as check_sources,
)
from .crawl.canary import (
    describe_browser as describe_browser,
)
from .crawl.collect import (
    IncompleteCollectError as IncompleteCollectError,
)
from .crawl.collect import (
    collect as collect,
)
from .crawl.grid_check import (
    GridCheck as GridCheck,
)
from .crawl.grid_check import (
    check_grid as check_grid,
)
from .crawl.plan import (
    CrawlPlan as CrawlPlan,
)
from .crawl.plan import (
    plan as plan,
)
from .folder_import import (
    import_folder as import_folder,
)
from .import_summary import (
    FolderImportSummary as FolderImportSummary,
)
from .ledger.provenance import (
    refusals_table as refusals_table,
)
from .ledger.provenance import (
    sightings_table as sightings_table,
)
from .ledger.provenance import (
    write_refusals as write_refusals,
)
from .ledger.provenance import (
    write_sightings as write_sightings,
)
from .ledger.summary import (
    CollectSummary as CollectSummary,
)
from .ledger.summary import (
    summarise as summarise,
)
from .source_mix import (
    MixSummary as MixSummary,
)
from .source_mix import (
    parse_mix as parse_mix,
)
from .source_mix import (
    select_mix as select_mix,
)
from .sources.recipe import (
    SearchRecipe as SearchRecipe,
)
from .sources.recipe import (
    load_recipe as load_recipe,
)
from .sources.source import (
    Source as Source,
)
from .sources.source import (
    Tools as Tools,
)
