from .driver import (
    BrowserParts as BrowserParts,
)
from .driver import (
    find_browser as find_browser,
)
from .errors import (
    BrowserGoneError as BrowserGoneError,
)
from .errors import (
    ForbiddenPageError as ForbiddenPageError,
)
from .errors import (
    PageLoadError as PageLoadError,
)
from .errors import (
    ScriptError as ScriptError,
)
from .grid import (
    GridLauncher as GridLauncher,
)
from .local import (
    LocalLauncher as LocalLauncher,
)
from .session import (
    Browser as Browser,
)
