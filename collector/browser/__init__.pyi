from .driver import (
    BrowserParts as BrowserParts,
)
from .driver import (
    find_browser as find_browser,
)
from .session import (
    Browser as Browser,
)
from .session import (
    BrowserGoneError as BrowserGoneError,
)
from .session import (
    ForbiddenPageError as ForbiddenPageError,
)
from .session import (
    PageLoadError as PageLoadError,
)
from .session import (
    ScriptError as ScriptError,
)
