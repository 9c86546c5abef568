"""Configuration of the documentation site; `make docs` builds it, without a network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from bodyshop_core.version import __version__

project = "bodyshop"
author = "The bodyshop developers"
copyright = author
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "reference"]
exclude_patterns = ["_build"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}

myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
nb_execution_mode = "off"  # the notebook is run by tests/docs, where a failure has a test's name

html_theme = "furo"
html_title = "bodyshop"
html_show_sphinx = False
html_static_path = ["_static"]
html_js_files = ["access.js"]
pygments_style = "default"  # its colours have the contrast that WCAG asks for
# Python lexing of shell output and of YAML with placeholders isn't worth a failed build.
suppress_warnings = ["misc.highlighting_failure"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say the types, with shapes and units
autodoc_class_signature = "separated"
napoleon_google_docstring = False
napoleon_use_param = False  # types are prose ("ndarray, shape (n, 3)"), not names to link
napoleon_use_rtype = False
napoleon_use_ivar = True
nitpick_ignore_regex = [
    # Bases and type variables of other libraries, and names that are not of the public interface.
    ("py:.*", r"(pydantic|pathlib|numpy|typing|collections|PIL|sqlalchemy|keras|enum)\b.*"),
]
