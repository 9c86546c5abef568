"""Pages built from real front-end libraries of npm, and the server that shows them."""

from abroad.foreign import FOREIGN
from abroad.further import FURTHER as _FURTHER
from abroad.further import MENDED as _MENDED
from abroad.habits import HABITS
from abroad.libraries import NoRegistryError, install_libraries, library_versions
from abroad.pages import CASES, Case
from abroad.reports import REPORTS
from abroad.site import AbroadSite
from abroad.sixth import SIXTH, SIXTH_MENDED
from abroad.unseen import UNSEEN, UNSEEN_MENDED

FURTHER = (*_FURTHER, *UNSEEN, *SIXTH)
MENDED = (*_MENDED, *UNSEEN_MENDED, *SIXTH_MENDED)

__all__ = [
    "CASES", "FOREIGN", "FURTHER", "HABITS", "MENDED", "REPORTS", "AbroadSite", "Case",
    "NoRegistryError", "install_libraries", "library_versions",
]  # fmt: skip
